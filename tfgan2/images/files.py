"""Reads image files as upright uint8 arrays, with Pillow and NumPy only."""

from __future__ import annotations

import contextlib
import io
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

# Formats that Pillow recognises but cannot decode itself.
_UNDECODABLE = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


class UnreadableImageError(Exception):
    """A file cannot be read as an image; the message is the reason, in one line.

    `path` names the file if a sample has several.
    """

    path: str | None = None


class TooManyPixelsError(UnreadableImageError):
    """An image is larger than the caller allows."""


@cache
def suffixes() -> frozenset[str]:
    """Returns the file suffixes that Pillow can decode here, in lower case with their dot."""
    Image.init()
    return frozenset(
        suffix
        for suffix, kind in Image.registered_extensions().items()
        if kind in Image.OPEN and kind not in _UNDECODABLE
    )


def read_image(source: Path | bytes, *, size: int, channels: int) -> np.ndarray:
    """Decodes an image file, or the content of one, and fits it to a square; errors: `open_image`.

    Applies the EXIF orientation, takes the first frame of an animation, blends transparency with
    white unless `channels` is 4, and scales 16-bit grey to 8 bits.
    """
    return fit(open_image(source, size=size), size=size, channels=channels)


def open_image(
    source: Path | bytes,
    *,
    formats: tuple[str, ...] | None = None,
    most_pixels: int | None = None,
    size: int | None = None,
) -> Image.Image:
    """Decodes the first frame of an image file, upright, in its own mode.

    Args:
        source: a file, or the content of a file.
        formats: Pillow's names of the accepted formats; default: all that it knows.
        most_pixels: limit of the size in the file's header; default: Pillow's own limit.
        size: edge to which the image will be fitted; a large one may be decoded smaller.

    Raises:
        TooManyPixelsError: the image exceeds the limit; nothing was decoded.
        UnreadableImageError: not an image, or a broken one.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with Image.open(file, "r", formats) as image:
            if most_pixels is not None and image.width * image.height > most_pixels:
                raise Image.DecompressionBombError(
                    f"{image.width}x{image.height} pixels, more than the {most_pixels:,} allowed"
                )
            # JPEG decodes at 1/2, 1/4 or 1/8 of its size, several times as fast; three times the
            # final size leaves no visible difference.
            if size is not None:
                image.draft(None, (3 * size, 3 * size))
            image.load()
            with contextlib.suppress(Exception):  # the pixels are fine even if the EXIF is broken
                ImageOps.exif_transpose(image, in_place=True)
            return image
    except Image.DecompressionBombError as error:
        raise TooManyPixelsError(_reason(error, source)) from error
    except Exception as error:  # Pillow's decoders raise nearly anything for broken files
        raise UnreadableImageError(_reason(error, source)) from error


def is_grey(path: Path) -> bool | None:
    """Returns whether the header of a file promises grey only; None if it cannot be read."""
    try:
        with Image.open(path) as image:
            if image.mode == "P":
                palette = np.asarray(image.getpalette("RGB")).reshape(-1, 3)
                return bool((palette == palette[:, :1]).all())
            return image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;16")
    except Exception:  # reported when the file is decoded
        return None


def fit(image: Image.Image, *, channels: int, size: int | None = None) -> np.ndarray:
    """Converts an image of any mode to uint8, shape (H, W, channels), with 1, 3 or 4 channels.

    With a size the centre square is cropped and scaled to it.

    Raises:
        UnreadableImageError: values that are no brightness, or a mode that Pillow cannot convert.
    """
    if size is not None and image.width != image.height:
        # ImageOps.fit crops between pixels if the excess is odd, and resamples from outside.
        edge = min(image.size)
        left, top = (image.width - edge) // 2, (image.height - edge) // 2
        image = image.crop((left, top, left + edge, top + edge))
    image = _converted(image, channels)
    if size is not None and image.size != (size, size):
        # Bicubic rings less than Lanczos at the hard edges of drawings and digits.
        image = image.resize((size, size), Image.Resampling.BICUBIC)
    if image.mode == "F":
        grey = np.clip(np.rint(np.asarray(image)), 0, 255).astype(np.uint8)
        image = Image.fromarray(grey).convert(_MODES[channels])
    return np.asarray(image).reshape(image.height, image.width, channels)


def _converted(image: Image.Image, channels: int) -> Image.Image:
    """Converts to mode L, RGB or RGBA as `channels` says, deep grey to F (0…255)."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Image.fromarray(_deep_grey(image))
    try:
        if image.has_transparency_data:
            image = image.convert("RGBA")
            if channels != 4:
                white = Image.new("RGBA", image.size, "white")
                white.alpha_composite(image)
                image = white.convert("RGB")
        elif image.mode not in ("1", "L", "RGB"):
            image = image.convert("RGB")  # some modes cannot be converted to grey directly
        return image.convert(_MODES[channels])
    except Exception as error:  # a mode that has no conversion, or a broken palette
        raise UnreadableImageError(f"images of mode {image.mode} cannot be converted") from error


def _deep_grey(image: Image.Image) -> np.ndarray:
    """Scales 16-bit integers, or floats of 0…1 or 0…255, to float32 of 0…255, shape (H, W)."""
    pixels = np.asarray(image).astype(np.float32)
    low, high = float(pixels.min()), float(pixels.max())
    limit = 255.0 if image.mode == "F" else 65535.0
    if not (low >= 0 and high <= limit):  # in this form NaN fails too
        raise UnreadableImageError(
            f"its grey values go from {low:g} to {high:g}, outside 0…{limit:g}"
        )
    if image.mode == "F":
        return pixels * 255 if high <= 1 else pixels
    return pixels / 257


def _reason(error: Exception, source: Path | bytes) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        length = len(source) if isinstance(source, bytes) else source.stat().st_size
        return "not an image" if length else "empty file"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
