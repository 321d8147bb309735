"""A run small enough for every test to train a few steps of it."""

from __future__ import annotations

from pathlib import Path

SMALL = "--set width=4 --set latent_dim=8 --batch-size 16 --seed 3 --no-xla"


def fit_small(out: Path, options: str = "", *, steps: int = 6) -> int:
    """`tfgan2 fit dcgan` on the embedded digits, in this process; returns the exit code."""
    from tfgan2 import cli

    every = "--log-every 2 --sample-every 4 --checkpoint-every 2"
    words = f"fit dcgan --dataset digits --steps {steps} {every} {SMALL} {options}"
    return cli.run([*words.split(), "--out", str(out)])
