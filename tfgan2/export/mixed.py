"""int8 but for the layers that cause the error."""

from __future__ import annotations

from collections.abc import Callable

from tfgan2.export.quantize import Int8

GOAL = 35.0
"""Decibels. Layers stay in float until the images are as close as that to those of Keras."""


def search(model: Int8, judge: Callable[[bytes], float]) -> tuple[bytes, list[str]]:
    """Finds the layers to be kept in float.

    Each layer is made int8 by itself first, which tells how much error it causes. Then layers are
    kept in float, the worst first, until the goal is reached, and of these each is let go, the
    mildest first, that the goal can do without.

    Args:
        model: with its ranges known.
        judge: the signal-to-noise ratio of a model's images to those of Keras, in decibels.

    Returns:
        The model, and the layers that it computes in float, in the order of the graph; none where
        int8 alone reaches the goal.
    """
    made = model.whole()
    if judge(made) >= GOAL:
        return made, []
    ranked = sorted(model.layers, key=lambda layer: judge(model.only(layer)))
    # The fewest that reach the goal, by bisection: more layers in float are no worse, but for
    # what chance does.
    fewest, most = 1, len(ranked)
    made = model.whole(ranked)
    while fewest < most:
        middle = (fewest + most) // 2
        tried = model.whole(ranked[:middle])
        if judge(tried) >= GOAL:
            most, made = middle, tried
        else:
            fewest = middle + 1
    kept = ranked[:most]
    for layer in reversed(kept.copy()):
        fewer = [other for other in kept if other != layer]
        tried = model.whole(fewer)
        if judge(tried) >= GOAL:
            kept, made = fewer, tried
    return made, [layer for layer in model.layers if layer in kept]
