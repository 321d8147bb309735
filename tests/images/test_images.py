from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfgan2 import images
from tfgan2.errors import UserError


def test_to_uint8_rounds_and_clips() -> None:
    values = np.array([-1.0, -1.5, 1.0, 2.0, 0.0, 1 / 127.5 - 1])
    assert images.to_uint8(values).tolist() == [0, 0, 255, 255, 128, 1]


def test_conversion_needs_little_more_than_the_result() -> None:
    values = np.linspace(-1, 1, 4000 * 64, dtype=np.float32).reshape(4000, 8, 8, 1)
    tracemalloc.start()
    made = images.to_uint8(values)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * made.nbytes
    assert np.abs(images.from_uint8(made) - values).max() < 0.004  # half a step


def test_grid_places_images_row_by_row() -> None:
    batch = np.stack([np.full((2, 3, 1), value, np.uint8) for value in (10, 20, 30)])
    sheet = images.grid(batch, columns=2, padding=1)
    assert sheet.shape == (2 * 3 + 1, 2 * 4 + 1, 1)
    assert (sheet[1:3, 1:4] == 10).all() and (sheet[1:3, 5:8] == 20).all()
    assert (sheet[4:6, 1:4] == 30).all() and (sheet[4:6, 5:8] == 255).all()
    assert (sheet[0] == 255).all() and (sheet[:, 4] == 255).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_every_number_of_channels_becomes_a_image(channels: int, tmp_path: Path) -> None:
    images.save_grid(tmp_path / "grid.png", np.zeros((5, 8, 8, channels), np.float32))
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.mode == {1: "L", 3: "RGB", 4: "RGBA"}.get(channels, "L")


def samples(count: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    made = rng.uniform(-1, 1, (count, 8, 8, 1)).astype(np.float32)
    return {"images": made, "latents": np.zeros((count, 4), np.float32)}


def test_images_beside_each_other() -> None:
    rng = np.random.default_rng(0)
    small, large = rng.integers(0, 256, (3, 2)), rng.integers(0, 256, (6, 4, 3))
    both = images.joined(*(Image.fromarray(x.astype(np.uint8)) for x in (small, large)))
    assert both.mode == "RGB" and both.size == (8, 6)
    pixels = np.asarray(both)
    np.testing.assert_array_equal(pixels[:, 4:], large)
    np.testing.assert_array_equal(pixels[::2, 0:4:2, 1], small)
    np.testing.assert_array_equal(pixels[1::2, 1:4:2, 2], small)


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
    with pytest.raises(UserError, match="not an empty directory"):
        images.save_samples(tmp_path / "full", **samples())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]


# --- points --------------------------------------------------------------------------------------


def points(*rows: tuple[float, float]) -> dict[str, np.ndarray]:
    made = np.array(rows, np.float32).reshape(-1, 1, 1, 2)
    return {"images": made, "latents": np.zeros((len(made), 4), np.float32)}


def drawn(path: Path) -> np.ndarray:
    """A scatter plot's pixels, as signed integers."""
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB")).astype(int)


def blobs(pixels: np.ndarray, blue: bool) -> list[tuple[float, float]]:
    """Centres (x, y), from below, of the patches in the samples' blue or the data's grey."""
    from skimage.measure import label, regionprops

    red, green, blue_values = np.moveaxis(pixels, -1, 0)
    if blue:
        mask = blue_values - red > 60
    else:
        mask = (abs(red - 199) < 4) & (red == green) & (red == blue_values)
    regions = [region for region in regionprops(label(mask)) if region.area > 15]
    return sorted((region.centroid[1], -region.centroid[0]) for region in regions)


def test_what_points_are() -> None:
    assert images.is_points((1, 1, 2))
    assert images.is_points((64, 1, 1, 2))
    assert images.is_points([None, 1, 1, 2])
    for shape in ((8, 8, 2), (1, 1, 1), (1, 1, 3), (2, 1, 2), (1, 2), (2,), ()):
        assert not images.is_points(shape)


