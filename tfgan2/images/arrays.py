"""From arrays in [-1, 1] to picture files. NumPy and Pillow only: the runtime uses it, too.

Points, which are images of one pixel with x and y as its channels, are drawn as a scatter plot.
Matplotlib is imported for that alone.
"""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tfgan2.errors import UserError
from tfgan2.files import written_atomically


def is_points(shape: Sequence[int | None]) -> bool:
    """Whether arrays of this shape, (1, 1, 2) at its end, are points in the plane, no pictures."""
    return tuple(shape[-3:]) == (1, 1, 2)


def to_uint8(images: np.ndarray) -> np.ndarray:
    """[-1, 1] to 0…255, rounded to nearest; values outside are clipped. Any shape."""
    return np.clip(np.rint((images.astype(np.float32) + 1.0) * 127.5), 0, 255).astype(np.uint8)


def from_uint8(pictures: np.ndarray) -> np.ndarray:
    """0…255 to [-1, 1], float32; `to_uint8` gives back the very same. Any shape."""
    return pictures.astype(np.float32) / np.float32(127.5) - np.float32(1.0)


def to_pil(image: np.ndarray) -> Image.Image:
    """One image, uint8, shape (H, W, C), as a Pillow image: C of 1 is grey, 3 RGB, 4 RGBA.

    Any other C is shown as its channels side by side, in grey.
    """
    channels = image.shape[-1]
    if channels == 1:
        return Image.fromarray(image[..., 0])
    if channels in (3, 4):
        return Image.fromarray(image)
    return Image.fromarray(np.concatenate([image[..., c] for c in range(channels)], axis=1))


def grid(images: np.ndarray, *, columns: int | None = None, padding: int = 2) -> np.ndarray:
    """Images side by side, row by row.

    Args:
        images: uint8, shape (N, H, W, C), N >= 1.
        columns: default: as square as possible, wider rather than taller.
        padding: white pixels between the images and around them.

    Returns:
        uint8, shape (rows * (H + padding) + padding, columns * (W + padding) + padding, C). Cells
        left over are white.
    """
    count, height, width, channels = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    canvas = np.full(
        (rows * (height + padding) + padding, columns * (width + padding) + padding, channels),
        255,
        np.uint8,
    )
    for index, image in enumerate(images):
        top = padding + index // columns * (height + padding)
        left = padding + index % columns * (width + padding)
        canvas[top : top + height, left : left + width] = image
    return canvas


def side_by_side(*columns: np.ndarray) -> np.ndarray:
    """Images that belong together, beside each other in one.

    Args:
        columns: in [-1, 1], each of shape (N, H, W, C); sizes and channels may differ: smaller ones
            are enlarged, their pixels kept square and sharp, and grey becomes RGB.

    Returns:
        float32, shape (N, largest H, sum of widths, C).
    """
    height = max(column.shape[1] for column in columns)
    channels = max(column.shape[-1] for column in columns)
    made = []
    for column in columns:
        factor = height // column.shape[1]
        if factor > 1:
            column = column.repeat(factor, axis=1).repeat(factor, axis=2)
        missing = height - column.shape[1]
        column = np.pad(column, ((0, 0), (0, missing), (0, 0), (0, 0)), constant_values=1.0)
        if column.shape[-1] == 1 < channels:
            column = column.repeat(3, axis=-1)
        if column.shape[-1] == 3 < channels:
            column = np.concatenate([column, np.ones_like(column[..., :1])], axis=-1)
        made.append(column.astype(np.float32))
    return np.concatenate(made, axis=2)


def joined(*pictures: Image.Image) -> Image.Image:
    """Pictures of the modes L, RGB and RGBA beside each other in one, as by `side_by_side`."""
    arrays = [np.asarray(p).reshape(1, p.height, p.width, -1) / 127.5 - 1.0 for p in pictures]
    return to_pil(to_uint8(side_by_side(*arrays))[0])


def resize_matrix(old: int, new: int) -> np.ndarray:
    """Bicubic resizing of one axis as a matrix, float32, shape (new, old).

    It is Pillow's, which widens the kernel when shrinking, so that nothing aliases.
    """
    identity = Image.fromarray(np.eye(old, dtype=np.float32))
    return np.asarray(identity.resize((old, new), Image.Resampling.BICUBIC))


def enlarged(picture: Image.Image, factor: int) -> Image.Image:
    """Each pixel `factor` times as large, edges kept sharp."""
    if factor == 1:
        return picture
    size = (picture.width * factor, picture.height * factor)
    return picture.resize(size, Image.Resampling.NEAREST)


def scale_for(size: int) -> int:
    """How much to enlarge images of this size so that a person sees them: to 56 pixels or so."""
    return max(1, round(56 / size))


def save_grid(
    path: Path,
    images: np.ndarray,
    *,
    columns: int | None = None,
    reals: np.ndarray | None = None,
) -> None:
    """Writes images as one PNG; the arguments are those of `encode_grid`, and the file's name."""
    content = encode_grid(images, columns=columns, reals=reals)
    with written_atomically(path) as partial:
        partial.write_bytes(content)


def encode_grid(
    images: np.ndarray,
    *,
    columns: int | None = None,
    reals: np.ndarray | None = None,
    fast: bool = False,
) -> bytes:
    """Images as one PNG.

    Args:
        images: in [-1, 1], shape (N, H, W, C); small ones are enlarged. Or points in any range,
            shape (N, 1, 1, 2), which make a scatter plot.
        columns: of the grid; points have none.
        reals: for points only: those of the data, shape (M, 1, 1, 2), drawn in grey beneath.
        fast: as for `encode_png`.
    """
    if is_points(images.shape):
        return _scatter(images, reals)
    scale = scale_for(images.shape[1])
    picture = to_pil(grid(to_uint8(images), columns=columns, padding=1 if scale > 1 else 2))
    return encode_png(enlarged(picture, scale), fast=fast)


