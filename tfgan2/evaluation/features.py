"""The feature extractors by name; distances are comparable only between equal features."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfgan2.errors import UserError, unknown
from tfgan2.evaluation.extractor import Extractor, means_of_blocks
from tfgan2.images import from_uint8, is_points
from tfgan2.metrics.images import RANDOM_CONVOLUTIONS, block_means, random_convolutions
from tfgan2.pretrained.packages import EFFICIENTNETS, is_installed, weights_file

if TYPE_CHECKING:
    from tfgan2.data import ImageDataset, Progress

FEATURES = (
    *EFFICIENTNETS,
    "classifier",
    "inception",
    "inception-tf",
    "pixels",
    RANDOM_CONVOLUTIONS,
)
STANDARD = "efficientnet-lite0"
"""The default where it is installed."""
OF_CLASSES = ("classes", "modes")
"""Metrics that need the classes of the dataset, which only the classifier predicts."""
MAX_PIXEL_VALUES = 3_072

_BATCH = 240


def check_features(name: str) -> None:
    """Raises a UserError unless features of this name exist and are installed; loads nothing."""
    kind, colon, file = name.partition(":")
    if kind not in FEATURES or (colon and kind != "inception-tf"):
        raise unknown("features", name, FEATURES)
    if kind == "inception-tf" and not file:
        raise UserError("inception-tf needs the frozen graph: give inception-tf:FILE")
    if kind in EFFICIENTNETS:
        weights_file(kind)


def default_features(dataset: ImageDataset, metrics: Collection[str] = ()) -> str | None:
    """Returns the features for comparisons with a dataset where none are given; None for points.

    They are `STANDARD` if its weights are installed, else the classifier if the dataset has labels,
    else random convolutions. Metrics in `OF_CLASSES`, and "stacked_mnist", get the classifier.
    """
    if is_points(dataset.image_shape):
        return None
    labelled = dataset.kind == "images" and len(dataset.class_names) > 1
    needs_classes = dataset.name == "stacked_mnist" or not {*OF_CLASSES}.isdisjoint(metrics)
    photographs = dataset.image_shape[2] in (1, 3, 4) and is_installed(STANDARD)
    if photographs and not (labelled and needs_classes):
        return STANDARD
    return "classifier" if labelled else RANDOM_CONVOLUTIONS


def make_extractor(
    name: str | None,
    dataset: ImageDataset,
    *,
    cache_dir: Path,
    progress: Progress = lambda text, done, total: None,
) -> Extractor | None:
    """Returns the extractor for images that are compared with a dataset.

    A classifier is trained on the dataset. Points have no features, None: they are evaluated by
    their modes.

    Raises:
        UserError: an unknown name, or features that the dataset does not allow.
    """
    shape = dataset.image_shape
    if name is None:
        return None
    if is_points(shape):
        raise UserError("points have no image features: choose none")
    kind, _, file = name.partition(":")
    if kind in EFFICIENTNETS:
        from tfgan2.evaluation.efficientnet import make_efficientnet

        return make_efficientnet(kind, shape)
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
    dim = -(-height // factor) * -(-width // factor) * channels
    return Extractor("pixels", protocol, image_shape, dim, _BATCH, compute)


def _random_convolutions(image_shape: tuple[int, int, int]) -> Extractor:
    protocol = {
        "features": f"{RANDOM_CONVOLUTIONS}: means of two layers of fixed random filters",
        "weights": None,
        "resize": "edges above 32 by means of whole squares, those below 8 repeated",
        "input": f"uint8, {image_shape[2]} channels",
    }

    def compute(images: np.ndarray) -> tuple[np.ndarray, None]:
        return random_convolutions(from_uint8(images)), None

    return Extractor(RANDOM_CONVOLUTIONS, protocol, image_shape, 112, _BATCH, compute)
