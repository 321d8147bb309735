"""Memory of a training step: estimated, measured, and what to do if it does not suffice."""

from __future__ import annotations

import contextlib
import math
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from tfgan2.costs.graph import peak_bytes
from tfgan2.errors import UserError
from tfgan2.keras_model.batches import step_specs
from tfgan2.pretrained.vgg import without_download
from tfgan2.training import checkpoints
from tfgan2.training.building import build_model

if TYPE_CHECKING:
    from tfgan2.models.base import GenerativeModel
    from tfgan2.runs import RunConfig

_USABLE = 0.9
"""Fraction of a device's memory that a step can use; the rest is lost between its tensors."""
_LEAST = 0.6
"""Least of what a step took over its estimate; XLA keeps fewer tensors than the graph has."""
_SUSPECT = 0.1
"""Fraction of the memory from which on the outputs of all layers are worth an estimate."""


@dataclass(frozen=True)
class Estimate:
    """Bytes that a step takes on each device, in the phase that takes most.

    Attributes:
        variables: weights, averages and what optimizers keep.
        batch: its real images.
        tensors: what it computes from one micro-batch, at the moment when most is in memory.
    """

    variables: int
    batch: int
    tensors: int

    @property
    def total(self) -> int:
        return self.variables + self.batch + self.tensors


class Estimator:
    """Estimates a run's steps from their graphs, at any batch size; trains nothing."""

    def __init__(self, config: RunConfig) -> None:
        """Builds the model once more, in the memory of the CPU."""
        training = config.training
        with tf.device("CPU"), without_download():
            self.model = build_model(config.flavour, config.hyperparameters, training.precision)
        self.model.plan(training.steps)
        self._tensors: dict[int, int] = {}

    def estimate(self, size: int, accumulate: int) -> Estimate:
        """Returns the estimate for so many images of an update on each device."""
        model, micro_batch = self.model, size // accumulate
        weights = max(_bytes(model.trained_variables(name)) for name in model.optimizers)
        # The mean of the gradients before and after, and those of the present micro-batch.
        means = 3 * weights if accumulate > 1 else 0
        images = sum(math.prod(spec.shape) for spec in step_specs(model, size))
        tensors = self._tensors.get(micro_batch) or self._trace(micro_batch)
        return Estimate(_bytes(model.state().values()), 4 * images, tensors + means)

    def _trace(self, size: int) -> int:
        model = self.model
        parts = step_specs(model, size)
        most = 0
        for phase in {model.phase_at(step): None for step in range(model.planned_steps)}:
            model.phase = phase
            step = tf.function(model.train_step, autograph=False)
            most = max(most, peak_bytes(step.get_concrete_function(parts)))
        self._tensors[size] = most
        return most


def _bytes(variables: Any) -> int:
    return sum(math.prod(each.shape) * tf.as_dtype(each.dtype).size for each in variables)


# --- measuring -----------------------------------------------------------------------------------


def measure(step: Callable[[], Any]) -> int | None:
    """Runs a step twice, the first time to compile it.

    Returns:
        The most bytes that the second time took at once on the first device, besides what was there
        before; None if TensorFlow does not count them, as on a CPU without oneDNN.
    """
    device, counts = _device(), tf.config.experimental
    _run(step)
    try:
        counts.reset_memory_stats(device)
        before = counts.get_memory_info(device)["current"]
        _run(step)
        return int(counts.get_memory_info(device)["peak"] - before)
    except ValueError:
        return None


def _run(step: Callable[[], Any]) -> None:
    for value in step().values():
        value.numpy()  # waits until it is computed


def _device() -> str:
    return "GPU:0" if tf.config.list_logical_devices("GPU") else "CPU:0"


