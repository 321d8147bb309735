"""Reads image files as upright uint8 arrays, with Pillow and NumPy only."""

from __future__ import annotations

import contextlib
import io
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngImageFile

from tfgan2.errors import one_line
from tfgan2.images.formats import (
    COMPANIONS,
    NO_SUFFIX,
    common_formats,
    describe,
    formats,
    is_text,
    suffix_of,
    suffixes,
)
from tfgan2.images.hearing import hearing, in_one_line
from tfgan2.images.ranges import BYTES, Ranges, kind_of, range_of, scaled

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
NO_RANGES: Ranges = MappingProxyType({})
"""Each image by itself."""


class UnreadableImageError(Exception):
    """A file cannot be read as an image; the message is the reason, in one line.

    `path` names the file if a sample has several.
    """

    path: str | None = None


class UnknownFormatError(UnreadableImageError):
    """A file is not an image, or has none of the formats that are accepted."""


class TooManyPixelsError(UnreadableImageError):
    """An image is larger than the caller allows."""


Size = int | tuple[int, int]
"""Edge of a square, or height and width."""


def _edges(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def read_image(
    source: Path | bytes, *, size: Size, channels: int, ranges: Ranges = NO_RANGES
) -> np.ndarray:
    """Decodes an image file, or the content of one, and fits it to a size; errors: `open_image`.

    Applies the EXIF orientation, takes the first frame of an animation, blends transparency with
    white unless `channels` is 4, and scales values as `ranges` say.
    """
    return fit(open_image(source, size=size), size=size, channels=channels, ranges=ranges)


def open_image(
    source: Path | bytes,
    *,
    kinds: tuple[str, ...] | None = None,
    most_pixels: int | None = None,
    size: Size | None = None,
) -> Image.Image:
    """Decodes the first frame of an image file, upright, in its own mode.

    Args:
        source: a file, or the content of a file.
        kinds: Pillow's names of the accepted formats; default: all that can be read here.
        most_pixels: limit of the size in the file's header; default: Pillow's own limit.
        size: to which the image will be fitted; a large one may be decoded smaller.

    Raises:
        TooManyPixelsError: the image exceeds the limit; nothing was decoded.
        UnknownFormatError: not an image, or none of these formats.
        UnreadableImageError: a broken one, or not a file.
    """
    with opened(source, kinds) as image:
        if most_pixels is not None and image.width * image.height > most_pixels:
            raise Image.DecompressionBombError(
                f"{image.width}x{image.height} pixels, more than the {most_pixels:,} allowed"
            )
        # JPEG decodes at 1/2, 1/4 or 1/8 of its size, several times as fast; three times the
        # final size leaves no visible difference.
        if size is not None:
            height, width = _edges(size)
            image.draft(None, (3 * width, 3 * height))
        image.load()
        with contextlib.suppress(Exception):  # the pixels are fine even if the EXIF is broken
            ImageOps.exif_transpose(image, in_place=True)
        return image


def open_grid(path: Path) -> Image.Image:
    """Decodes a PNG that tfgan2 wrote, however large; a UserError if it cannot be read."""
    # `Image.open` refuses large images.
    with (
        one_line(f"cannot read {str(path)!r}", Exception, advice="remove it"),
        PngImageFile(path) as image,
    ):
        image.load()
    return image


def read_header(path: Path, kinds: tuple[str, ...] | None = None) -> tuple[tuple[int, int], bool]:
    """Returns the width and height that a file's header promises, and whether it is grey only.

    The arguments and errors are those of `open_image`; no pixels are decoded.
    """
    with opened(path, kinds) as image:
        return image.size, is_grey(image)


def is_grey(image: Image.Image) -> bool:
    """Returns whether the mode of an image, or its palette, has grey only."""
    if image.mode == "P":
        palette = np.asarray(image.getpalette("RGB")).reshape(-1, 3)
        return bool((palette == palette[:, :1]).all())
    return image.mode in ("1", "L", "LA", "La") or kind_of(image.mode) != BYTES


def kind_left_out(path: Path) -> str | None:
    """Returns the type of a file that is left out; "" if it is no image, None if it can be read.

    A file without a suffix can be read if its content is an image.
    """
    suffix = suffix_of(path.name)
    if suffix:
        kind = "" if suffix in COMPANIONS else suffix
        return None if suffix in suffixes() else kind
    try:
        read_header(path, tuple(common_formats()))
    except UnknownFormatError:
        return "" if is_text(path) else NO_SUFFIX
    except UnreadableImageError:
        return NO_SUFFIX
    return None


def read_content(path: Path) -> bytes:
    """Returns the bytes of a file. Raises an UnreadableImageError if there are none to read."""
    try:
        _check_regular(path)
        return path.read_bytes()
    except OSError as error:
        raise UnreadableImageError(_reason(error, [])) from error


@contextlib.contextmanager
def opened(source: Path | bytes, kinds: tuple[str, ...] | None = None) -> Iterator[Image.Image]:
    """Opens an image; makes an UnreadableImageError of whatever is raised in the block."""
    kinds = kinds or formats()
    with hearing() as messages:
        try:
            if isinstance(source, Path):
                _check_regular(source)
            file = io.BytesIO(source) if isinstance(source, bytes) else source
            with Image.open(file, "r", kinds) as image:
                if not (image.width and image.height):
                    raise UnreadableImageError("it has no pixels")
                yield image
        except UnreadableImageError:
            raise
        except Image.DecompressionBombError as error:
            raise TooManyPixelsError(_reason(error, messages)) from error
        except Image.UnidentifiedImageError as error:
            head = source[:512] if isinstance(source, bytes) else _head(source)
            reason = ": ".join([describe(head, kinds), *messages[-1:]])
            raise UnknownFormatError(reason) from error
        except Exception as error:  # Pillow's decoders raise nearly anything for broken files
            raise UnreadableImageError(_reason(error, messages)) from error


def _check_regular(path: Path) -> None:
    if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe would wait for ever
        raise UnreadableImageError("not a regular file")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(512)


def fit(
    image: Image.Image,
    *,
    channels: int,
    size: Size | None = None,
    ranges: Ranges = NO_RANGES,
) -> np.ndarray:
    """Converts an image of any mode to uint8, shape (H, W, channels), with 1, 3 or 4 channels.

    Args:
        image: of Pillow.
        channels: 1 grey, 3 RGB, 4 RGBA.
        size: the largest part of this shape, in the centre, is cropped and scaled to it. Default:
            the image's own size.
        ranges: the values that become black and white, by kind of file. Where a kind is missing,
            8-bit values stay, and 16-bit and float images have a range each, see `range_of`.

    Raises:
        UnreadableImageError: values that are not finite, or a mode that Pillow cannot convert.
    """
    if size is not None:
        # ImageOps.fit crops between pixels if the excess is odd, and resamples from outside.
        height, width = _edges(size)
        scale = min(image.width / width, image.height / height)
        cut = max(1, round(width * scale)), max(1, round(height * scale))
        left, top = (image.width - cut[0]) // 2, (image.height - cut[1]) // 2
        if cut != image.size:
            image = image.crop((left, top, left + cut[0], top + cut[1]))
    image = _converted(image, channels, ranges)
    if size is not None and image.size != (width, height):
        # Bicubic rings less than Lanczos at the hard edges of drawings and digits.
        image = image.resize((width, height), Image.Resampling.BICUBIC)
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


def _reason(error: Exception, messages: Sequence[str]) -> str:
    """Returns an error in a line, and what the libraries said last if that explains it."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    reason = in_one_line(error) or type(error).__name__
    return f"{reason}: {messages[-1]}" if messages and "decoder error" in reason else reason