@pytest.mark.parametrize("scale", [1e-3, 1, 1e4])
def test_points_become_a_scatter_plot(scale: float, tmp_path: Path) -> None:
    made = points((0, 0), (3 * scale, 0), (0, 2 * scale))
    images.save_grid(tmp_path / "a.png", made["images"], columns=2)
    pixels = drawn(tmp_path / "a.png")
    assert pixels.shape == (600, 600, 3)
    assert pixels.mean() > 240  # light
    origin, top, right = sorted(blobs(pixels, blue=True), key=lambda c: (round(c[0]), c[1]))
    assert abs(top[0] - origin[0]) < 1 and abs(right[1] - origin[1]) < 1
    across, up = right[0] - origin[0], top[1] - origin[1]
    assert abs(across / up - 1.5) < 0.02  # both axes have one scale
    assert 400 < across < 600  # the data fill the image
    assert min(min(x, -y) for x, y in (origin, top, right)) > 5


def test_reals_lie_beneath(tmp_path: Path) -> None:
    made, reals = points((1, 0), (-1, 0)), points((1, 0), (0, 1), (0, -1))["images"]
    images.save_grid(tmp_path / "a.png", made["images"], reals=reals)
    pixels = drawn(tmp_path / "a.png")[30:]  # below the legend
    assert len(blobs(pixels, blue=True)) == 2
    (x, high), (same_x, low) = sorted(blobs(pixels, blue=False), key=lambda c: -c[1])
    assert abs(x - same_x) < 1 and high > low  # the third is hidden by a sample
    images.save_grid(tmp_path / "b.png", made["images"])
    assert not np.array_equal(drawn(tmp_path / "a.png"), drawn(tmp_path / "b.png"))


def test_reals_are_for_points_alone(tmp_path: Path) -> None:
    made = samples()["images"]
    images.save_grid(tmp_path / "a.png", made)
    images.save_grid(tmp_path / "b.png", made, reals=made[:1])
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize(
    ("rows", "seen"),
    [
        ([(5, 5)], 1),
        ([(5, 5), (5, 5)], 1),
        ([(np.nan, 0), (1, 1), (np.inf, 2), (3, 3)], 2),
        ([(np.nan, np.nan)], 0),
    ],
)
def test_odd_points(rows: list, seen: int, tmp_path: Path) -> None:
    images.save_grid(tmp_path / "a.png", points(*rows)["images"])
    assert len(blobs(drawn(tmp_path / "a.png"), blue=True)) == seen


def test_npz_of_points(tmp_path: Path) -> None:
    made = points((300.25, -7), (0.1, 0))
    images.save_samples(tmp_path / "a.npz", **made, labels=np.array([1, 2]))
    with np.load(tmp_path / "a.npz") as archive:
        assert sorted(archive) == ["labels", "latents", "points"]
        assert archive["points"].dtype == np.float32
        np.testing.assert_array_equal(archive["points"], made["images"].reshape(2, 2))


def test_png_of_points(tmp_path: Path) -> None:
    images.save_samples(tmp_path / "new" / "a.png", **points((0, 0), (1, 1)), columns=1)
    assert len(blobs(drawn(tmp_path / "new" / "a.png"), blue=True)) == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.gif", "points cannot be animated: give a .png or .npz"),
        ("a.GIF", "points cannot be animated: give a .png or .npz"),
        ("folder", "points cannot be written as single images: give a .png or .npz"),
    ],
)
def test_what_points_cannot_become(name: str, message: str, tmp_path: Path) -> None:
    out = tmp_path / "new" / name
    with pytest.raises(UserError, match=message):
        images.save_samples(out, **points((0, 0)))
    for shape in ((1, 1, 2), (64, 1, 1, 2)):
        with pytest.raises(UserError, match=message):
            images.check_output(out, shape)
    images.check_output(out)
    images.check_output(out, (8, 8, 1))
    images.check_output(out.with_suffix(".png"), (1, 1, 2))
    images.check_output(out.with_suffix(".npz"), (1, 1, 2))
    assert not list(tmp_path.iterdir())


def test_matplotlib_waits_for_points(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, numpy as np\n"
        "from tfgan2 import images\n"
        "images.save_grid(pathlib.Path(sys.argv[1]), np.zeros((1, 8, 8, 1)))\n"
        "assert not {'matplotlib', 'tensorflow'} & set(sys.modules)\n"
        "images.save_grid(pathlib.Path(sys.argv[1]), np.zeros((1, 1, 1, 2)))\n"
        "assert 'tensorflow' not in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.png")], check=True)
