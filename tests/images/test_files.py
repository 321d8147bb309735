"""Every kind of image file ends as the right uint8 pixels."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tfgan2.images.files import (
    TooManyPixelsError,
    UnknownFormatError,
    UnreadableImageError,
    fit,
    kind_left_out,
    open_image,
    read_content,
    read_header,
    read_image,
)
from tfgan2.images.formats import NO_SUFFIX
from tfgan2.images.ranges import BYTES, FLOATS, INTEGERS

SIZE = 8
FULL_RANGES = {INTEGERS: (0, 65535)}


def save(picture: Image.Image, path: Path, **options: object) -> Path:
    picture.save(path, **options)
    return path


def flat(mode: str, colour: object, size: tuple[int, int] = (SIZE, SIZE)) -> Image.Image:
    return Image.new(mode, size, colour)


def only_colour(pixels: np.ndarray) -> list[int]:
    """The colour of an image that has one alone."""
    colours = np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0)
    assert len(colours) == 1, colours
    return colours[0].tolist()


@pytest.mark.parametrize(
    ("mode", "colour", "suffix", "channels", "expected"),
    [
        ("1", 1, ".png", 1, [255]),
        ("1", 0, ".png", 3, [0, 0, 0]),
        ("L", 77, ".png", 1, [77]),
        ("L", 77, ".png", 3, [77, 77, 77]),
        ("L", 77, ".png", 4, [77, 77, 77, 255]),
        ("LA", (40, 255), ".png", 1, [40]),
        ("LA", (40, 0), ".png", 1, [255]),
        ("LA", (0, 51), ".png", 3, [204, 204, 204]),
        ("LA", (40, 51), ".png", 4, [40, 40, 40, 51]),
        ("RGB", (10, 20, 30), ".png", 3, [10, 20, 30]),
        ("RGB", (10, 20, 30), ".bmp", 4, [10, 20, 30, 255]),
        ("RGB", (255, 0, 0), ".png", 1, [76]),  # ITU-R 601: 0.299 of 255
        ("RGBA", (0, 0, 255, 51), ".png", 3, [204, 204, 255]),
        ("RGBA", (10, 20, 30, 51), ".png", 4, [10, 20, 30, 51]),
        ("RGBA", (10, 20, 30, 0), ".png", 1, [255]),
        ("CMYK", (0, 255, 255, 0), ".tif", 3, [255, 0, 0]),
        ("I;16", 65535, ".png", 1, [255]),
        ("I;16", 257 * 100, ".png", 1, [100]),
        ("I;16", 300, ".png", 1, [1]),  # clipping would give 255
        ("I;16B", 257 * 100, ".tif", 1, [100]),
        ("I;16", 257 * 100, ".tif", 3, [100, 100, 100]),
        ("I;16", 257 * 100, ".png", 4, [100, 100, 100, 255]),
        ("I", 257 * 100, ".tif", 1, [100]),
        ("F", 0.5, ".tif", 1, [128]),
        ("F", 200.0, ".tif", 3, [200, 200, 200]),
    ],
)
def test_every_mode(
    tmp_path: Path, mode: str, colour: object, suffix: str, channels: int, expected: list[int]
) -> None:
    path = save(flat(mode, colour), tmp_path / f"x{suffix}")
    with Image.open(path) as back:
        assert back.mode == mode
    pixels = read_image(path, size=SIZE, channels=channels, ranges=FULL_RANGES)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (SIZE, SIZE, channels)
    assert only_colour(pixels) == expected


def test_ycbcr(tmp_path: Path) -> None:
    picture = flat("RGB", (200, 30, 60)).convert("YCbCr")
    path = save(picture, tmp_path / "x.tif")
    with Image.open(path) as back:
        assert back.mode == "YCbCr"
    np.testing.assert_allclose(
        only_colour(read_image(path, size=SIZE, channels=3)), [200, 30, 60], atol=2
    )


def test_palette_with_a_transparent_entry(tmp_path: Path) -> None:
    picture = Image.new("P", (SIZE, SIZE))
    picture.putpalette([0, 0, 255, 255, 0, 0])
    picture.paste(1, (0, 0, SIZE // 2, SIZE))
    path = save(picture, tmp_path / "x.png", transparency=0)
    pixels = read_image(path, size=SIZE, channels=3)
    assert only_colour(pixels[:, : SIZE // 2]) == [255, 0, 0]
    assert only_colour(pixels[:, SIZE // 2 :]) == [255, 255, 255]
    kept = read_image(path, size=SIZE, channels=4)
    assert only_colour(kept[:, SIZE // 2 :])[3] == 0


def test_an_opaque_palette(tmp_path: Path) -> None:
    picture = Image.new("P", (SIZE, SIZE), 1)
    picture.putpalette([0, 0, 255, 255, 0, 0])
    path = save(picture, tmp_path / "x.png")
    assert only_colour(read_image(path, size=SIZE, channels=3)) == [255, 0, 0]
    assert only_colour(read_image(path, size=SIZE, channels=1)) == [76]


def test_of_an_animation_the_first_frame(tmp_path: Path) -> None:
    frames = [flat("L", value) for value in (50, 150, 250)]
    path = save(frames[0], tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    assert only_colour(read_image(path, size=SIZE, channels=1)) == [50]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, orientation: int, suffix: str) -> None:
    """A image turned against its orientation tag comes out upright."""
    upright = np.zeros((SIZE * 2, SIZE * 2), np.uint8)
    upright[:SIZE, :SIZE] = 250  # top left
    upright[:SIZE, SIZE:] = 120  # top right
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),  # to be turned clockwise by the viewer
        7: np.rot90(upright, 2).T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100} if suffix == ".jpg" else {}
    picture = Image.fromarray(np.ascontiguousarray(stored))
    path = save(picture, tmp_path / f"x{suffix}", exif=exif, **options)
    pixels = read_image(path, size=SIZE * 2, channels=1)[..., 0]
    np.testing.assert_allclose(pixels.astype(int), upright, atol=3)


def test_the_largest_part_of_another_shape_is_cut() -> None:
    pixels = np.tile(np.arange(60, dtype=np.uint8), (40, 1))
    image = Image.fromarray(pixels)
    assert fit(image, size=(40, 20), channels=1)[..., 0].tolist() == pixels[:, 20:40].tolist()
    assert fit(image, size=(40, 60), channels=1)[..., 0].tolist() == pixels.tolist()
    assert fit(image, size=(20, 60), channels=1)[..., 0].tolist() == pixels[:20].tolist()
    assert fit(image, size=(10, 15), channels=3).shape == (10, 15, 3)


@pytest.mark.parametrize("wide", [True, False])
def test_the_centre_square_is_cut(wide: bool) -> None:
    pixels = np.repeat(np.arange(20, dtype=np.uint8)[None, :], SIZE, axis=0)  # a column's number
    cut = fit(Image.fromarray(pixels if wide else pixels.T.copy()), size=SIZE, channels=1)[..., 0]
    line = cut[0] if wide else cut[:, 0]
    assert line.tolist() == list(range(6, 14))


def test_a_fine_checkerboard_becomes_grey() -> None:
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    small = fit(Image.fromarray(board), size=SIZE, channels=1)
    assert 120 <= small.min() <= small.max() <= 135
    deep = Image.fromarray(board.astype(np.float32))
    assert fit(deep, size=SIZE, channels=3).min() >= 120


def test_enlarging_is_smooth() -> None:
    step = np.zeros((4, 4), np.uint8)
    step[:, 2:] = 200
    large = fit(Image.fromarray(step), size=32, channels=1)[16, :, 0].astype(int)
    assert large[0] == 0
    assert abs(large[-1] - 200) <= 1
    assert np.abs(np.diff(large)).max() < 60  # nearest neighbour would step by 200


def test_shrinking_does_not_let_hidden_colour_shine_through() -> None:
    """The colour under a transparent pixel plays no part, even beside visible ones."""
    picture = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    picture.paste((0, 0, 255, 255), (0, 0, 8, 16))
    small = fit(picture, size=4, channels=4).astype(int)
    visible = small[small[..., 3] > 0]
    assert visible[:, 0].max() <= 1


def test_a_large_jpeg_is_as_if_decoded_in_full(tmp_path: Path) -> None:
    """The shortcut through a JPEG's smaller scales must not be visible."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 255, (6, 9, 3), dtype=np.uint8))
    picture = coarse.resize((900, 600), Image.Resampling.BICUBIC)
    path = save(picture, tmp_path / "x.jpg", quality=95)
    quick = read_image(path, size=32, channels=3).astype(int)
    full = fit(picture, size=32, channels=3).astype(int)
    assert np.abs(quick - full).mean() < 2
    assert np.abs(quick - full).max() < 16


