"""The two sets of images that come with the installation and need no network."""

from __future__ import annotations

import numpy as np

from tfgan2.data.dataset import (
    ImageDataset,
    MemorySource,
    Request,
    choose_classes,
    with_held_out,
)
from tfgan2.images.files import fit_array

DEFAULT_SIZE = {"digits": 16, "faces": 24}


def load(request: Request) -> ImageDataset:
    """Loads "digits" or "faces"; always into memory, since they are tiny.

    Raises:
        UserError: the classes do not exist.
    """
    if request.name == "digits":
        pixels, labels = _digits()
        names, relabelled = choose_classes(
            request.classes, [str(digit) for digit in range(10)], name=request.name
        )
        labels = relabelled[labels]
        pixels, labels = pixels[labels >= 0], labels[labels >= 0]
    else:
        names, _ = choose_classes(request.classes, (), name=request.name)
        pixels, labels = _faces(), None
    size = request.image_size or DEFAULT_SIZE[request.name]
    channels = request.channels or 1
    images = np.stack([fit_array(image, size=size, channels=channels) for image in pixels])
    request.progress(f"reading {request.name}", len(images), len(images))

    def part(chosen: np.ndarray, held_out: ImageDataset | None) -> ImageDataset:
        return ImageDataset(
            MemorySource(images[chosen], None if labels is None else labels[chosen]),
            name=request.name,
            image_shape=(size, size, channels),
            class_names=names,
            content=request.name,
            held_out=held_out,
        )

    return with_held_out(len(images), request, part)


def _digits() -> tuple[np.ndarray, np.ndarray]:
    """Uint8 (1797, 8, 8), and labels 0…9."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return _to_uint8(digits.images / 16), digits.target


def _faces() -> np.ndarray:
    """Uint8 (100, 25, 25)."""
    from skimage.data import lfw_subset

    return _to_uint8(lfw_subset()[:100])  # the other hundred are no faces


def _to_uint8(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values * 255), 0, 255).astype(np.uint8)
