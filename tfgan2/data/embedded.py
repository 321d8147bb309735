"""`digits` and `faces`: images that come with the installation and need no network."""

from __future__ import annotations

import numpy as np

from tfgan2.data.dataset import ImageDataset, Source
from tfgan2.data.request import Request, build, choose_classes, keep_classes
from tfgan2.images.files import fit_array


def load_digits(request: Request) -> ImageDataset:
    """Loads "digits": 1797 images of 8x8, with labels 0…9, enlarged to 16x16 by default."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    known = [str(digit) for digit in range(10)]
    names, labels, kept = keep_classes(request, known, digits.target)
    return _in_memory(request, digits.images[kept] / 16, labels, names, default_size=16)


def load_faces(request: Request) -> ImageDataset:
    """Loads "faces": 100 grey images of 25x25, without labels, scaled to 24x24 by default."""
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

    def part(indices: np.ndarray) -> tuple[Source, str, tuple[str, ...]]:
        some = None if labels is None else labels[indices]
        return MemorySource(images[indices], some), request.name, ()

    shape = (size, size, channels)
    return build(request, len(images), part, image_shape=shape, class_names=names)
