"""Missing modes, from the labels that a classifier predicts for samples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Modes(NamedTuple):
    """Attributes:
    found: modes with at least one sample.
    divergence: KL divergence of the samples' distribution over the modes from the uniform one, in
        nats: from 0 to the logarithm of the number of modes.
    """

    found: int
    divergence: float


def modes_found(labels: np.ndarray, modes: int) -> Modes:
    """Counts modes and measures how uniform they are, as Lin et al. 2018 (PacGAN) do.

    They use 26,000 samples of stacked MNIST. Both figures depend on the number of samples: even N
    uniform samples have a divergence of about (modes - 1) / 2N.

    Args:
        labels: predicted modes, integers from 0 to modes - 1, shape (N,), N >= 1.
        modes: number of modes, 1,000 for stacked MNIST.

    Raises:
        ValueError: labels of another shape, type or range.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or not len(labels):
        raise ValueError(f"labels must be of shape (N,) with N >= 1, not {labels.shape}")
    whole = np.issubdtype(labels.dtype, np.integer)
    if not whole or not 0 <= labels.min() <= labels.max() < modes:
        raise ValueError(f"labels must be integers from 0 to {modes - 1}")
    counts = np.bincount(labels.astype(np.int64), minlength=modes)
    shares = counts[counts > 0] / counts.sum()
    # Rounding can push the divergence of equal shares below 0.
    divergence = max(0.0, float(np.sum(shares * np.log(shares * modes))))
    return Modes(len(shares), divergence)
