"""Reads image files as upright uint8 arrays, with Pillow and NumPy only."""

from __future__ import annotations

import contextlib
import io
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageOps

from tfgan2.images.ranges import BYTES, Ranges, kind_of, range_of, scaled

# Formats that Pillow recognises but cannot decode itself.
_UNDECODABLE = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
NO_RANGES: Ranges = MappingProxyType({})
"""Each image by itself."""


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


def read_image(
    source: Path | bytes, *, size: int, channels: int, ranges: Ranges = NO_RANGES
) -> np.ndarray:
    """Decodes an image file, or the content of one, and fits it to a square; errors: `open_image`.

    Applies the EXIF orientation, takes the first frame of an animation, blends transparency with
    white unless `channels` is 4, and scales values as `ranges` say.
    """
    return fit(open_image(source, size=size), size=size, channels=channels, ranges=ranges)


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


def fit(
    image: Image.Image,
    *,
    channels: int,
    size: int | None = None,
    ranges: Ranges = NO_RANGES,
) -> np.ndarray:
    """Converts an image of any mode to uint8, shape (H, W, channels), with 1, 3 or 4 channels.

    Args:
        image: of Pillow.
        channels: 1 grey, 3 RGB, 4 RGBA.
        size: edge; the centre square is cropped and scaled to it. Default: the image's own size.
        ranges: the values that become black and white, by kind of file. Where a kind is missing,
            8-bit values stay, and 16-bit and float images have a range each, see `range_of`.

    Raises:
        UnreadableImageError: values that are not finite, or a mode that Pillow cannot convert.
    """
    if size is not None and image.width != image.height:
        # ImageOps.fit crops between pixels if the excess is odd, and resamples from outside.
        edge = min(image.size)
        left, top = (image.width - edge) // 2, (image.height - edge) // 2
        image = image.crop((left, top, left + edge, top + edge))
    image = _converted(image, channels, ranges)
    if size is not None and image.size != (size, size):
        # Bicubic rings less than Lanczos at the hard edges of drawings and digits.
        image = image.resize((size, size), Image.Resampling.BICUBIC)
    if image.mode == "F":
        grey = np.clip(np.rint(np.asarray(image)), 0, 255).astype(np.uint8)
        image = Image.fromarray(grey).convert(_MODES[channels])
    return np.asarray(image).reshape(image.height, image.width, channels)


def _converted(image: Image.Image, channels: int, ranges: Ranges) -> Image.Image:
    """Converts to mode L, RGB or RGBA as `channels` says, deep grey to F (0…255)."""
    kind = kind_of(image.mode)
    if kind != BYTES:
        values = np.asarray(image)
        if not np.isfinite(values).all():
            raise UnreadableImageError("some of its values are not finite (NaN or infinity)")
        own = range_of(kind, float(values.min()), float(values.max()))
        return Image.fromarray(scaled(values, ranges.get(kind, own)))
    try:
        if image.has_transparency_data:
            image = image.convert("RGBA")
            if channels != 4:
                white = Image.new("RGBA", image.size, "white")
                white.alpha_composite(image)
                image = white.convert("RGB")
        elif image.mode not in ("1", "L", "RGB"):
            image = image.convert("RGB")  # some modes cannot be converted to grey directly
        if kind in ranges and image.mode != "1":
            table = np.rint(scaled(np.arange(256), ranges[kind])).astype(int).tolist()
            opacity = list(range(256)) if image.mode == "RGBA" else []
            image = image.point(table * len(image.mode.removesuffix("A")) + opacity)
        return image.convert(_MODES[channels])
    except Exception as error:  # a mode that has no conversion, or a broken palette
        raise UnreadableImageError(f"images of mode {image.mode} cannot be converted") from error


def _reason(error: Exception, source: Path | bytes) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        length = len(source) if isinstance(source, bytes) else source.stat().st_size
        return "not an image" if length else "empty file"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
