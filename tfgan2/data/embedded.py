"""`digits` and `faces`: images that come with the installation and need no network."""

from __future__ import annotations

import numpy as np

from tfgan2.data.dataset import ImageDataset
from tfgan2.data.request import Request, choose_classes, hold_out, keep_classes
from tfgan2.images.files import fit_array


def load_digits(request: Request) -> ImageDataset:
    """Loads "digits": 1797 images of 8x8, with labels 0…9, enlarged to 16x16 by default.

    Raises:
        UserError: an unknown class, or too many samples to hold out.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    known = [str(digit) for digit in range(10)]
    names, labels, kept = keep_classes(request, known, digits.target)
    return _in_memory(request, digits.images[kept] / 16, labels, names, default_size=16)


def load_faces(request: Request) -> ImageDataset:
    """Loads "faces": 100 grey images of 25x25, scaled to 24x24 by default.

    Raises:
        UserError: classes, since there are no labels, or too many samples to hold out.
    """
    from skimage.data import lfw_subset

    names, _ = choose_classes(request.classes, (), name=request.name)
    pixels = lfw_subset()[:100]  # the other hundred are no faces
    return _in_memory(request, pixels, None, names, default_size=24)


def _in_memory(
    request: Request,
    pixels: np.ndarray,
    labels: np.ndarray | None,
    names: tuple[str, ...],
    *,
    default_size: int,
) -> ImageDataset:
    """Builds a dataset from pixels in 0…1, shape (N, H, W)."""
    from tfgan2.data.sources import MemorySource

    size, channels = request.image_size or default_size, request.channels or 1
    pixels = np.clip(np.rint(pixels * 255), 0, 255).astype(np.uint8)
    images = np.stack([fit_array(image, size=size, channels=channels) for image in pixels])
    request.progress(f"reading {request.name}", len(images), len(images))

    def build(indices: np.ndarray, held_out: ImageDataset | None) -> ImageDataset:
        return ImageDataset(
            MemorySource(images[indices], None if labels is None else labels[indices]),
            name=request.name,
            image_shape=(size, size, channels),
            class_names=names,
            content=request.name,
            held_out=held_out,
        )

    return hold_out(len(images), request, build)
