"""Latents, drawn with NumPy so that Keras, ONNX and TFLite see the very same ones for a seed."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from tfgan2.errors import UserError, unknown

DISTRIBUTIONS = ("normal", "uniform")


def draw_latents(
    count: int, dim: int, *, seed: int = 0, distribution: str = "normal"
) -> np.ndarray:
    """Draws latents.

    The first n of a larger draw are the draw of n: sample number 3 of a seed is always the same.

    Args:
        count: how many.
        dim: the length of each.
        seed: a non-negative integer.
        distribution: "normal" for N(0, 1), "uniform" for U(-1, 1).

    Returns:
        float32, shape (count, dim).

    Raises:
        UserError: for an unknown distribution.
    """
    rng = np.random.default_rng(seed)
    if distribution == "normal":
        return rng.standard_normal((count, dim), dtype=np.float32)
    if distribution == "uniform":
        return rng.random((count, dim), dtype=np.float32) * 2 - 1
    raise unknown("latent distribution", distribution, DISTRIBUTIONS)


def read_latents(path: Path) -> np.ndarray:
    """Latents from a .npy file, one per row.

    Raises:
        UserError: there is no such file, or it holds something else.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist")
    try:
        latents = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        latents = None
    if not isinstance(latents, np.ndarray):
        raise UserError(f"{path} is no whole .npy file of numbers")
    if latents.ndim < 1 or not len(latents):
        raise UserError(f"{path} holds no latents")
    return latents


def check_latents(latents: np.ndarray, dim: int) -> np.ndarray:
    """Latents in the type that generators take.

    Args:
        latents: shape (N, dim), any N.
        dim: the length of a latent.

    Returns:
        The same, float32.

    Raises:
        UserError: another shape, or a value that is no finite real number.
    """
    latents = np.asarray(latents)
    if latents.ndim != 2 or latents.shape[1] != dim:
        raise UserError(f"latents must have the shape (count, {dim}), not {latents.shape}")
    if latents.dtype.kind not in "fiu":
        raise UserError("latents must be finite real numbers")
    with np.errstate(over="ignore"):  # becomes infinite, and is told so
        latents = np.ascontiguousarray(latents, np.float32)
    if not np.isfinite(latents).all():
        raise UserError("latents must be finite real numbers")
    return latents


def slerp(start: np.ndarray, end: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Spherical interpolation (Shoemake 1985): keeps the length that normal latents have.

    A straight line between two normal latents passes through shorter ones, which the generator
    never saw; the arc does not.

    Args:
        start: shape (dim,).
        end: shape (dim,).
        weights: shape (n,), 0 gives start and 1 gives end.

    Returns:
        float32, shape (n, dim).
    """
    start, end = start.astype(np.float64), end.astype(np.float64)
    weights = weights.astype(np.float64)[:, None]
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    cosine = np.dot(start, end) / max(lengths[0] * lengths[1], 1e-12)
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    if np.sin(angle) < 1e-6:  # parallel: the arc is not defined, or is the line
        return ((1 - weights) * start + weights * end).astype(np.float32)
    return (
        (np.sin((1 - weights) * angle) * start + np.sin(weights * angle) * end) / np.sin(angle)
    ).astype(np.float32)


def walk(latents: np.ndarray, steps: int) -> np.ndarray:
    """Walks from each latent to the next along arcs.

    Args:
        latents: the stations, shape (n, dim), n >= 2.
        steps: samples from one station to the next, the first included and the last not.

    Returns:
        float32, shape ((n - 1) * steps + 1, dim); the last station closes the walk.
    """
    weights = np.arange(steps) / steps
    legs = [slerp(a, b, weights) for a, b in itertools.pairwise(latents)]
    return np.concatenate([*legs, latents[-1:].astype(np.float32)])
