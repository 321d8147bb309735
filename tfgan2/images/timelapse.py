"""The sample grids of a run as an animation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from tfgan2.errors import UserError
from tfgan2.files import written_atomically
from tfgan2.images.files import open_grid

MOST_FRAMES = 100
_FRAME, _LAST = 100, 2000
"""How long a frame is shown, and the last one, in milliseconds."""
_CAPTION = 14
"""Pixels below a grid, for its step."""


def save_timelapse(grids: Mapping[int, Path], out: Path) -> int:
    """Writes sample grids as one GIF, with the step below each.

    Args:
        grids: files by step, in order, all of one size. Of more than `MOST_FRAMES`, so many are
            taken, evenly spread, the first and the last one included.
        out: the `.gif`.

    Returns:
        The number of frames.

    Raises:
        UserError: no grids, another suffix, a grid cannot be read, or the file cannot be written.
    """
    if out.suffix.lower() != ".gif":
        raise UserError(f"a timelapse is a .gif, not {out.name!r}")
    if not grids:
        raise UserError("the run has no sample grids yet")
    count = min(len(grids), MOST_FRAMES)
    steps, chosen = list(grids), np.linspace(0, len(grids) - 1, count).round().astype(int)
    first, *others = (_frame(steps[index], grids[steps[index]]) for index in chosen)
    durations = [*[_FRAME] * (count - 1), _LAST]
    with written_atomically(out, parents=True) as partial:
        first.save(partial, "GIF", save_all=True, append_images=others, duration=durations, loop=0)
    return count


def _frame(step: int, path: Path) -> Image.Image:
    grid = open_grid(path).convert("RGB")
    frame = Image.new("RGB", (grid.width, grid.height + _CAPTION), "white")
    frame.paste(grid)
    ImageDraw.Draw(frame).text((4, grid.height + 1), f"step {step:,}", "black")
    return frame.quantize(256, dither=Image.Dither.NONE)
