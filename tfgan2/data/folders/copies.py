"""Finds copies of images, so that none is trained on while another is held out."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tfgan2.data.request import Request
from tfgan2.images.files import UnreadableImageError, open_image
from tfgan2.images.hearing import hearing


def equal_files(paths: Sequence[Path], request: Request) -> np.ndarray:
    """Returns for each file the number of the first one with the same content, shape (N,).

    Only files of equal size are read. One that cannot be read equals no other.
    """

    def digest(number: int) -> bytes | int:
        try:
            return hashlib.blake2b(paths[number].read_bytes(), digest_size=16).digest()
        except OSError:
            return number

    sizes = [_size(path) for path in paths]
    counts = Counter(sizes)
    candidates = [number for number, size in enumerate(sizes) if counts[size] > 1]
    firsts = np.arange(len(paths))
    known: dict[tuple[int, bytes | int], int] = {}
    digests = request.in_threads(digest, candidates, "comparing images")
    for number, content in zip(candidates, digests, strict=True):
        firsts[number] = known.setdefault((sizes[number], content), number)
    return firsts


def _size(path: Path) -> int:
    """Returns the size of a file, -1 if it has none, as a broken link."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


def shared_by_pairs(paths: Sequence[Sequence[Path]], request: Request) -> list[np.ndarray]:
    """Returns what makes pairs copies: the same input, the same target, or both, as columns.

    Each pair has two files, or each has one with both images. A black or white image makes no
    copies, since masks may be empty.
    """
    own = np.arange(len(paths))
    sides, blank = [], []
    if len(paths[0]) == 2:
        for files in zip(*paths, strict=True):
            firsts = equal_files(files, request)
            repeated = [first for first, count in Counter(firsts.tolist()).items() if count > 1]
            sides.append(firsts)
            blank.append(
                np.isin(firsts, [first for first in repeated if _is_blank(_opened(files[first]))])
            )
    else:
        digests = request.in_threads(_digests, [path for (path,) in paths], "comparing images")
        for side in zip(*digests, strict=True):
            known: dict[bytes, int] = {}
            sides.append(np.array([known.setdefault(each, i) for i, (each, _) in enumerate(side)]))
            blank.append(np.array([is_blank for _, is_blank in side]))
    _, whole = np.unique(np.stack(sides, axis=1), axis=0, return_inverse=True)
    columns = [np.where(empty, own, firsts) for firsts, empty in zip(sides, blank, strict=True)]
    return [*columns, whole.reshape(-1)]


def halves(image: Image.Image) -> list[Image.Image]:
    """Returns the left and the right half."""
    width, height = image.size
    boxes = (0, 0, width // 2, height), (width // 2, 0, width, height)
    return [image.crop(box) for box in boxes]


def _digests(path: Path) -> list[tuple[bytes, bool]]:
    """Returns for each half of a file a digest of its pixels, and whether it is blank."""
    image = _opened(path, size=16)  # a small version of a JPEG file is enough
    if image is None:
        return [(os.fsencode(path), False)] * 2
    content = [f"{half.mode} {half.size}".encode() + half.tobytes() for half in halves(image)]
    digests = [hashlib.blake2b(each).digest() for each in content]
    return list(zip(digests, map(_is_blank, halves(image)), strict=True))


def _is_blank(image: Image.Image | None) -> bool:
    """Returns whether an image is black or white everywhere."""
    if image is None:
        return False
    if image.mode.startswith("I;16"):  # Pillow has no extrema of big-endian values
        values = np.asarray(image)
        extrema = [[values.min(), values.max()]]
    else:
        extrema = np.reshape(image.getextrema(), (-1, 2)).tolist()
    return all(low == high and low in (0, 255, 65535) for low, high in extrema)


def _opened(path: Path, size: int | None = None) -> Image.Image | None:
    """Opens an image, or returns None; what is wrong is reported when it is read to train on."""
    with hearing():
        try:
            return open_image(path, size=size)
        except UnreadableImageError:
            return None


def groups(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Returns for each sample the first one of its group: those that a shared value connects.

    Each column has a value of each sample, from 0 to the number of samples - 1.
    """
    count = len(columns[0])
    found, before = np.arange(count), None
    while before is None or (found != before).any():
        before = found
        for values in columns:
            first = np.full(count, count)
            np.minimum.at(first, values, found)
            found = first[values]
    return found
