"""The feature extractors by name; distances are comparable only between equal features."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfgan2.errors import UserError, unknown
from tfgan2.evaluation.extractor import Extractor, means_of_blocks
from tfgan2.images import from_uint8, is_points
from tfgan2.metrics.images import RANDOM_CONVOLUTIONS, block_means, random_convolutions

if TYPE_CHECKING:
    from tfgan2.data import ImageDataset, Progress

FEATURES = ("classifier", "inception", "inception-tf", "pixels", RANDOM_CONVOLUTIONS)
MAX_PIXEL_VALUES = 3_072

_BATCH = 240


def check_features(name: str) -> None:
    """Raises a UserError unless features of this name exist; loads nothing."""
    kind, colon, file = name.partition(":")
    if kind not in FEATURES or (colon and kind != "inception-tf"):
        raise unknown("features", name, FEATURES)
    if kind == "inception-tf" and not file:
        raise UserError("inception-tf needs the frozen graph: give inception-tf:FILE")


def make_extractor(
    name: str | None,
    dataset: ImageDataset,
    *,
    cache_dir: Path,
    progress: Progress = lambda text, done, total: None,
) -> Extractor | None:
    """Returns the extractor for images that are compared with a dataset.

    A classifier is trained on the dataset; it is the default if the dataset has labels, else random
    convolutions are. Points have no features: they are evaluated by their modes.

    Raises:
        UserError: an unknown name, or features that the dataset does not allow.
    """
    shape = dataset.image_shape
    if is_points(shape):
        if name is None:
            return None
        raise UserError("points have no image features: choose none")
    if name is None:
        labelled = dataset.kind == "images" and len(dataset.class_names) > 1
        name = "classifier" if labelled else RANDOM_CONVOLUTIONS
    kind, _, file = name.partition(":")
    match kind:
        case "classifier":
            from tfgan2.evaluation.classifier import make_classifier

            return make_classifier(dataset, cache_dir, progress)
        case "inception" | "inception-tf":
            from tfgan2.evaluation.inception import make_inception

            return make_inception(shape, Path(file).expanduser() if file else None)
        case "pixels":
            return _pixels(shape)
    return _random_convolutions(shape)


def _pixels(image_shape: tuple[int, int, int]) -> Extractor:
    height, width, channels = image_shape
    factor = 1
    while -(-height // factor) * -(-width // factor) * channels > MAX_PIXEL_VALUES:
        factor += 1

    def compute(images: np.ndarray) -> tuple[np.ndarray, None]:
        return block_means(images.astype(np.float32) / 255, factor).reshape(len(images), -1), None

    protocol = {
        "features": "pixels: from 0 to 1",
        "weights": None,
        "resize": means_of_blocks(factor),
        "input": f"uint8, {channels} channels",
    }
    return Extractor("pixels", protocol, image_shape, _BATCH, compute)


def _random_convolutions(image_shape: tuple[int, int, int]) -> Extractor:
    protocol = {
        "features": f"{RANDOM_CONVOLUTIONS}: means of two layers of fixed random filters",
        "weights": None,
        "resize": "edges above 32 by means of whole squares, those below 8 repeated",
        "input": f"uint8, {image_shape[2]} channels",
    }

    def compute(images: np.ndarray) -> tuple[np.ndarray, None]:
        return random_convolutions(from_uint8(images)), None

    return Extractor(RANDOM_CONVOLUTIONS, protocol, image_shape, _BATCH, compute)
