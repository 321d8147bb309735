"""The sample grids of a run as an animation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfgan2.errors import UserError
from tfgan2.images.timelapse import MOST_FRAMES, save_timelapse


def grids(folder: Path, count: int) -> dict[int, Path]:
    paths = {10 * number: folder / f"{number}.png" for number in range(count)}
    for number, path in enumerate(paths.values()):
        Image.fromarray(np.full((20, 90), number, np.uint8)).save(path)
    return paths


def test_each_grid_is_a_frame_with_its_step(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out.gif"
    assert save_timelapse(grids(tmp_path, 3), out) == 3
    with Image.open(out) as image:
        assert image.n_frames == 3 and image.size == (90, 34)
        frames = []
        for number in range(3):
            image.seek(number)
            assert image.info["duration"] == (2000 if number == 2 else 100)
            frames.append(np.asarray(image.convert("L")).astype(int))
    for number, frame in enumerate(frames):
        assert np.abs(frame[:20] - number).max() <= 1
        assert frame[20:].min() < 100  # the step is written below
    assert np.abs(frames[1][20:] - frames[2][20:]).max() > 100


def test_many_grids_are_thinned_out(tmp_path: Path) -> None:
    paths = grids(tmp_path, MOST_FRAMES + 55)
    assert save_timelapse(paths, tmp_path / "out.gif") == MOST_FRAMES
    with Image.open(tmp_path / "out.gif") as image:
        assert image.n_frames == MOST_FRAMES
        assert np.asarray(image.convert("L"))[0, 0] == 0
        image.seek(MOST_FRAMES - 1)
        assert abs(int(np.asarray(image.convert("L"))[0, 0]) - len(paths) + 1) <= 1


def test_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a timelapse is a \.gif, not 'out\.png'"):
        save_timelapse(grids(tmp_path, 1), tmp_path / "out.png")
    with pytest.raises(UserError, match="has no sample grids yet"):
        save_timelapse({}, tmp_path / "out.gif")
    broken = tmp_path / "broken.png"
    broken.touch()
    with pytest.raises(UserError, match=r"cannot read '.*broken\.png': .*; remove it"):
        save_timelapse({1: broken}, tmp_path / "out.gif")
    assert not (tmp_path / "out.gif").exists()
