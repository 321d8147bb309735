"""Feature extractors: from images of one size to features and probabilities of classes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tfgan2.images import from_uint8
from tfgan2.metrics.images import RANDOM_CONVOLUTIONS, block_means, random_convolutions

MAX_PIXEL_VALUES = 3_072

_BATCH = 240
_RANDOM_DIM = 112


class Extracted(NamedTuple):
    """Features, float32, shape (N, dim), and class probabilities of N images.

    The probabilities are float32, shape (N, num_classes), or None if there are no classes.
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
            missing = ((0, self.batch_size - count), (0, 0), (0, 0), (0, 0))
            batch_features, batch_probabilities = self.compute(np.pad(batch, missing))
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


def make_pixels(image_shape: tuple[int, int, int]) -> Extractor:
    """Returns the pixels as features, averaged down to at most `MAX_PIXEL_VALUES` values."""
    height, width, channels = image_shape
    factor = 1
    while (dim := -(-height // factor) * -(-width // factor) * channels) > MAX_PIXEL_VALUES:
        factor += 1

    def compute(images: np.ndarray) -> tuple[np.ndarray, None]:
        return block_means(images.astype(np.float32) / 255, factor).reshape(len(images), -1), None

    protocol = {
        "features": "pixels: from 0 to 1",
        "weights": None,
        "resize": f"means of {factor}x{factor} pixels" if factor > 1 else "none",
        "input": f"uint8, {channels} channels",
    }
    return Extractor("pixels", dim, protocol, image_shape, _BATCH, compute)


def make_random_convolutions(image_shape: tuple[int, int, int]) -> Extractor:
    """Returns `random_convolutions` as features."""
    protocol = {
        "features": f"{RANDOM_CONVOLUTIONS}: means of two layers of fixed random filters",
        "weights": None,
        "resize": "edges above 32 by means of whole squares, those below 8 repeated",
        "input": f"uint8, {image_shape[2]} channels",
    }

    def compute(images: np.ndarray) -> tuple[np.ndarray, None]:
        return random_convolutions(from_uint8(images)), None

    return Extractor(RANDOM_CONVOLUTIONS, _RANDOM_DIM, protocol, image_shape, _BATCH, compute)
