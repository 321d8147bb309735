"""What labels of samples, as a classifier predicts them, say about missing modes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Modes(NamedTuple):
    """Attributes:
    found: modes with at least one sample.
    divergence: KL divergence of the samples' distribution over the modes to the uniform one,
        natural logarithm; 0 at best, and log of the number of modes where all are of one.
    """

    found: int
    divergence: float


def modes_found(labels: np.ndarray, modes: int) -> Modes:
    """Modes found and the divergence from the uniform distribution, as in Lin et al. 2018 (PacGAN).

    There it is over 26,000 samples of stacked MNIST. Both depend on the number of samples: even N
    samples of the uniform distribution have a divergence of about (modes - 1) / 2N.

    Args:
        labels: predicted, whole numbers from 0 to modes - 1, shape (N,), N >= 1.
        modes: how many there are, 1,000 of stacked MNIST.

    Raises:
        ValueError: other labels.
    """
    counts = _counts(labels, modes)
    shares = counts[counts > 0] / counts.sum()
    # Of equal shares it may come out below 0 by rounding.
    divergence = max(0.0, float(np.sum(shares * np.log(shares * modes))))
    return Modes(len(shares), divergence)


def label_accuracy(predicted: np.ndarray, asked: np.ndarray) -> float:
    """The share of samples whose predicted label is the one that was asked for.

    Args:
        predicted: shape (N,), N >= 1.
        asked: likewise.

    Raises:
        ValueError: other shapes.
    """
    predicted, asked = np.asarray(predicted), np.asarray(asked)
    if predicted.ndim != 1 or predicted.shape != asked.shape or not len(predicted):
        raise ValueError(
            f"labels must be of the same shape (N,), not {predicted.shape} and {asked.shape}"
        )
    return float(np.mean(predicted == asked))


def _counts(labels: np.ndarray, classes: int) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.ndim != 1 or not len(labels):
        raise ValueError(f"labels must be of shape (1 or more,), not {labels.shape}")
    _check_labels(labels, classes)
    return np.bincount(labels.astype(np.int64), minlength=classes)


def _check_labels(labels: np.ndarray, classes: int) -> None:
    whole = np.issubdtype(labels.dtype, np.integer)
    if not whole or (labels.size and not 0 <= labels.min() <= labels.max() < classes):
        raise ValueError(f"labels must be whole numbers from 0 to {classes - 1}")
