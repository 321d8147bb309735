"""Makes each image independent of the other images of its batch, bit for bit.

A model computes each image of a batch by itself, but libraries choose other kernels for other
batch sizes, and these round differently: a latent may give other bits alone than in a batch. What a
server returns for a seed must not depend on other requests. So the batch sizes are tried out, only
those that give the same bits are used, and a batch in between is padded.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tfgan2.runtime.backends import Inputs


def candidate_sizes(largest: int, batch: int | None = None) -> tuple[int, ...]:
    """Returns batch sizes to try, such that no batch is padded by more than a half.

    Args:
        largest: the largest of them.
        batch: the model's fixed batch size, or None.
    """
    if batch is not None:
        return (batch,)
    powers = [1 << exponent for exponent in range(largest.bit_length())]
    sizes = {size for power in powers for size in (power, power * 3 // 2) if size < largest}
    return (*sorted(sizes), largest)


def invariant_sizes(
    model: Callable[[Inputs], np.ndarray], samples: Inputs, sizes: tuple[int, ...]
) -> tuple[int, ...]:
    """Returns the batch sizes that give the same bits for the same sample.

    Each sample is compared at two positions, beside other samples, and across batch sizes. Another
    order of additions changes some bits of nearly every image, so few samples are enough. Each
    third of the samples is left out once, which reveals layers that depend on the largest value of
    a batch, such as those that quantise by it.

    Args:
        model: the model to try.
        samples: different ones, 3/2 as many as the largest size.
        sizes: from `candidate_sizes`.

    Returns:
        The largest group of sizes that agree, among equals the one of larger sizes; (1,) if no size
        is invariant.
    """
    groups: list[tuple[np.ndarray, list[int]]] = []
    for size in reversed(sizes):
        half = size // 2
        positions = np.arange(size + half)
        # The first half moves to the end, then the second half to the beginning.
        orders = [np.r_[size : size + half, :half], positions[half:]] if half else []
        first, *others = (
            model({name: array[order] for name, array in samples.items()})
            for order in (positions[:size], *orders)
        )
        if any(
            not np.array_equal(images[order < size], first[order[order < size]])
            for images, order in zip(others, orders, strict=True)
        ):
            continue
        for images, members in groups:
            if np.array_equal(images[:size], first):
                members.append(size)
                break
        else:
            groups.append((first, [size]))
    if not groups:
        return (1,)
    _, members = max(groups, key=lambda group: len(group[1]))
    return tuple(sorted(members))
