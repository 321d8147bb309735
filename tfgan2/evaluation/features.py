"""The feature extractors by name; distances are comparable only between equal features."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tfgan2.errors import UserError, unknown
from tfgan2.evaluation.extractor import Extractor, make_pixels, make_random_convolutions
from tfgan2.images import is_points
from tfgan2.metrics.images import RANDOM_CONVOLUTIONS

if TYPE_CHECKING:
    from tfgan2.data import ImageDataset, Progress

FEATURES = ("classifier", "inception", "inception-tf", "pixels", RANDOM_CONVOLUTIONS)


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

    Args:
        name: one of `FEATURES`; "inception-tf:FILE" for "inception-tf". Default: a classifier if
            the dataset has labels, else random convolutions.
        dataset: gives the shape of the images; a classifier is trained on it.
        cache_dir: directory for trained classifiers.
        progress: called with a description, the units done and their total.

    Returns:
        None for points without a name: they are evaluated by their modes.

    Raises:
        UserError: an unknown name, or features that the dataset does not allow.
    """
    shape = dataset.image_shape
    if is_points(shape):
        if name is None:
            return None
        raise UserError("points have no image features: leave --features out")
    if name is None:
        labelled = dataset.kind == "images" and len(dataset.class_names) > 1
        name = "classifier" if labelled else RANDOM_CONVOLUTIONS
    check_features(name)
    kind, _, file = name.partition(":")
    match kind:
        case "classifier":
            from tfgan2.evaluation.classifier import make_classifier

            return make_classifier(dataset, cache_dir, progress)
        case "inception":
            from tfgan2.evaluation.inception import make_inception

            return make_inception(shape)
        case "inception-tf":
            from tfgan2.evaluation.inception import make_frozen_inception

            return make_frozen_inception(Path(file).expanduser(), shape)
        case "pixels":
            return make_pixels(shape)
    return make_random_convolutions(shape)
