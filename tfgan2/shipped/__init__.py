"""Generators that are part of this package, each a bundle; `benchmarks/ship.py` writes them."""
