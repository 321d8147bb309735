"""Figures of each class: the Fréchet distance of its images, and the samples that show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tfgan2.errors import UserError
from tfgan2.metrics import RunningStatistics, frechet_distance

MOST_VALUES = 2**26
"""Of all covariances together: 40 classes of 1,280 features, half a gigabyte."""

Arrays = Mapping[str, np.ndarray]
Counts = Sequence[int] | np.ndarray


class ClassSummary:
    """Statistics of the features of each class."""

    def __init__(self, classes: int) -> None:
        self._statistics = [RunningStatistics() for _ in range(classes)]

    def update(self, features: np.ndarray, labels: np.ndarray) -> None:
        """Adds a batch: features, shape (N, dim), and numbers of classes, shape (N,)."""
        for label in np.unique(labels):
            self._statistics[label].update(features[labels == label])

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns the `class_counts`; and `class_means` and `class_covariances` where 2 or more."""
        counts = np.array([each.count for each in self._statistics])
        known = [each.statistics() for each in self._statistics if each.count > 1]
        return {
            "class_counts": counts,
            "class_means": np.array([mean for mean, _ in known]),
            "class_covariances": np.array([covariance for _, covariance in known]),
        }


def obstacle(names: Sequence[str], dim: int, generated: Counts, real: Counts) -> str:
    """Returns why the classes have no distances by `dim` features, "" if they have.

    The numbers of images of each class are those that are known beforehand, or ().
    """
    if len(names) * dim**2 > MOST_VALUES:
        return f"{len(names)} classes of {dim} features need too much memory, give classifier"
    for label, count in enumerate(generated):
        if count == 1 or (count and len(real) and real[label] < 2):
            return _too_few(names[label])
    return ""


def _too_few(name: str) -> str:
    return (
        f"class {name!r} has fewer than 2 samples or real images, too few for a distance: "
        "give a larger --count, or --metrics without intra"
    )


def intra_distances(generated: Arrays, real: Arrays, names: Sequence[str]) -> dict[str, float]:
    """Returns the Fréchet distance of each class by its name, from arrays of `ClassSummary`.

    Classes without samples are left out.

    Raises:
        UserError: a class of the samples has fewer than 2 of them, or fewer than 2 real images.
    """
    distances = {}
    sides = [_by_label(arrays) for arrays in (generated, real)]
    for label, name in enumerate(names):
        if not generated["class_counts"][label]:
            continue
        if not all(label in side for side in sides):
            raise UserError(_too_few(name))
        distances[name] = frechet_distance(*sides[0][label], *sides[1][label])
    return distances


def label_accuracies(generated: Arrays, names: Sequence[str]) -> dict[str, float]:
    """Returns for each label the fraction of its samples that show it, 0 without samples.

    `generated` has the number of samples `asked` of each label, and of these `right`.
    """
    shares = generated["right"] / np.maximum(generated["asked"], 1)
    return dict(zip(names, shares.tolist(), strict=True))


def joined(**figures: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Returns the figures of each class by its name, from the classes of each figure."""
    names = dict.fromkeys(name for each in figures.values() for name in each)
    return {
        name: {figure: each[name] for figure, each in figures.items() if name in each}
        for name in names
    }


def _by_label(arrays: Arrays) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    labels = np.flatnonzero(arrays["class_counts"] > 1).tolist()
    pairs = zip(arrays["class_means"], arrays["class_covariances"], strict=True)
    return dict(zip(labels, pairs, strict=True))
