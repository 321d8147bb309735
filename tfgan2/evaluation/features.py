"""The spaces of features, by name, that distances between images are computed in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgan2.errors import UserError, unknown
from tfgan2.evaluation.extractor import BatchExtractor, Extracted, Extractor
from tfgan2.evaluation.references import cache_folder
from tfgan2.images import from_uint8, is_points
from tfgan2.metrics.features import RANDOM_CONVOLUTIONS, averaged, random_convolutions

if TYPE_CHECKING:
    from tfgan2.data.dataset import ImageDataset, Progress

__all__ = ["FEATURES", "Extracted", "Extractor", "cache_folder", "make_extractor"]

FEATURES = ("classifier", "inception", "inception-tf", "pixels", RANDOM_CONVOLUTIONS)

MOST_PIXELS = 3_072
_FROZEN = "inception-tf"
_BATCH = 240
_RANDOM_DIM = 112


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
    name, colon, file = name.partition(":")
    if name not in FEATURES or (colon and name != _FROZEN):
        raise unknown("features", name + colon + file, FEATURES)
    if is_points(image_shape):
        raise UserError("points are no pictures: there are no features of them to compare")
    if name == "classifier":
        return _classifier(dataset, image_shape, cache, progress)
    if name == "inception":
        from tfgan2.evaluation import inception

        return inception.make_inception(image_shape)
    if name == _FROZEN:
        from tfgan2.evaluation import inception

        if not file:
            raise UserError("inception-tf needs the frozen graph: give inception-tf:FILE")
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
