"""The values of image files that become black and white."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Range = tuple[float, float]
Ranges = Mapping[str, Range]
"""The values that become black and white, by kind of file."""

BYTES, INTEGERS, FLOATS = "8-bit", "16-bit", "float"
FULL = {BYTES: (255.0,), INTEGERS: (65535.0,), FLOATS: (1.0, 255.0)}
"""The largest values that files of each kind usually have."""

DARK = {BYTES: 1 / 16, INTEGERS: 1 / 4, FLOATS: 1 / 4}
"""Values below this part of the full range do not fill it: they would look black.

Photographs of 8 bits may be dark, but masks and label maps hold 0 and 1, or a few numbers.
"""


def kind_of(mode: str) -> str:
    """Returns the kind of files that Pillow opens in a mode: a key of `FULL`."""
    if mode == "F":
        return FLOATS
    return INTEGERS if mode == "I" or mode.startswith("I;16") else BYTES


def range_of(kind: str, low: float, high: float) -> Range:
    """Returns the range of files whose values go from `low` to `high`.

    It is the full range of their kind if they fill it; for integers in a small part of it 0…2^n-1,
    such as 0…4095; else low…high.
    """
    for full in FULL[kind]:
        if low >= 0 and (high == 0 or DARK[kind] * full <= high <= full):
            return 0.0, full
    if kind != FLOATS and low >= 0 and high <= FULL[kind][0]:
        return 0.0, 2.0 ** int(high).bit_length() - 1
    return low, high if high > low else low + 1


def scaled(values: np.ndarray, limits: Range) -> np.ndarray:
    """Maps low…high to 0…255 and clips what lies outside. Float32 of the same shape."""
    low, high = limits
    return np.clip((values.astype(np.float32) - low) * 255 / (high - low), 0, 255)
