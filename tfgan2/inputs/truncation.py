"""Truncation: inputs of a generator that give more typical and less varied images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist

import numpy as np

from tfgan2.errors import UserError

LATENTS = "latents"
"""Latents lie within the truncation (Brock et al. 2019, arXiv:1809.11096)."""
STYLES = "styles"
"""An input of the network, a fraction of each style's distance from the mean style (Karras et al.
2019, arXiv:1812.04948)."""


def truncated_inputs(
    inputs: Mapping[str, np.ndarray], of: str, truncation: float | None
) -> dict[str, np.ndarray]:
    """Truncates what a generator takes.

    Args:
        inputs: arrays by name, of equal lengths; "z" are latents.
        of: what truncation moves, LATENTS or STYLES; "" for a generator without truncation.
        truncation: None for images that are not truncated.

    Raises:
        UserError: a truncation that is not a number of at least 0, or a generator without one.
    """
    if truncation is not None and not of:
        raise UserError("this generator has no truncation, as stylegan2 and biggan have: omit it")
    if truncation is not None and not 0 <= truncation < math.inf:
        raise UserError(f"truncation must be at least 0, not {truncation:g}")
    if of == STYLES:
        fraction = 1.0 if truncation is None else truncation
        return {**inputs, "truncation": np.full(len(inputs["z"]), fraction, np.float32)}
    if truncation is None:
        return dict(inputs)
    return {**inputs, "z": truncated(inputs["z"], truncation)}


def truncated(latents: np.ndarray, threshold: float) -> np.ndarray:
    """Latents from a normal distribution, moved so that it ends at plus and minus a threshold.

    The result has the distribution of normal latents that are drawn again until they lie within the
    threshold (Brock et al. 2019), but each one depends on its own latent alone, and smoothly: z
    becomes the quantile of the truncated distribution that z is of the normal one. float32.
    """
    normal = NormalDist()
    edge = normal.cdf(threshold)
    unique, places = np.unique(np.asarray(latents, np.float64), return_inverse=True)
    shares = (0.5 * (1.0 + math.erf(z / math.sqrt(2.0))) for z in unique)
    levels = [(1.0 - edge) + share * (2.0 * edge - 1.0) for share in shares]
    moved = [normal.inv_cdf(min(max(level, 1e-300), 1.0 - 1e-16)) for level in levels]
    found = np.clip(moved, -threshold, threshold).astype(np.float32)
    return found[places].reshape(np.shape(latents))
