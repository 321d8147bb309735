"""Counts what a step of a model computes, moves and stores, in the graph that trains it."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgan2.costs.graph import Work, count
from tfgan2.models.base import GenerativeModel


def count_model(model: GenerativeModel, batch: tuple[np.ndarray, ...]) -> dict[str, Any]:
    """Counts what a compiled and planned model costs with batches of one step; trains nothing.

    Returns:
        Fit for JSON: the sizes of the model, the figures of a "step" on average over the phases, of
        each of the "phases", and of each of the "exports" for one image (docs/costs.md).

    Raises:
        UserError: the step cannot be counted, for example because it holds a loop.
    """
    specs = tuple(tf.TensorSpec(part.shape, part.dtype) for part in batch)
    images = len(batch[0])
    state = _bytes(model.state().values())
    optimizers = model.optimizers.values()
    optimizer_state = _bytes(variable for each in optimizers for variable in each.variables)
    total, phases = Work(), []
    for name, share, work in count_phases(model, specs):
        total.add(work, share)
        phases.append({"name": name, "share": share, **_step(work, images)})
    networks = {name: spec.network for name, spec in model.exports().items()}
    return {
        "images_per_step": images,
        "parameters": {name: each.count_params() for name, each in model.networks().items()},
        "weight_bytes": state - optimizer_state,
        "optimizer_bytes": optimizer_state,
        "checkpoint_bytes": state,
        "input_bytes_per_image": sum(part.nbytes for part in batch) // images,
        "step": _step(total, images),
        "phases": phases,
        "exports": {
            name: {
                "parameters": network.count_params(),
                "bytes": 4 * network.count_params(),
                **_figures(count_image(network, model.image_shape), 1),
            }
            for name, network in networks.items()
        },
    }


def _step(work: Work, images: int) -> dict[str, Any]:
    gradients = {"gradient_bytes": round(work.gradient_bytes), "updates": work.updates}
    return {**_figures(work, images), **gradients}


def _figures(work: Work, images: int) -> dict[str, Any]:
    by_op: Counter[str] = Counter()
    by_dtype: Counter[str] = Counter()
    for (op, dtype), flops in work.flops_by.items():
        by_op[op] += flops
        by_dtype[dtype] += flops
    return {
        "flops": round(work.flops),
        "flops_per_image": round(work.flops / images),
        "flops_by_op": {name: round(flops) for name, flops in sorted(by_op.items())},
        "flops_by_dtype": {name: round(flops) for name, flops in sorted(by_dtype.items())},
        "matrix_ops": round(work.matrix_ops),
        "moved_bytes": round(work.moved_bytes),
        "written_bytes": round(work.written_bytes),
        "written_bytes_per_image": round(work.written_bytes / images),
        "unsized_ops": round(work.unsized_ops),
    }


def planned_phases(model: GenerativeModel) -> dict[str, float]:
    """Returns the share of the planned steps of each phase, in order."""
    steps = Counter(model.phase_at(step) for step in range(model.planned_steps))
    return {name: number / model.planned_steps for name, number in steps.items()}


def count_phases(
    model: GenerativeModel, specs: tuple[tf.TensorSpec, ...]
) -> Iterator[tuple[str, float, Work]]:
    """Yields the name of each phase, its share of the planned steps, and what its step does."""
    for name, share in planned_phases(model).items():
        model.phase = name
        step = tf.function(model.train_step, autograph=False)
        with _recorded_updates(model) as updates:
            work = count(step.get_concrete_function(specs))
        work.gradient_bytes, work.updates = sum(map(_bytes, updates)), len(updates)
        yield name, share, work


@contextlib.contextmanager
def _recorded_updates(model: GenerativeModel) -> Iterator[list[list[keras.Variable]]]:
    """Records the variables of every call of an optimizer's `apply` in the block."""
    calls: list[list[keras.Variable]] = []

    def recorded(apply: Any, gradients: Any, variables: Any = None) -> None:
        pairs = zip(gradients, variables or (), strict=True)
        calls.append([variable for gradient, variable in pairs if gradient is not None])
        apply(gradients, variables)

    with contextlib.ExitStack() as stack:
        for optimizer in model.optimizers.values():
            optimizer.apply = partial(recorded, optimizer.apply)
            stack.callback(vars(optimizer).pop, "apply")
        yield calls


def count_image(network: keras.Model, image_shape: tuple[int, int, int]) -> Work:
    """Counts what a network does for one image; inputs of any size have that of `image_shape`."""

    def size(shape: tuple[int | None, ...]) -> tuple[int, ...]:
        default = image_shape if len(shape) == 3 else (1,) * len(shape)
        return tuple(own or other for own, other in zip(shape, default, strict=True))

    specs = [tf.TensorSpec((1, *size(item.shape[1:])), item.dtype) for item in network.inputs]

    def call(*inputs: tf.Tensor) -> Any:
        return network(list(inputs) if len(inputs) > 1 else inputs[0], training=False)

    return count(tf.function(call, autograph=False).get_concrete_function(*specs))


def _bytes(variables: Iterable[keras.Variable]) -> int:
    return sum(math.prod(item.shape) * tf.as_dtype(item.dtype).size for item in variables)
