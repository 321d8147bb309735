"""One picture file becomes one square uint8 array. Pillow and NumPy only."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

# Formats that Pillow recognises without being able to decode them itself.
_NO_PIXELS = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}

_ORIENTATION = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_EXIF_ORIENTATION = 0x0112

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


class UnreadableImageError(Exception):
    """A file cannot be made into an image; the message is the reason, in one line.

    Attributes:
        path: of the file, where a sample has several; else None.
    """

    def __init__(self, reason: str, path: str | None = None) -> None:
        super().__init__(reason)
        self.path = path


class TooManyPixelsError(UnreadableImageError):
    """A picture is larger than the caller allows."""


@cache
def suffixes() -> frozenset[str]:
    """The file suffixes that Pillow can decode here, in lower case with their dot."""
    Image.init()
    return frozenset(
        suffix
        for suffix, kind in Image.registered_extensions().items()
        if kind in Image.OPEN and kind not in _NO_PIXELS
    )


def read_image(source: Path | bytes, *, size: int, channels: int) -> np.ndarray:
    """Decodes a picture and fits it to a square.

    EXIF orientation is applied, of an animation the first frame is taken, transparency is laid on
    white unless `channels` is 4, 16-bit grey is scaled to 8 bits.

    Args:
        source: a file, or a file's content.
        size: edge of the result.
        channels: 1 grey, 3 RGB, 4 RGBA.

    Returns:
        uint8, shape (size, size, channels).

    Raises:
        UnreadableImageError: no picture, a broken one, or one of more pixels than Pillow allows.
    """
    try:
        return fit(_load(source, size), size=size, channels=channels)
    except UnreadableImageError:
        raise
    except Exception as error:  # broken files make Pillow's decoders raise nearly anything
        raise UnreadableImageError(_reason(error, source)) from error


def open_image(
    source: Path | bytes, *, formats: tuple[str, ...] | None = None, most_pixels: int | None = None
) -> Image.Image:
    """A picture in its own size and mode, upright.

    Args:
        source: a file, or a file's content.
        formats: Pillow's names of those that are taken; default: all that it knows.
        most_pixels: what a header may promise at most; default: Pillow's own limit.

    Raises:
        TooManyPixelsError: more than `most_pixels`, or than Pillow allows; nothing was decoded.
        UnreadableImageError: as `read_image`.
    """
    try:
        return _load(source, None, formats, most_pixels)
    except TooManyPixelsError:
        raise
    except Image.DecompressionBombError as error:
        raise TooManyPixelsError(_reason(error, source)) from error
    except Exception as error:  # as above
        raise UnreadableImageError(_reason(error, source)) from error


def is_grey(path: Path) -> bool | None:
    """Whether a file's header promises shades of grey only; None if it cannot be read."""
    try:
        with Image.open(path) as image:
            if image.mode == "P":
                palette = np.asarray(image.getpalette("RGB")).reshape(-1, 3)
                return bool((palette == palette[:, :1]).all())
            return image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;16")
    except Exception:  # as above; the reason is told when the file is decoded
        return None


def fit(image: Image.Image, *, size: int, channels: int) -> np.ndarray:
    """Cuts the centre square, scales it, and brings it to that many channels.

    Args:
        image: of any mode.
        size: edge of the result. Larger pictures are shrunk with antialiasing, smaller ones
            enlarged smoothly.
        channels: 1, 3 or 4.

    Returns:
        uint8, shape (size, size, channels).

    Raises:
        UnreadableImageError: as `as_pixels`.
    """
    edge = min(image.size)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    if image.size != (edge, edge):
        image = image.crop((left, top, left + edge, top + edge))
    image = _with_channels(image, channels)
    if edge != size:
        # Bicubic: Pillow widens it when shrinking, so nothing aliases; it rings less than Lanczos
        # at the hard edges of drawings and digits, and is neither blocky nor blurred when
        # enlarging.
        image = image.resize((size, size), Image.Resampling.BICUBIC)
    return _to_uint8(image, channels)


def as_pixels(image: Image.Image, channels: int) -> np.ndarray:
    """A picture in its own size, brought to 1, 3 or 4 channels.

    Returns:
        uint8, shape (height, width, channels).

    Raises:
        UnreadableImageError: values that have no meaning as brightness, or a mode that Pillow
            cannot convert.
    """
    return _to_uint8(_with_channels(image, channels), channels)


def fit_array(pixels: np.ndarray, *, size: int, channels: int) -> np.ndarray:
    """As `fit`, for a grey uint8 array of shape (H, W)."""
    return fit(Image.fromarray(pixels), size=size, channels=channels)


def _load(
    source: Path | bytes,
    size: int | None,
    formats: tuple[str, ...] | None = None,
    most_pixels: int | None = None,
) -> Image.Image:
    """The first frame, decoded and turned upright; it may be shrunk if only `size` is needed."""
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, "r", formats) as (
        image
    ):
        if most_pixels is not None and image.width * image.height > most_pixels:
            raise TooManyPixelsError(
                f"{image.width}x{image.height} pixels, more than the {most_pixels:,} allowed"
            )
        # A JPEG can be decoded at 1/2, 1/4 or 1/8 of its size. Three times what is needed leaves
        # the difference invisible and makes photographs several times as fast.
        if size is not None:
            image.draft(None, (3 * size, 3 * size))
        image.load()
        turn = _ORIENTATION.get(_orientation(image))
        return image.transpose(turn) if turn is not None else image


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # a broken EXIF block does not make the pixels unreadable
        return 1


def _with_channels(image: Image.Image, channels: int) -> Image.Image:
    """In mode L, RGB or RGBA, as `channels` says, or F (0…255) for deep grey."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Image.fromarray(_deep_grey(image))
    try:
        return _converted(image, channels)
    except ValueError as error:
        raise UnreadableImageError(f"pictures of mode {image.mode} cannot be converted") from error


def _converted(image: Image.Image, channels: int) -> Image.Image:
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if channels == 4:
            return image
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image)
        image = white.convert("RGB")
    elif image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")  # not every mode converts to grey directly
    return image if image.mode == _MODES[channels] else image.convert(_MODES[channels])


def _to_uint8(image: Image.Image, channels: int) -> np.ndarray:
    """Shape (height, width, channels), of what `_with_channels` gave."""
    if image.mode == "F":
        image = Image.fromarray(np.clip(np.rint(np.asarray(image)), 0, 255).astype(np.uint8))
        image = _converted(image, channels)
    return np.asarray(image).reshape(image.height, image.width, channels)


def _deep_grey(image: Image.Image) -> np.ndarray:
    """Float32, 0…255, shape (H, W), from 16-bit integers, or from floats of 0…1 or 0…255."""
    pixels = np.asarray(image).astype(np.float32)
    low, high = float(pixels.min()), float(pixels.max())
    limit = 255.0 if image.mode == "F" else 65535.0
    if not (low >= 0 and high <= limit):  # written so that NaN fails, too
        raise UnreadableImageError(
            f"its grey values go from {low:g} to {high:g}, outside 0…{limit:g}"
        )
    if image.mode == "F":
        return pixels * 255 if high <= 1 else pixels
    return pixels / 257


def _reason(error: Exception, source: Path | bytes) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        length = len(source) if isinstance(source, bytes) else source.stat().st_size
        return "not a picture" if length else "empty file"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
