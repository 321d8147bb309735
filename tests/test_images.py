from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfgan2 import images
from tfgan2.errors import UserError


def test_to_uint8_rounds_and_clips() -> None:
    values = np.array([-1.0, -1.5, 1.0, 2.0, 0.0, 1 / 127.5 - 1])
    assert images.to_uint8(values).tolist() == [0, 0, 255, 255, 128, 1]


def test_grid_places_images_row_by_row() -> None:
    batch = np.stack([np.full((2, 3, 1), value, np.uint8) for value in (10, 20, 30)])
    sheet = images.grid(batch, columns=2, padding=1)
    assert sheet.shape == (2 * 3 + 1, 2 * 4 + 1, 1)
    assert (sheet[1:3, 1:4] == 10).all() and (sheet[1:3, 5:8] == 20).all()
    assert (sheet[4:6, 1:4] == 30).all() and (sheet[4:6, 5:8] == 255).all()
    assert (sheet[0] == 255).all() and (sheet[:, 4] == 255).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_every_number_of_channels_becomes_a_picture(channels: int, tmp_path: Path) -> None:
    images.save_grid(tmp_path / "grid.png", np.zeros((5, 8, 8, channels), np.float32))
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.mode == {1: "L", 3: "RGB", 4: "RGBA"}.get(channels, "L")


def samples(count: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    made = rng.uniform(-1, 1, (count, 8, 8, 1)).astype(np.float32)
    return {"images": made, "latents": np.zeros((count, 4), np.float32)}


def test_folder_of_pngs(tmp_path: Path) -> None:
    made = samples()
    images.save_samples(tmp_path / "new" / "out", **made)
    files = sorted((tmp_path / "new" / "out").iterdir())
    assert [file.name for file in files] == ["00000.png", "00001.png", "00002.png"]
    np.testing.assert_array_equal(
        np.asarray(Image.open(files[1])), images.to_uint8(made["images"])[1, ..., 0]
    )


def test_npz(tmp_path: Path) -> None:
    made = samples()
    images.save_samples(tmp_path / "a.npz", **made, labels=np.array([1, 2, 3]))
    with np.load(tmp_path / "a.npz") as archive:
        np.testing.assert_array_equal(archive["images"], images.to_uint8(made["images"]))
        assert archive["labels"].tolist() == [1, 2, 3]
        assert archive["latents"].shape == (3, 4)


def test_gif_has_every_frame(tmp_path: Path) -> None:
    images.save_samples(tmp_path / "a.gif", **samples(4))
    with Image.open(tmp_path / "a.gif") as picture:
        assert picture.n_frames == 4


def test_names_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(UserError, match=r"\.png, \.gif or \.npz"):
        images.save_samples(tmp_path / "a.jpg", **samples())
    with pytest.raises(UserError, match="not an empty folder"):
        images.save_samples(tmp_path / "full", **samples())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]
