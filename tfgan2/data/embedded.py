"""`digits` and `faces`: images that come with the installation and need no network."""

from __future__ import annotations

import numpy as np
from PIL import Image

from tfgan2.data.dataset import ImageDataset
from tfgan2.data.request import Request, build
from tfgan2.images.files import fit


def load_digits(request: Request) -> ImageDataset:
    """Loads "digits": 1797 images of 8x8, with labels 0…9, enlarged to 16x16 by default."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return _in_memory(request, digits.images / 16, 16, "0123456789", digits.target)


def load_faces(request: Request) -> ImageDataset:
    """Loads "faces": 100 grey images of 25x25, without labels, scaled to 24x24 by default."""
    from skimage.data import lfw_subset

    return _in_memory(request, lfw_subset()[:100], 24)  # the other hundred are no faces


def _in_memory(
    request: Request,
    pixels: np.ndarray,
    default_size: int,
    known: str = "",
    labels: np.ndarray | None = None,
) -> ImageDataset:
    """Builds a dataset from pixels in 0…1, shape (N, H, W)."""
    from tfgan2.data.sources import memory_source

    size, channels = request.edges(default_size), request.channels or 1
    pixels = np.clip(np.rint(pixels * 255), 0, 255).astype(np.uint8)

    def part(numbers: np.ndarray, labels: np.ndarray | None) -> ImageDataset:
        images = [
            fit(Image.fromarray(pixels[number]), size=size, channels=channels) for number in numbers
        ]
        request.progress(f"reading {request.name}", len(images), len(images))
        source = memory_source(np.stack(images), labels)
        return ImageDataset(source, request.name, (*size, channels), request.name)

    return build(request, len(pixels), part, known=tuple(known), labels=labels)