def encoded(kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"no picture at all", "not an image"),
        (encoded("PNG")[:2000], "truncated"),
        (encoded("JPEG")[:1000], "truncated"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)
    for source in (path, content):
        with pytest.raises(UnreadableImageError, match=reason) as caught:
            read_image(source, size=SIZE, channels=3)
        assert "\n" not in str(caught.value)


def test_a_decompression_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(flat("L", 0, (100, 100)), tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(UnreadableImageError, match="bomb"):
        read_image(path, size=SIZE, channels=1)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite(tmp_path: Path, value: float) -> None:
    path = save(flat("F", value), tmp_path / "x.tif")
    with pytest.raises(UnreadableImageError, match="not finite"):
        read_image(path, size=SIZE, channels=1)


@pytest.mark.parametrize(
    ("mode", "values", "ranges", "expected"),
    [
        ("I;16", [0, 819, 4095], {INTEGERS: (0, 4095)}, [0, 51, 255]),
        ("I;16", [0, 819, 4095], {}, [0, 51, 255]),  # by itself
        ("I;16", [0, 819, 4095], {INTEGERS: (0, 65535)}, [0, 3, 16]),
        ("I", [-1000, 0, 3000], {INTEGERS: (-1000, 1000)}, [0, 128, 255]),  # clipped
        ("F", [-1, 0, 1], {FLOATS: (-1, 1)}, [0, 128, 255]),
        ("F", [0, 0.5, 1], {}, [0, 128, 255]),
        ("F", [0, 5, 10], {}, [0, 128, 255]),  # metres
        ("L", [0, 1, 1], {BYTES: (0, 1)}, [0, 255, 255]),
        ("L", [0, 1, 77], {FLOATS: (0, 1), INTEGERS: (0, 4095)}, [0, 1, 77]),
        ("1", [0, 1, 1], {BYTES: (0, 1)}, [0, 255, 255]),
    ],
)
def test_ranges(mode: str, values: list, ranges: dict, expected: list) -> None:
    image = Image.new(mode, (3, 1))
    image.putdata(values)
    assert fit(image, channels=1, ranges=ranges).ravel().tolist() == expected


def test_a_range_spares_the_transparency() -> None:
    pixels = fit(flat("RGBA", (0, 1, 2, 200)), channels=4, ranges={BYTES: (0, 2)})
    assert only_colour(pixels) == [0, 128, 255, 200]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_image_in_its_own_size(channels: int) -> None:
    """16-bit grey is rounded, not cut, and brought to colour."""
    deep = np.array([[0, 200, 40_000], [65_535, 12_345, 257 * 77]], np.uint16)
    pixels = fit(Image.fromarray(deep), channels=channels)
    assert pixels.dtype == np.uint8 and pixels.shape == (2, 3, channels)
    for channel in range(min(channels, 3)):
        np.testing.assert_array_equal(pixels[..., channel], np.rint(deep / 257))
    colour = flat("RGB", (10, 20, 30), (3, 2))
    assert only_colour(fit(colour, channels=3)) == [10, 20, 30]


def test_a_mode_that_pillow_cannot_convert() -> None:
    for make in (lambda x: fit(x, size=SIZE, channels=3), lambda x: fit(x, channels=3)):
        with pytest.raises(UnreadableImageError, match="mode La cannot be converted"):
            make(flat("La", (10, 20)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\0\0\0\x18ftyphei?" + bytes(99), "HEIC data"),
        (b"\0\0\0\x18ftypisom" + bytes(99), "a video"),
        (bytes(128) + b"DICM" + bytes(99), "DICOM data"),
        (b"\n<!DOCTYPE html><html>", "a web page, not an image"),
        (b'<?xml version="1.0"?>\n<svg>', "an SVG drawing"),
        (b"%PDF-1.7", "a PDF"),
        (b"version https://git-lfs.github.com/spec/v1", "run git lfs pull"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "PNG data that is broken"),
        (b"nonsense", "not an image"),
    ],
)
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "x.jpg").write_bytes(content)
    for source in (tmp_path / "x.jpg", content):
        with pytest.raises(UnknownFormatError, match=reason):
            open_image(source)


