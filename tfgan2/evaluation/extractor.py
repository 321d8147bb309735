"""What every space of features has in common: images go in by batches of one size."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np


class Extracted(NamedTuple):
    """What was found in N images.

    Attributes:
        features: float32, shape (N, dim).
        probabilities: of the classes, float32, shape (N, num_classes), or None where the space has
            none.
    """

    features: np.ndarray
    probabilities: np.ndarray | None


class Extractor(Protocol):
    """From images to a space of features.

    Attributes:
        name: one of `FEATURES`.
        dim: of the features.
        num_classes: 0 where there are no probabilities.
        class_names: the dataset's, in the order of the probabilities; () where they are of classes
            that are not the dataset's.
        protocol: what tells these features from others, fit for JSON: distances are comparable only
            where it is equal.
    """

    name: str
    dim: int
    num_classes: int
    class_names: tuple[str, ...]
    protocol: dict[str, Any]

    def __call__(self, images: np.ndarray) -> Extracted:
        """The features of any number of images, uint8, shape (N, H, W, C)."""


@dataclass
class BatchExtractor:
    """An `Extractor` that sees a fixed number of images at a time.

    The last batch is filled up with black. So nothing is compiled for a second shape, the memory
    does not depend on N, and the features of an image not on how many came with it.

    Attributes:
        image_shape: (height, width, channels) of the images.
        batch_size: how many images `compute` gets.
        compute: from uint8, shape (batch_size, *image_shape), to features and probabilities (or
            None) of each image.
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
        """As of `Extractor`.

        Raises:
            ValueError: the images are of another shape or no uint8.
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
            found, likely = self.compute(batch)
            features[start:end] = np.asarray(found)[:count]
            if self.num_classes:
                probabilities[start:end] = np.asarray(likely)[:count]
        return Extracted(features, probabilities if self.num_classes else None)


def weights_hash(weights: Iterable[np.ndarray]) -> str:
    """16 hexadecimal digits of the SHA-256 of arrays, with their shapes and types."""
    digest = hashlib.sha256()
    for array in weights:
        digest.update(f"{array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
