"""Writes generated images as a grid, an animation, arrays or a directory of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfgan2.errors import UserError
from tfgan2.files import written_atomically
from tfgan2.images.arrays import enlarged, is_points, save_grid, scale_for, to_pil, to_uint8


def check_output(out: Path, shape: Sequence[int | None] | None = None) -> None:
    """Raises a UserError if `save_samples` could not write to `out`; writes nothing.

    Args:
        out: as for `save_samples`.
        shape: shape of the images or of one image, if known: points allow fewer formats.
    """
    if out.suffix.lower() not in ("", ".png", ".npz", ".gif"):
        raise UserError(f"cannot write {out.name!r}: give a .png, .gif or .npz, or a directory")
    if out.suffix and out.is_dir():
        raise UserError(f"'{out}' is a directory: give a file name")
    if not out.suffix and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"'{out}' exists and is not an empty directory: choose another --out")
    if shape is not None and is_points(shape):
        if out.suffix.lower() == ".gif":
            raise UserError("points cannot be animated: give a .png or .npz")
        if not out.suffix:
            raise UserError("points cannot be written as single images: give a .png or .npz")


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
        latents: of the images, shape (N, dim).
        labels: shape (N,), or None.
        columns: of the grid.

    Raises:
        UserError: another suffix, a directory that is not empty, or a format that points do not
            allow.
        OSError: the file cannot be written.
    """
    check_output(out, images.shape)
    out.parent.mkdir(parents=True, exist_ok=True)
    suffix = out.suffix.lower()
    if suffix == ".png":
        save_grid(out, images, columns=columns)
    elif suffix == ".gif":
        scale = 2 * scale_for(images.shape[1])
        first, *others = (enlarged(to_pil(image), scale) for image in to_uint8(images))
        with written_atomically(out) as partial:
            first.save(partial, "GIF", save_all=True, append_images=others, duration=50, loop=0)
    elif suffix == ".npz":
        arrays = sample_arrays(images, latents, labels)
        with written_atomically(out) as partial:
            np.savez_compressed(partial, allow_pickle=False, **arrays)
    else:
        with written_atomically(out) as partial:
            partial.mkdir()
            digits = max(5, len(str(len(images) - 1)))
            for index, image in enumerate(to_uint8(images)):
                to_pil(image).save(partial / f"{index:0{digits}d}.png")


def sample_arrays(
    images: np.ndarray, latents: np.ndarray, labels: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Returns the arrays of a `.npz`; the arguments are those of `save_samples`.

    Returns:
        `images` (uint8) or, for points, `points` (float32, shape (N, 2)); `latents`; and `labels`
        if they are given.
    """
    if is_points(images.shape):
        arrays = {"points": images.reshape(-1, 2).astype(np.float32), "latents": latents}
    else:
        arrays = {"images": to_uint8(images), "latents": latents}
    return arrays if labels is None else {**arrays, "labels": labels}
