"""What a step of a model computes, moves, keeps and shares, counted in the graph that trains it."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgan2.costs.graph import Work, count
from tfgan2.models.base import GenerativeModel


@dataclass(frozen=True)
class Phase:
    """What one step of a phase does; most flavours have one phase.

    Attributes:
        name: of the phase, "" where there is one.
        share: of the steps that are planned.
        work: of a step.
        gradient_bytes: of all gradients that a step applies: what several GPUs must add up.
        updates: how many times a step applies gradients: each brings the GPUs together.
    """

    name: str
    share: float
    work: Work
    gradient_bytes: float
    updates: float


@dataclass(frozen=True)
class Network:
    """One that can be exported, and makes one image.

    Attributes:
        parameters: its weights and statistics.
        bytes: of these, in float32.
        work: of one call with a batch of one, not training.
    """

    parameters: int
    bytes: int
    work: Work


@dataclass(frozen=True)
class ModelCost:
    """What a model costs.

    Attributes:
        batch_size: of an update.
        images_per_step: real samples that a step takes: batch_size for each update of a
            discriminator.
        parameters: of each network.
        weight_bytes: of all weights, averages of them included.
        optimizer_bytes: of what the optimizers keep.
        checkpoint_bytes: of both together, which is what a checkpoint holds.
        input_bytes: of one sample, as the model is given it.
        phases: what a step does.
        exports: the networks that can be exported, by name.
    """

    batch_size: int
    images_per_step: int
    parameters: dict[str, int]
    weight_bytes: int
    optimizer_bytes: int
    checkpoint_bytes: int
    input_bytes: int
    phases: tuple[Phase, ...]
    exports: dict[str, Network]

    @property
    def mean(self) -> Phase:
        """A step on average over all phases."""
        return Phase(
            name="",
            share=1.0,
            work=sum((phase.work * phase.share for phase in self.phases), Work()),
            gradient_bytes=sum(phase.gradient_bytes * phase.share for phase in self.phases),
            updates=sum(phase.updates * phase.share for phase in self.phases),
        )


def count_model(model: GenerativeModel, batch: tuple[np.ndarray, ...]) -> ModelCost:
    """Counts what a model costs; trains nothing.

    Args:
        model: compiled, and planned for the steps that its phases are to share.
        batch: what one step takes, its parts with `batches_per_step` batches each.

    Raises:
        UserError: the step cannot be counted, for example since it holds a loop.
    """
    specs = tuple(tf.TensorSpec(part.shape, part.dtype) for part in batch)
    images = len(batch[0])
    state = _bytes(model.state().values())
    optimizers = [item.variables for item in model.optimizers_by_name().values()]
    kept = _bytes(variable for each in optimizers for variable in each)
    return ModelCost(
        batch_size=images // model.batches_per_step,
        images_per_step=images,
        parameters={name: network.count_params() for name, network in model.networks().items()},
        weight_bytes=state - kept,
        optimizer_bytes=kept,
        checkpoint_bytes=state,
        input_bytes=sum(part.nbytes for part in batch) // images,
        phases=tuple(_phase(model, specs, *item) for item in planned_phases(model).items()),
        exports={
            name: _exported(item.network, model.image_shape)
            for name, item in model.exports().items()
        },
    )


def planned_phases(model: GenerativeModel) -> dict[str, float]:
    """The phases of a model in their order, and the share of the planned steps that each takes."""
    steps = Counter(model.phase_at(step) for step in range(model.planned_steps))
    return {name: number / model.planned_steps for name, number in steps.items()}


def _phase(model: GenerativeModel, specs: tuple[Any, ...], name: str, share: float) -> Phase:
    model.phase = name
    step = tf.function(model.train_step, autograph=False)
    with _applied(model) as gradients:
        work = count(step.get_concrete_function(specs))
    return Phase(name, share, work, float(sum(map(_bytes, gradients))), len(gradients))


@contextlib.contextmanager
def _applied(model: GenerativeModel) -> Iterator[list[list[keras.Variable]]]:
    """Lists the variables of every call of an optimizer's `apply` in the block."""
    calls: list[list[keras.Variable]] = []

    def noting(apply: Any) -> Any:
        def noted(gradients: Any, variables: Any = None) -> None:
            moved = list(variables or ())
            calls.append([v for g, v in zip(gradients, moved, strict=True) if g is not None])
            apply(gradients, variables)

        return noted

    with contextlib.ExitStack() as stack:
        for optimizer in model.optimizers_by_name().values():
            optimizer.apply = noting(optimizer.apply)
            stack.callback(vars(optimizer).pop, "apply")
        yield calls


def _exported(network: keras.Model, image_shape: tuple[int, int, int]) -> Network:
    """What a network does for one image."""
    specs = [
        tf.TensorSpec((1, *_sizes(item.shape[1:], image_shape)), item.dtype)
        for item in network.inputs
    ]
    call = tf.function(lambda *inputs: network(_fed(inputs), training=False), autograph=False)
    parameters = network.count_params()
    return Network(parameters, 4 * parameters, count(call.get_concrete_function(*specs)))


def _sizes(shape: tuple[int | None, ...], image_shape: tuple[int, int, int]) -> tuple[int, ...]:
    """Of an input; where an edge of images is free, as in training."""
    if len(shape) != 3:
        return tuple(size or 1 for size in shape)
    return tuple(own or trained for own, trained in zip(shape, image_shape, strict=True))


def _fed(inputs: tuple[tf.Tensor, ...]) -> Any:
    return list(inputs) if len(inputs) > 1 else inputs[0]


def _bytes(variables: Iterable[keras.Variable]) -> int:
    return sum(
        int(np.prod(variable.shape)) * tf.as_dtype(variable.dtype).size for variable in variables
    )
