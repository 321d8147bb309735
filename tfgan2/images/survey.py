"""Surveys image files before they are read: formats, modes and the range of their values."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from tfgan2.images.files import (
    NO_RANGES,
    UnreadableImageError,
    fit,
    is_grey,
    open_image,
    opened,
)
from tfgan2.images.formats import NO_SUFFIX, suffix_of
from tfgan2.images.ranges import BYTES, FULL, Range, Ranges, kind_of, range_of

_MODES = {
    "1": "1-bit",
    "L": "8-bit grey",
    "LA": "8-bit grey with transparency",
    "RGB": "8-bit RGB",
    "RGBA": "8-bit RGB with transparency",
    "P": "8-bit palette",
    "I": "32-bit grey",
    "F": "float grey",
}


_BRIGHT = 64
"""Folders of 8-bit files without a value as high as this are said to be dark."""


class _Header(NamedTuple):
    """The mode of a file in words, whether it is grey only, its kind, size and values, if read."""

    mode: str
    grey: bool
    kind: str
    size: tuple[int, int]
    values: Range | None


Item = Path | Callable[[], bytes]
"""An image file, or a function that returns the content of one."""
_Examine = Callable[[Item], _Header | None]


@dataclass(frozen=True)
class Survey:
    """What image files hold.

    Attributes:
        formats: their number by suffix and by mode, for example "900 .jpg, 34 .png; 8-bit RGB".
        grey: whether all are grey.
        ranges: the values that become black and white, by kind of file; of 8-bit files only if
            they are given, or not 0 and 255.
        values: the smallest and the largest value, by kind of file.
        size: height and width, if all files have the same; None if not, or if it is not known.
    """

    formats: str = ""
    grey: bool = False
    ranges: Ranges = field(default_factory=dict)
    values: Ranges = field(default_factory=dict)
    size: tuple[int, int] | None = None

    @property
    def channels(self) -> int:
        """1 if all files are grey, else 3."""
        return 1 if self.grey else 3

    def with_given(self, given: Ranges) -> Survey:
        """Returns the survey with the ranges `given` in place of its own."""
        known = {kind: given[kind] for kind in self.ranges if kind in given}
        if known.get(BYTES, (0, 0))[1] > FULL[BYTES][0]:
            del known[BYTES]
        return replace(self, ranges={**self.ranges, **known})

    def __str__(self) -> str:
        parts = [self.formats]
        for kind, (low, high) in self.ranges.items():
            where = f" in {kind} files" if "(" in self.formats else ""
            parts.append(f"{low:g} is black, {high:g} is white{where}")
            lowest, highest = self.values.get(kind, (low, high))
            if lowest < low or highest > high:
                parts[-1] += f" (the values go from {lowest:g} to {highest:g})"
        highest = self.values.get(BYTES, (0, 255))[1]
        if BYTES not in self.ranges and highest < _BRIGHT:
            parts.append(f"the brightest value is {highest:g} of 255")
        return "; ".join(parts)


def survey(
    items: Sequence[Item],
    given: Ranges = NO_RANGES,
    each: Callable[[_Examine, Sequence[Item]], Iterable[_Header | None]] = map,
) -> Survey:
    """Surveys files; those without a readable header are left out.

    Reads the headers of all files, the values of 16-bit and float files, and those of 8-bit files
    until one is found that fills its range.

    Args:
        items: the files.
        given: ranges known before. That of 8-bit files counts only if it holds all their values.
        each: calls a function for each file, and yields the results in order.
    """
    bright = max(_BRIGHT, given.get(BYTES, (0, 0))[1] + 1)
    found: dict[str, Range] = {}
    headers: list[_Header] = []
    kept: list[str] = []

    def examine(item: Item) -> _Header | None:
        try:
            source = item if isinstance(item, Path) else item()
            with opened(source) as image:
                mode, kind = image.mode, kind_of(image.mode)
                size = image.height, image.width
                header = _Header(_in_words(image), is_grey(image), kind, size, None)
        except UnreadableImageError:  # reported when the file is decoded
            return None
        if kind == BYTES and (mode == "1" or found.get(kind, (0, 0))[1] >= bright):
            return header
        # The header counts in any case: whether the values are read depends on other threads.
        with contextlib.suppress(UnreadableImageError):
            header = header._replace(values=_values_of(source, kind))
        return header

    for item, header in zip(items, each(examine, items), strict=True):
        if header is None:
            continue
        headers.append(header)
        suffix = (suffix_of(item.name) or NO_SUFFIX) if isinstance(item, Path) else "records"
        kept.append(suffix)
        if header.values is not None:
            both = (header.values, found.get(header.kind, header.values))
            found[header.kind] = min(low for low, _ in both), max(high for _, high in both)
    ranges = {}
    for kind in dict.fromkeys(header.kind for header in headers):
        limits = _chosen(kind, found.get(kind), given)
        if kind != BYTES or limits != (0, 255) or limits == given.get(kind):
            ranges[kind] = limits
    suffixes, modes = Counter(kept), Counter(header.mode for header in headers)
    counts = ", ".join(f"{count:,} {suffix}" for suffix, count in suffixes.most_common())
    numbers = len(modes) > 1
    words = (f"{mode} ({count:,})" if numbers else mode for mode, count in modes.most_common())
    grey = bool(headers) and all(header.grey for header in headers)
    sizes = {header.size for header in headers}
    size = sizes.pop() if len(sizes) == 1 else None
    return Survey(f"{counts}; {', '.join(words)}", grey, ranges, found, size)


def _chosen(kind: str, values: Range | None, given: Ranges) -> Range:
    """Returns the range of files of one kind, whose values are known as far as needed."""
    if kind in given and (kind != BYTES or (values or (0, 0))[1] <= given[kind][1] <= 255):
        return given[kind]
    return range_of(kind, *(values or (0.0, 0.0)))


def _values_of(source: Path | bytes, kind: str) -> Range | None:
    """Returns the smallest and the largest finite value of a file."""
    if kind == BYTES:
        values = fit(open_image(source, size=64), channels=3)
    else:
        values = np.asarray(open_image(source))
        values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if values.size else None


def _in_words(image: Image.Image) -> str:
    mode = image.mode
    if mode.startswith("I;16"):
        return "16-bit grey"
    if any(";16" in str(tile[3]) for tile in getattr(image, "tile", ())):
        return f"16-bit {mode}, of which 8 bits are read"
    return _MODES.get(mode, f"8-bit {mode}")