def available() -> tuple[int, str]:
    """Returns the memory of the device that trains, in bytes, and what to call the device.

    `sys.maxsize` if it is not known.
    """
    if _device() == "GPU:0":
        from tensorflow.python.client import device_lib

        devices = [each for each in device_lib.list_local_devices() if each.device_type == "GPU"]
        return min(each.memory_limit for each in devices), "the GPU"
    limits = []
    with contextlib.suppress(ImportError, AttributeError, ValueError):  # Windows has neither
        import resource

        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
        limits += [limit for limit in resource.getrlimit(resource.RLIMIT_AS) if limit > 0]
    with contextlib.suppress(OSError, ValueError):  # of a container
        limits.append(int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return min(limits, default=sys.maxsize), "this machine"


# --- errors --------------------------------------------------------------------------------------


def check(
    config: RunConfig, model: GenerativeModel, replicas: int, *, resumes: bool = False
) -> None:
    """Raises a UserError if a step can certainly not fit the memory of this machine.

    A process that takes more of it than there is would be killed. A GPU says so by itself. A run
    that `resumes` keeps its batch size.
    """
    if _device() != "CPU:0":
        return
    training, (limit, _) = config.training, available()
    share = (training.batch_size or 1) // replicas
    outputs = sum(
        math.prod(size or 1 for size in tensor.shape[1:])
        for network in [*model.networks().values(), *model.frozen_networks()]
        for layer in network._flatten_layers()
        for tensor in keras.tree.flatten(getattr(layer, "output", ()))
    )
    # The estimate takes seconds: only for a step whose forward passes are large already.
    least = 2 * outputs * share // training.accumulate
    if least > _SUSPECT * limit:
        estimate = Estimator(config).estimate(share, training.accumulate)
        if _LEAST * estimate.total * replicas > limit:
            raise _too_large(config, replicas, None, resumes)


def is_exhausted(error: BaseException | None) -> bool:
    """Returns whether an error says that memory does not suffice."""
    if isinstance(error, tf.errors.ResourceExhaustedError | MemoryError):
        return True
    # XLA's and CUDA's errors come in others.
    words = ("RESOURCE_EXHAUSTED", "out of memory", "OUT_OF_MEMORY", "failed to allocate")
    text = str(error).lower()
    return isinstance(error, tf.errors.OpError) and any(word.lower() in text for word in words)


@contextlib.contextmanager
def telling_what_fits(
    config: RunConfig, replicas: int, run_dir: Path | None, *, resumes: bool = False
) -> Iterator[None]:
    """Turns an error about memory into a UserError that says what would fit.

    `run_dir` is None before the training. A run that `resumes` keeps its batch size.
    """
    try:
        yield
    except (tf.errors.OpError, MemoryError) as error:
        if not is_exhausted(error):
            raise
        raise _too_large(config, replicas, run_dir, resumes) from error


def _too_large(config: RunConfig, replicas: int, run_dir: Path | None, resumes: bool) -> UserError:
    training, (limit, device) = config.training, available()
    size, accumulate = training.batch_size or 1, training.accumulate
    parts = f" in {accumulate} micro-batches" if accumulate > 1 else ""
    needed, advice = "", "give a smaller --batch-size, or a larger --accumulate"
    if resumes:
        advice = "give a larger --accumulate"
    with contextlib.suppress(tf.errors.OpError, MemoryError):  # for the graphs, too
        estimator = Estimator(config)
        needed = f" needs about {amount(estimator.estimate(size // replicas, accumulate).total)}"
        needed += " (an estimate)"
        advice = _advice(estimator, size, accumulate, replicas, limit, resumes)
    kept = checkpoints.paths(run_dir)[0].name if run_dir and checkpoints.paths(run_dir) else ""
    saved = f"; {kept} is kept" if kept else ""
    has = f", {device} has {amount(limit)}" if limit < sys.maxsize else ""
    return UserError(
        f"not enough memory: a step of {size:,} images{parts}{needed or ' does not fit'}{has}"
        f"{saved}",
        f": {advice}",
    )


def _advice(
    estimator: Estimator, size: int, accumulate: int, replicas: int, limit: int, resumes: bool
) -> str:
    model, share = estimator.model, size // replicas
    unit = model.batch_multiple // model.batches_per_step

    def fits(size: int, accumulate: int) -> bool:
        return estimator.estimate(size, accumulate).total <= _USABLE * limit

    # If all fits by the estimate, that is too low: less than now is needed nevertheless.
    counts = [n for n in range(accumulate + 1, share + 1) if share % (n * unit) == 0]
    count = next((n for n in counts if fits(share, n)), None)
    powers = [2**k for k in range(int(math.log2(max(1, size - 1))), -1, -1)]
    sizes = [n for n in powers if n < size and n % (replicas * accumulate * unit) == 0]
    fitting = next((n for n in sizes if fits(n // replicas, accumulate)), None)
    advice = []
    if fitting is not None and not resumes:
        advice.append(f"--batch-size {fitting}, by the estimate the largest power of two that fits")
    if count is not None:
        advice.append(f"--accumulate {count}, which keeps the batch")
    if not advice:
        smaller = "choose a smaller model or smaller images"
        return "resume it where there is more memory" if resumes else smaller
    return f"give {', or '.join(advice)}"


def amount(number: int) -> str:
    """Formats bytes."""
    unit, size = next(((u, s) for u, s in (("GB", 1e9), ("MB", 1e6)) if number >= s), ("kB", 1e3))
    return f"{number / size:.{int(unit == 'GB')}f} {unit}"
