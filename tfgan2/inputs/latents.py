"""Latents, drawn with NumPy so that a seed gives the same ones for Keras, ONNX and TFLite."""

from __future__ import annotations

import itertools
import zipfile
from pathlib import Path

import numpy as np

from tfgan2.errors import UserError, unknown

DISTRIBUTIONS = ("normal", "uniform")


def draw_latents(
    count: int, dim: int, *, seed: int = 0, distribution: str = "normal"
) -> np.ndarray:
    """Draws latents, float32, shape (count, dim).

    Sample number 3 of a seed is always the same: the first n of a larger draw are the draw of n.
    The distribution is "normal", N(0, 1), or "uniform", U(-1, 1).

    Raises:
        UserError: a count below 1, a seed below 0, or an unknown distribution.
    """
    if count < 1:
        raise UserError(f"count must be at least 1, not {count}")
    if seed < 0:
        raise UserError(f"seed must be 0 or more, not {seed}")
    rng = np.random.default_rng(seed)
    if distribution == "normal":
        return rng.standard_normal((count, dim), dtype=np.float32)
    if distribution == "uniform":
        return rng.random((count, dim), dtype=np.float32) * 2 - 1
    raise unknown("latent distribution", distribution, DISTRIBUTIONS)


def read_latents(path: Path) -> np.ndarray:
    """Reads latents from a .npy file, one per row."""
    if not path.is_file():
        raise UserError(f"{path} does not exist")
    try:
        latents = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        latents = None
    if not isinstance(latents, np.ndarray):
        raise UserError(f"{path} is not a complete .npy file of numbers")
    if latents.ndim < 1 or not len(latents):
        raise UserError(f"{path} holds no latents")
    return latents


def check_latents(latents: np.ndarray, dim: int) -> np.ndarray:
    """Returns latents as float32, if they are finite real numbers of shape (N, dim), any N."""
    latents = np.asarray(latents)
    if latents.ndim != 2 or latents.shape[1] != dim:
        raise UserError(f"latents must have the shape (count, {dim}), not {latents.shape}")
    real = latents.dtype.kind in "fiu"
    with np.errstate(over="ignore"):  # too large for float32: infinite, and refused below
        latents = np.ascontiguousarray(latents, np.float32) if real else latents
    if not (real and np.isfinite(latents).all()):
        raise UserError("latents must be finite real numbers")
    return latents


def slerp(start: np.ndarray, end: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Spherical interpolation (Shoemake 1985): keeps the length that normal latents have.

    A straight line between two normal latents passes through shorter ones, which the generator was
    not trained on. Weights 0…1, shape (n,), lead from start to end, both of shape (dim,); the
    result is float32, shape (n, dim).
    """
    start, end = start.astype(np.float64), end.astype(np.float64)
    weights = weights.astype(np.float64)[:, None]
    cosine = np.dot(start, end) / max(np.linalg.norm(start) * np.linalg.norm(end), 1e-12)
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    if np.sin(angle) < 1e-6:  # parallel: the arc is undefined, or is the line
        return ((1 - weights) * start + weights * end).astype(np.float32)
    arc = np.sin((1 - weights) * angle) * start + np.sin(weights * angle) * end
    return (arc / np.sin(angle)).astype(np.float32)


def walk(latents: np.ndarray, steps: int) -> np.ndarray:
    """Returns latents along arcs from each of `latents`, shape (n >= 2, dim), to the next.

    Each arc has `steps` latents, its first included and its last not; the last latent ends the
    walk: float32, shape ((n - 1) * steps + 1, dim).
    """
    weights = np.arange(steps) / steps
    legs = [slerp(a, b, weights) for a, b in itertools.pairwise(latents)]
    return np.concatenate([*legs, latents[-1:].astype(np.float32)])