def test_the_content_decides_not_the_suffix(tmp_path: Path) -> None:
    save(flat("L", 9), tmp_path / "x.png").rename(tmp_path / "x.jpg")
    assert only_colour(read_image(tmp_path / "x.jpg", size=SIZE, channels=1)) == [9]
    content = (tmp_path / "x.jpg").read_bytes()
    with pytest.raises(UnknownFormatError, match="PNG data"):
        open_image(content, kinds=("JPEG", "GIF"))


def test_a_large_text_chunk_is_one_line(tmp_path: Path) -> None:
    """Programs that generate images write whole descriptions of their work."""
    text = PngInfo()
    text.add_text("prompt", "x" * 2_000_000, zip=True)
    path = save(flat("L", 9), tmp_path / "x.png", pnginfo=text)
    with pytest.raises(UnreadableImageError, match="MAX_TEXT_CHUNK"):
        read_image(path, size=SIZE, channels=1)


def test_a_header_needs_no_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(flat("RGB", 0, (90, 50)), tmp_path / "x.png")
    path.write_bytes(path.read_bytes()[:60])
    assert read_header(path) == ((90, 50), False)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(TooManyPixelsError):
        read_header(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.png")
    for read in (open_image, read_content, read_header):
        with pytest.raises(UnreadableImageError, match="not a regular file"):
            read(tmp_path / "x.png")
    with pytest.raises(UnreadableImageError, match="No such file"):
        read_content(tmp_path / "y.png")


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("x.PNG", b"", None),  # reported as broken when it is read
        ("x.svg", b"<svg>", ".svg"),
        ("x.NEF", b"II*\0", ".nef"),
        ("labels.json", b"[]", ""),
        ("README", b"some text", ""),
        ("IM000001", bytes(128) + b"DICM" + bytes(99), NO_SUFFIX),
        ("5d41402abc", "PNG", None),
        ("cat.jpg.1", "JPEG", None),
        ("IMG_2024.06", "TIFF", None),
        ("cat.jpg.part", "JPEG", ".part"),
    ],
)
def test_which_files_are_left_out(
    tmp_path: Path, name: str, content: bytes | str, kind: str | None
) -> None:
    path = tmp_path / name
    path.write_bytes(encoded(content) if isinstance(content, str) else content)
    assert kind_left_out(path) == kind
