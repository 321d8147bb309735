"""Feature extractors: from batches of images of a fixed size to features and probabilities."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


class Extracted(NamedTuple):
    """Features and class probabilities of N images.

    Attributes:
        features: float32, shape (N, dim).
        probabilities: float32, shape (N, num_classes), or None if the extractor has no classes.
    """

    features: np.ndarray
    probabilities: np.ndarray | None


@dataclass
class Extractor:
    """Computes features of any number of images, `batch_size` at a time.

    The last batch is filled with black images. So nothing is compiled for a second shape, memory
    does not grow with the number of images, and the features of an image do not depend on the
    others.

    Attributes:
        name: one of `FEATURES`.
        dim: of the features.
        protocol: what distinguishes these features from others; JSON.
        image_shape: (height, width, channels) of the images.
        batch_size: images per call of `compute`.
        compute: from uint8 images, shape (batch_size, *image_shape), to their features and
            probabilities (or None).
        num_classes: 0 if there are no probabilities.
        class_names: the dataset's, in the order of the probabilities; () if the classes are not
            those of the dataset.
    """

    name: str
    dim: int
    protocol: dict[str, Any]
    image_shape: tuple[int, int, int]
    batch_size: int
    compute: Callable[[np.ndarray], tuple[Any, Any]]
    num_classes: int = 0
    class_names: tuple[str, ...] = ()

    def __call__(self, images: np.ndarray) -> Extracted:
        """Extracts features from uint8 images, shape (N, H, W, C).

        Raises:
            ValueError: images of another shape or type.
        """
        if images.dtype != np.uint8 or images.shape[1:] != self.image_shape:
            raise ValueError(
                f"images must be uint8 of shape (N, {', '.join(map(str, self.image_shape))}), "
                f"not {images.dtype} of {images.shape}"
            )
        features = np.empty((len(images), self.dim), np.float32)
        probabilities = np.empty((len(images), self.num_classes), np.float32)
        for start in range(0, len(images), self.batch_size):
            batch = images[start : start + self.batch_size]
            count, end = len(batch), start + len(batch)
            if count < self.batch_size:
                missing = np.zeros((self.batch_size - count, *self.image_shape), np.uint8)
                batch = np.concatenate([batch, missing])
            batch_features, batch_probabilities = self.compute(batch)
            features[start:end] = np.asarray(batch_features)[:count]
            if self.num_classes:
                probabilities[start:end] = np.asarray(batch_probabilities)[:count]
        return Extracted(features, probabilities if self.num_classes else None)


def weights_hash(weights: Iterable[np.ndarray]) -> str:
    """Returns 16 hexadecimal digits of the SHA-256 of arrays, their shapes and types."""
    digest = hashlib.sha256()
    for array in weights:
        digest.update(f"{array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
