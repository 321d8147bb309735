"""Makes each image independent of the other images of its batch, bit for bit.

A model computes each image of a batch by itself, but libraries choose other kernels for other
batch sizes, and these round differently: a latent may give other bits alone than in a batch. What a
server returns for a seed must not depend on other requests. So the batch sizes are tried out, only
those that give the same bits are used, and a batch in between is padded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

Inputs = Mapping[str, np.ndarray]
"""Arrays of equal length by name."""
Model = Callable[[Inputs], np.ndarray]
"""Makes one image per sample."""


class BatchInvariantModel:
    """A model that gives the same bits for a sample in any batch.

    Attributes:
        sizes: the batch sizes that the model is run with, ascending.
    """

    def __init__(self, model: Model, sizes: tuple[int, ...]) -> None:
        """
        Args:
            model: makes one image per sample.
            sizes: from `invariant_sizes`.
        """
        self.sizes = sizes
        self._model = model

    def __call__(self, inputs: Inputs) -> np.ndarray:
        """Returns the images of any number of samples, at least 1."""
        count = len(next(iter(inputs.values())))
        outputs = []
        for start in range(0, count, self.sizes[-1]):
            part = {name: array[start : start + self.sizes[-1]] for name, array in inputs.items()}
            needed = min(self.sizes[-1], count - start)
            size = next(size for size in self.sizes if size >= needed)
            if needed < size:
                part = {name: np.resize(a, (size, *a.shape[1:])) for name, a in part.items()}
            outputs.append(self._model(part)[:needed])
        return np.concatenate(outputs) if len(outputs) > 1 else outputs[0]


def candidate_sizes(largest: int, batch: int | None = None) -> tuple[int, ...]:
    """Returns batch sizes to try, such that no batch is padded by more than a half.

    Args:
        largest: the largest of them.
        batch: the model's fixed batch size, or None.
    """
    if batch is not None:
        return (batch,)
    sizes = {largest}
    power = 1
    while power < largest:
        sizes |= {power, min(largest, power * 3 // 2)}
        power *= 2
    return tuple(sorted(sizes))


def invariant_sizes(model: Model, samples: Inputs, sizes: tuple[int, ...]) -> tuple[int, ...]:
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
