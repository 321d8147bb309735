"""Images as arrays, grids and files, with NumPy and Pillow only: the runtime uses this room too.

Points are images of one pixel with channels x and y. Only their plot imports Matplotlib.
"""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from tfgan2.errors import UserError
from tfgan2.files import check_name, written_atomically

_NEAREST = Image.Resampling.NEAREST
_BLOCK = 64
"""Images that are converted at a time, since many may fill the memory."""


def is_points(shape: Sequence[int | None]) -> bool:
    """Returns whether a shape ends with (1, 1, 2): points in the plane instead of images."""
    return tuple(shape[-3:]) == (1, 1, 2)


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Maps [-1, 1] to 0…255, rounded to nearest and clipped. Any shape with at least one axis."""
    made = np.empty(images.shape, np.uint8)
    for begin in range(0, len(images), _BLOCK):
        rows = slice(begin, begin + _BLOCK)
        values = (images[rows].astype(np.float32) + 1.0) * 127.5
        made[rows] = np.clip(np.rint(values), 0, 255)
    return made


def from_uint8(images: np.ndarray) -> np.ndarray:
    """Maps 0…255 to [-1, 1], float32; `to_uint8` restores the values exactly. Any shape."""
    return images.astype(np.float32) / np.float32(127.5) - np.float32(1.0)


def to_pil(image: np.ndarray) -> Image.Image:
    """Converts a uint8 array of shape (H, W, C): grey if C is 1, RGB if 3, RGBA if 4.

    Any other C gives a grey image with the channels side by side.
    """
    height, _, channels = image.shape
    if channels not in (3, 4):
        image = image.swapaxes(1, 2).reshape(height, -1)
    return Image.fromarray(image)


def grid(images: np.ndarray, *, columns: int | None = None, padding: int = 2) -> np.ndarray:
    """Arranges images row by row on white, with `padding` pixels between and around them.

    Args:
        images: uint8, shape (N, H, W, C), N >= 1.
        columns: default: as square as possible, wider rather than taller.

    Returns:
        uint8, shape (rows * (H + padding) + padding, columns * (W + padding) + padding, C).
    """
    count, height, width, channels = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    before = ((0, rows * columns - count), (padding, 0), (padding, 0), (0, 0))
    cells = np.pad(images, before, constant_values=255)
    cells = cells.reshape(rows, columns, height + padding, width + padding, channels)
    sheet = cells.swapaxes(1, 2).reshape(rows * (height + padding), -1, channels)
    return np.pad(sheet, ((0, padding), (0, padding), (0, 0)), constant_values=255)


def side_by_side(*columns: np.ndarray) -> np.ndarray:
    """Joins corresponding images of several arrays, each (N, H, W, C) in [-1, 1], horizontally.

    Smaller images are enlarged by whole factors without smoothing; grey becomes RGB and RGB becomes
    RGBA where needed. Returns float32, shape (N, largest H, sum of the widths, largest C).
    """
    height = max(column.shape[1] for column in columns)
    channels = max(column.shape[-1] for column in columns)
    parts = []
    for column in columns:
        factor = height // column.shape[1]
        column = column.repeat(factor, axis=1).repeat(factor, axis=2)
        if column.shape[-1] == 1 < channels:
            column = column.repeat(3, axis=-1)
        missing = height - column.shape[1], int(column.shape[-1] == 3 < channels)
        white = ((0, 0), (0, missing[0]), (0, 0), (0, missing[1]))
        parts.append(np.pad(column.astype(np.float32), white, constant_values=1.0))
    return np.concatenate(parts, axis=2)


def joined(*images: Image.Image) -> Image.Image:
    """Joins Pillow images of modes L, RGB and RGBA horizontally, as `side_by_side` does."""
    arrays = [np.asarray(i).reshape(1, i.height, i.width, -1) / 127.5 - 1.0 for i in images]
    return to_pil(to_uint8(side_by_side(*arrays))[0])


def resize_matrix(old: int, new: int) -> np.ndarray:
    """Returns Pillow's bicubic resizing of one axis as a matrix, float32, shape (new, old).

    Pillow widens the kernel when it shrinks, so nothing aliases.
    """
    identity = Image.fromarray(np.eye(old, dtype=np.float32))
    return np.asarray(identity.resize((old, new), Image.Resampling.BICUBIC))


def encode_png(image: Image.Image, *, fast: bool = False) -> bytes:
    """Encodes an image of mode L, RGB or RGBA as PNG.

    `fast` takes a quarter of the time; files of generated images grow by about a tenth.
    """
    buffer = io.BytesIO()
    options = {"compress_level": 1, "compress_type": zlib.Z_RLE} if fast else {}
    image.save(buffer, format="PNG", **options)
    return buffer.getvalue()


def encode_grid(
    images: np.ndarray,
    *,
    columns: int | None = None,
    reals: np.ndarray | None = None,
    fast: bool = False,
) -> bytes:
    """Encodes images in [-1, 1], shape (N, H, W, C), as a grid in one PNG; enlarges small ones.

    Points in any range, shape (N, 1, 1, 2), give a scatter plot, in which `reals`, points of the
    data, are drawn in grey below. `fast` is that of `encode_png`.
    """
    if is_points(images.shape):
        return _scatter_plot(images, reals)
    scale = _scale_for(images)
    sheet = to_pil(grid(to_uint8(images), columns=columns, padding=1 if scale > 1 else 2))
    return encode_png(ImageOps.scale(sheet, scale, _NEAREST), fast=fast)


def save_grid(path: Path, images: np.ndarray, **options: Any) -> None:
    """Writes images as one PNG file; the arguments are those of `encode_grid`."""
    content = encode_grid(images, **options)
    with written_atomically(path) as partial:
        partial.write_bytes(content)


def check_output(
    out: Path, shape: Sequence[int | None] | None = None, *, columns: int | None = None
) -> None:
    """Raises a UserError if `save_samples` could not write to `out`; writes nothing.

    `shape` is that of the images or of one image, if known: points allow fewer formats. Only a grid
    has `columns`.
    """
    suffix = out.suffix.lower()
    if suffix not in ("", ".png", ".npz", ".gif"):
        raise UserError(f"cannot write {out.name!r}: give a .png, .gif or .npz, or a directory")
    if columns and suffix != ".png":
        raise UserError(f"{out.name!r} is not a grid: leave --columns out, or give a .png")
    check_name(out)
    if out.suffix and out.is_dir():
        raise UserError(f"'{out}' is a directory: give a file name")
    if not out.suffix and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"'{out}' exists and is not an empty directory: choose another --out")
    if suffix in ("", ".gif") and shape is not None and is_points(shape):
        refused = "animated" if suffix else "written as single images"
        raise UserError(f"points cannot be {refused}: give a .png or .npz")


def save_samples(
    out: Path,
    images: np.ndarray,
    *,
    latents: np.ndarray,
    labels: np.ndarray | None = None,
    columns: int | None = None,
) -> None:
    """Writes samples in the format that the suffix of `out` names.

    Args:
        out: `.png`: one grid; `.gif`: an animation; `.npz`: `sample_arrays`; no suffix: a directory
            of single PNG files. A `.png` of points is a scatter plot.
        images: in [-1, 1], shape (N, H, W, C), or points in any range, shape (N, 1, 1, 2).
        latents, labels: of the images, shapes (N, dim) and (N,).
        columns: of the grid.

    Raises:
        UserError: `check_output` refuses, or the file cannot be written.
    """
    check_output(out, images.shape)
    with written_atomically(out, parents=True) as partial:
        match out.suffix.lower():
            case ".png":
                partial.write_bytes(encode_grid(images, columns=columns))
            case ".npz":
                arrays = sample_arrays(images, latents, labels)
                with partial.open("wb") as file:  # else NumPy would add a suffix to ".NPZ"
                    np.savez_compressed(file, allow_pickle=False, **arrays)
            case ".gif":
                scale = 2 * _scale_for(images)
                made = (to_pil(to_uint8(image)) for image in images)
                frames = (ImageOps.scale(frame, scale, _NEAREST) for frame in made)
                options = {"save_all": True, "append_images": frames, "duration": 50, "loop": 0}
                next(frames).save(partial, "GIF", **options)
            case _:
                partial.mkdir()
                digits = max(5, len(str(len(images) - 1)))
                for index, image in enumerate(images):
                    to_pil(to_uint8(image)).save(partial / f"{index:0{digits}d}.png")


def sample_arrays(
    images: np.ndarray, latents: np.ndarray, labels: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Returns the arrays of a `.npz`; the arguments are those of `save_samples`.

    `images` (uint8) or, for points, `points` (float32, shape (N, 2)); `latents`; `labels` if given.
    """
    arrays = {"images": to_uint8(images), "latents": latents}
    if is_points(images.shape):
        arrays = {"points": images.reshape(-1, 2).astype(np.float32), "latents": latents}
    return arrays if labels is None else {**arrays, "labels": labels}


