"""Files of one grey value each, so that a value tells which file it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tfgan2.data.dataset import ImageDataset


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


def grey(value: int, height: int = 8, width: int = 8) -> np.ndarray:
    return np.full((height, width), value, np.uint8)


def values(images: np.ndarray) -> np.ndarray:
    """The grey values of images in [-1, 1], shape (N, H, W, C)."""
    return np.rint((images[:, 0, 0, 0] + 1) * 127.5).astype(int)


def everything(dataset: ImageDataset) -> list[np.ndarray]:
    """All samples of an epoch: of each part the grey values."""
    return [values(part) for part in dataset.some(dataset.num_images)]
