"""Precision "mixed": int8 except for the layers that cause the error."""

from __future__ import annotations

from collections.abc import Callable

from tfgan2.export.quantize import Int8

GOAL = 35.0
"""Decibels. Layers stay in float until the images are this close to those of Keras."""


def search(model: Int8, score: Callable[[bytes], float]) -> tuple[bytes, list[str]]:
    """Finds the layers to keep in float.

    Each layer alone is made int8 first, which shows the error that it causes. Then the worst layers
    are kept in float, as few as reach the goal. At last each of these is made int8 again, the
    mildest first, if the goal is still reached without it.

    Args:
        model: a float32 model whose ranges are known.
        score: the signal-to-noise ratio of a model's images to those of Keras, in decibels.

    Returns:
        The model, and the layers that it computes in float, in the order of the graph; none if int8
        alone reaches the goal.
    """
    best = model.whole()
    if score(best) >= GOAL:
        return best, []
    ranked = sorted(model.layers, key=lambda layer: score(model.only(layer)))
    # By bisection: apart from chance, more layers in float are no worse.
    fewest, most = 1, len(ranked)
    best = model.whole(ranked)
    while fewest < most:
        middle = (fewest + most) // 2
        candidate = model.whole(ranked[:middle])
        if score(candidate) >= GOAL:
            most, best = middle, candidate
        else:
            fewest = middle + 1
    kept = ranked[:most]
    for layer in reversed(kept.copy()):
        fewer = [other for other in kept if other != layer]
        candidate = model.whole(fewer)
        if score(candidate) >= GOAL:
            kept, best = fewer, candidate
    return best, [layer for layer in model.layers if layer in kept]
