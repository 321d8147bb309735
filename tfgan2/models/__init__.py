"""One file per flavour. Importing this package imports none of them; `tfgan2.registry` does."""
