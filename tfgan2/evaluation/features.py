"""The spaces of features, by name, that distances between images are computed in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgan2.errors import UserError, unknown
from tfgan2.evaluation.extractor import BatchExtractor, Extractor
from tfgan2.images import from_uint8, is_points
from tfgan2.metrics.features import RANDOM_CONVOLUTIONS, averaged, random_convolutions

if TYPE_CHECKING:
    from tfgan2.data import ImageDataset, Progress

FEATURES = ("classifier", "inception", "inception-tf", "pixels", RANDOM_CONVOLUTIONS)

MOST_PIXELS = 3_072
_FROZEN = "inception-tf"
_BATCH = 240
_RANDOM_DIM = 112


def check_features(name: str) -> None:
    """Raises a UserError unless features of this name are known; loads nothing."""
    plain, colon, file = name.partition(":")
    if plain not in FEATURES or (colon and plain != _FROZEN):
        raise unknown("features", name, FEATURES)
    if plain == _FROZEN and not file:
        raise UserError("inception-tf needs the frozen graph: give inception-tf:FILE")


def extractor_for(
    name: str | None,
    dataset: ImageDataset,
    *,
    cache: Path,
    progress: Progress = lambda text, done, total: None,
) -> Extractor | None:
    """The features that images of a dataset are judged by.

    Args:
        name: as for `make_extractor`; None for a classifier where there are labels, else for random
            convolutions.
        dataset: what a classifier is trained on.
        cache: as for `make_extractor`.
        progress: likewise.

    Returns:
        None for points, which are judged by their modes.

    Raises:
        UserError: as `make_extractor`.
    """
    if is_points(dataset.image_shape) and name is None:
        return None
    if name is None:
        labelled = dataset.kind == "images" and len(dataset.class_names) > 1
        name = "classifier" if labelled else RANDOM_CONVOLUTIONS
    return make_extractor(name, dataset, dataset.image_shape, cache=cache, progress=progress)


def make_extractor(
    name: str,
    dataset: ImageDataset | None,
    image_shape: tuple[int, int, int],
    *,
    cache: Path,
    progress: Progress = lambda text, done, total: None,
) -> Extractor:
    """A space of features by its name.

    Args:
        name: one of `FEATURES`; of "inception-tf", "inception-tf:FILE".
        dataset: what the images are compared with; "classifier" is trained on it, others ignore it.
        image_shape: (height, width, channels) of the images.
        cache: a folder for what is trained, see `cache_folder`.
        progress: called now and then with what is being done, how much of it is done, and of how
            much.

    Raises:
        UserError: an unknown name, or a space that these images or this dataset cannot have.
    """
    check_features(name)
    name, _, file = name.partition(":")
    if is_points(image_shape):
        raise UserError("points are no pictures: there are no features of them to compare")
    if name == "classifier":
        return _classifier(dataset, image_shape, cache, progress)
    if name == "inception":
        from tfgan2.evaluation import inception

        return inception.make_inception(image_shape)
    if name == _FROZEN:
        from tfgan2.evaluation import inception

        return inception.make_frozen(Path(file).expanduser(), image_shape)
    return _pixels(image_shape) if name == "pixels" else _random_convolutions(image_shape)


def _classifier(
    dataset: ImageDataset | None,
    image_shape: tuple[int, int, int],
    cache: Path,
    progress: Progress,
) -> Extractor:
    from tfgan2.evaluation import classifier

    if dataset is None:
        raise UserError(
            "a classifier needs a dataset with labels: give --dataset, or --features "
            "random-conv-112, pixels or inception"
        )
    if dataset.image_shape != image_shape:
        have, given = ("x".join(map(str, shape)) for shape in (dataset.image_shape, image_shape))
        raise UserError(
            f"the images of dataset {dataset.name!r} are {have}, those to be judged {given}: give "
            "--image-size and --channels that make them equal"
        )
    return classifier.make_classifier(dataset, cache=cache, progress=progress)


def _pixels(image_shape: tuple[int, int, int]) -> Extractor:
    height, width, channels = image_shape
    factor = 1
    while -(-height // factor) * -(-width // factor) * channels > MOST_PIXELS:
        factor += 1

    def compute(images: np.ndarray) -> tuple[Any, Any]:
        return averaged(images.astype(np.float32) / 255, factor).reshape(len(images), -1), None

    return BatchExtractor(
        name="pixels",
        dim=-(-height // factor) * -(-width // factor) * channels,
        protocol={
            "features": "pixels: from 0 to 1",
            "weights": None,
            "resize": f"means of {factor}x{factor} pixels" if factor > 1 else "none",
            "input": f"uint8, {channels} channels",
        },
        image_shape=image_shape,
        batch_size=_BATCH,
        compute=compute,
    )


def _random_convolutions(image_shape: tuple[int, int, int]) -> Extractor:
    def compute(images: np.ndarray) -> tuple[Any, Any]:
        return random_convolutions(from_uint8(images)), None

    return BatchExtractor(
        name=RANDOM_CONVOLUTIONS,
        dim=_RANDOM_DIM,
        protocol={
            "features": f"{RANDOM_CONVOLUTIONS}: means of two layers of fixed random filters",
            "weights": None,
            "resize": "edges above 32 by means of whole squares, those below 8 repeated",
            "input": f"uint8, {image_shape[2]} channels",
        },
        image_shape=image_shape,
        batch_size=_BATCH,
        compute=compute,
    )