def encode_png(picture: Image.Image, *, fast: bool = False) -> bytes:
    """A picture as PNG.

    Args:
        picture: in mode L, RGB or RGBA.
        fast: in a fourth of the time; files of generated images grow by a tenth or so.
    """
    buffer = io.BytesIO()
    how = {"compress_level": 1, "compress_type": zlib.Z_RLE} if fast else {}
    picture.save(buffer, format="PNG", **how)
    return buffer.getvalue()


def _scatter(points: np.ndarray, reals: np.ndarray | None) -> bytes:
    """Points, shape (N, 1, 1, 2), as a square PNG that shows all that are finite."""
    from matplotlib.figure import Figure

    layers = [] if reals is None else [("data", reals.reshape(-1, 2), "0.78", 1.0)]
    layers.append(("samples", points.reshape(-1, 2), "tab:blue", 0.5))
    everything = np.concatenate([layer for _, layer, _, _ in layers]).astype(np.float64)
    everything = everything[np.isfinite(everything).all(axis=1)]
    if not len(everything):
        everything = np.zeros((1, 2))
    low, high = everything.min(axis=0), everything.max(axis=0)
    reach = 0.55 * float((high - low).max()) or 1.0  # from the centre, with a margin of a tenth
    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = figure.subplots()
    for label, layer, colour, opacity in layers:
        # Few dots are drawn larger, or they would hardly be seen.
        size = float(np.clip(6000 / max(1, len(layer)), 4, 25))
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


def save_gif(path: Path, images: np.ndarray, *, frames_per_second: int = 20) -> None:
    """Writes images, in [-1, 1], shape (N, H, W, C), as an endless animation.

    Raises:
        UserError: they are points.
    """
    if is_points(images.shape):
        raise UserError(_NO_ANIMATION)
    scale = 2 * scale_for(images.shape[1])
    frames = [enlarged(to_pil(image), scale) for image in to_uint8(images)]
    with written_atomically(path) as partial:
        frames[0].save(
            partial,
            format="GIF",
            save_all=True,
            append_images=frames[1:],
            duration=round(1000 / frames_per_second),
            loop=0,
        )


_NO_ANIMATION = "points cannot be animated: give a .png or .npz"


def check_output(out: Path, shape: Sequence[int | None] | None = None) -> None:
    """Raises a UserError unless `save_samples` could write there; writes nothing.

    Args:
        out: as for `save_samples`.
        shape: of the images, or of one, if it is known: points are refused where they make no
            sense.
    """
    if out.suffix.lower() not in ("", ".png", ".npz", ".gif"):
        raise UserError(f"cannot write {out.name!r}: give a .png, .gif or .npz, or a folder")
    if out.suffix and out.is_dir():
        raise UserError(f"{out} is a folder; give a file's name")
    if not out.suffix and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists and is not an empty folder; choose another --out")
    if shape is not None and is_points(shape):
        if out.suffix.lower() == ".gif":
            raise UserError(_NO_ANIMATION)
        if not out.suffix:
            raise UserError("points make no pictures one by one: give a .png or .npz")


def save_samples(
    out: Path,
    images: np.ndarray,
    *,
    latents: np.ndarray,
    labels: np.ndarray | None = None,
    columns: int | None = None,
) -> None:
    """Writes samples as the name of `out` asks for.

    Args:
        out: `.png`: one grid; `.gif`: an animation; `.npz`: arrays `images` (uint8), `latents` and,
            where there are any, `labels`; no suffix: a folder of single PNGs. Of points, a `.png`
            is a scatter plot, and a `.npz` has `points` (float32, shape (N, 2)) in place of
            `images`.
        images: in [-1, 1], shape (N, H, W, C), or points in any range, shape (N, 1, 1, 2).
        latents: what they were made from, shape (N, dim).
        labels: shape (N,), or None.
        columns: of the grid.

    Raises:
        UserError: the name ends otherwise, a non-empty folder stands there, or points are to become
            an animation or a folder.
        OSError: the disk refuses.
    """
    check_output(out, images.shape)
    out.parent.mkdir(parents=True, exist_ok=True)
    suffix = out.suffix.lower()
    if suffix == ".png":
        save_grid(out, images, columns=columns)
    elif suffix == ".gif":
        save_gif(out, images)
    elif suffix == ".npz":
        with written_atomically(out) as partial:
            np.savez_compressed(
                partial, allow_pickle=False, **sample_arrays(images, latents, labels)
            )
    else:
        with written_atomically(out) as partial:
            partial.mkdir()
            digits = max(5, len(str(len(images) - 1)))
            for index, image in enumerate(to_uint8(images)):
                to_pil(image).save(partial / f"{index:0{digits}d}.png")


def sample_arrays(
    images: np.ndarray, latents: np.ndarray, labels: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """The arrays of a `.npz`; the arguments and names are those of `save_samples`."""
    if is_points(images.shape):
        arrays = {"points": images.reshape(-1, 2).astype(np.float32), "latents": latents}
    else:
        arrays = {"images": to_uint8(images), "latents": latents}
    if labels is not None:
        arrays["labels"] = labels
    return arrays
