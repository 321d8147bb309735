"""Batches in which no image depends on the others.

A model computes each image of a batch by itself, but libraries choose other kernels for other
batch sizes, and these round differently: the same latent may give other bits alone than in a batch.
What a server makes for a seed must not depend on who else is asking. So it is tried out which batch
sizes give the same bits, and only those are used; a batch in between is filled up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

Inputs = Mapping[str, np.ndarray]
Model = Callable[[Inputs], np.ndarray]


class Steady:
    """A model that gives the same bits for a sample in any batch.

    Attributes:
        sizes: the batch sizes that the model is run with, ascending.
    """

    def __init__(self, model: Model, sizes: tuple[int, ...]) -> None:
        """
        Args:
            model: arrays of equal length in, as many images out.
            sizes: of `steady_sizes`.
        """
        self.sizes = sizes
        self._model = model

    def __call__(self, inputs: Inputs) -> np.ndarray:
        """As the model: any number of samples, at least 1."""
        count = len(next(iter(inputs.values())))
        made = []
        for start in range(0, count, self.sizes[-1]):
            part = {name: array[start : start + self.sizes[-1]] for name, array in inputs.items()}
            wanted = min(self.sizes[-1], count - start)
            size = next(size for size in self.sizes if size >= wanted)
            if wanted < size:
                part = {name: np.resize(a, (size, *a.shape[1:])) for name, a in part.items()}
            made.append(self._model(part)[:wanted])
        return np.concatenate(made) if len(made) > 1 else made[0]


def candidates(largest: int, batch: int | None = None) -> tuple[int, ...]:
    """Batch sizes worth trying: no batch is filled up by more than a half.

    Args:
        largest: of them.
        batch: the model's own, None where that is free.
    """
    if batch is not None:
        return (batch,)
    sizes = {largest}
    power = 1
    while power < largest:
        sizes |= {power, min(largest, power * 3 // 2)}
        power *= 2
    return tuple(sorted(sizes))


def steady_sizes(model: Model, samples: Inputs, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Those batch sizes that give the same bits for the same sample.

    A sample is compared in two places, beside other samples, and across batch sizes. Another order
    of additions changes some bits of nearly every image, so that few samples show it. Of three
    parts of the samples each is left out once: what depends on the largest value of a batch, as
    layers do that quantise by it, shows.

    Args:
        model: to be tried.
        samples: different ones, 3/2 as many as the largest size.
        sizes: `candidates`.

    Returns:
        The most that agree, of equally many the larger ones; (1,) where only single images are
        steady.
    """
    groups: list[tuple[np.ndarray, list[int]]] = []
    for size in reversed(sizes):
        half = size // 2
        places = np.arange(size + half)
        # The first half moves to the end, then the second half to the beginning.
        orders = [np.r_[size : size + half, :half], places[half:]] if half else []
        first, *others = (
            model({name: array[order] for name, array in samples.items()})
            for order in (places[:size], *orders)
        )
        if any(
            not np.array_equal(made[order < size], first[order[order < size]])
            for made, order in zip(others, orders, strict=True)
        ):
            continue
        for made, members in groups:
            if np.array_equal(made[:size], first):
                members.append(size)
                break
        else:
            groups.append((first, [size]))
    if not groups:
        return (1,)
    _, members = max(groups, key=lambda group: len(group[1]))
    return tuple(sorted(members))