def _scale_for(images: np.ndarray) -> int:
    """Returns the factor that enlarges images to about 56 pixels for display."""
    return max(1, round(56 / images.shape[1]))


def _scatter_plot(points: np.ndarray, reals: np.ndarray | None) -> bytes:
    """Draws points, shape (N, 1, 1, 2), as a square PNG that shows all finite ones."""
    from matplotlib.figure import Figure

    layers = [] if reals is None else [("data", reals.reshape(-1, 2), "0.78", 1.0)]
    layers.append(("samples", points.reshape(-1, 2), "tab:blue", 0.5))
    everything = np.concatenate([layer for _, layer, _, _ in layers]).astype(np.float64)
    finite = everything[np.isfinite(everything).all(axis=1)]
    finite = finite if len(finite) else np.zeros((1, 2))
    low, high = finite.min(axis=0), finite.max(axis=0)
    reach = 0.55 * float((high - low).max()) or 1.0  # half the range and a margin of a tenth
    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = figure.subplots()
    for label, layer, colour, opacity in layers:
        size = float(np.clip(6000 / max(1, len(layer)), 4, 25))  # few dots are drawn larger
        x, y = layer.T
        axes.scatter(x, y, s=size, color=colour, alpha=opacity, linewidths=0, label=label)
    x, y = (low + high) / 2
    axes.set(xlim=(x - reach, x + reach), ylim=(y - reach, y + reach), aspect="equal")
    axes.set_axisbelow(True)
    axes.grid(color="0.93")
    axes.tick_params(colors="0.4", length=0)
    axes.spines[:].set_visible(False)
    if reals is not None:
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, markerscale=2.5
        )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()
