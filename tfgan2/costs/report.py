"""Everything that is known about what a flavour costs, fit for JSON."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import numpy as np
import tensorflow as tf

from tfgan2 import registry, runs
from tfgan2.costs.estimate import peak_flops
from tfgan2.costs.model import count_model, planned_phases
from tfgan2.inputs.words import FIRST
from tfgan2.kernels import compiled_update
from tfgan2.models.base import GenerativeModel
from tfgan2.pretrained.vgg import without_download
from tfgan2.training.building import build_model

CLASSES, VOCABULARY, CAPTION_LENGTH, LATENT_DIM = 10, 1000, 16, 100


def report(
    flavour: str,
    image_shape: tuple[int, int, int] = (32, 32, 3),
    *,
    batch_size: int | None = None,
    hyperparameters: Mapping[str, Any] | None = None,
    precision: str = "float32",
    xla: bool = True,
    steps: int = 10,
    progress: Callable[[str, int, int], None] = lambda *words: None,
) -> dict[str, Any]:
    """Counts and measures what a flavour costs.

    Args:
        flavour: name of the flavour.
        image_shape: (height, width, channels) of inputs and outputs.
        batch_size: of one update; None: the flavour's default.
        hyperparameters: those that differ from their defaults.
        precision: one of the precisions of `tfgan2.options.TrainingOptions`.
        xla: compile timed steps with XLA.
        steps: number of timed steps, 0 for none.
        progress: called with what is being done, how much is done, and of how much.

    Returns:
        The settings, "counted", and "measured" or None. Units are bytes, FLOPs and seconds;
        docs/costs.md explains each figure.

    Raises:
        UserError: an unknown name, invalid hyperparameters, or a step that cannot be counted.
    """
    model = any_model(flavour, image_shape, hyperparameters or {}, precision)
    batch_size = batch_size or model.batch_size
    model.check_batch_size(batch_size)
    batch = random_batch(model, batch_size)
    progress("counting", 0, 1)
    counted, measured = count_model(model, batch), None
    if steps:
        measured = _measure(model, batch, steps, xla, progress)
        speed = counted["step"]["flops"] / measured["seconds_per_step"]
        measured |= {"flops_per_second": speed, "share_of_peak": speed / measured["peak_flops"]}
    return {
        "flavour": flavour,
        "image_shape": list(image_shape),
        "batch_size": batch_size,
        "precision": precision,
        "hyperparameters": {
            name: value for name, value in model.config if model.Config.options[name].settable
        },
        "versions": runs.versions(),
        "counted": counted,
        "measured": measured,
    }


def any_model(
    flavour: str,
    image_shape: tuple[int, int, int],
    hyperparameters: Mapping[str, Any],
    precision: str,
    steps: int | None = None,
) -> GenerativeModel:
    """Builds, compiles and plans a flavour's model without data."""
    facts = registry.load_class(flavour).data_hyperparameters(random_data_facts(image_shape))
    with without_download():
        model = build_model(flavour, {**hyperparameters, **facts}, precision)
    model.plan(steps or model.planned_steps)
    return model


def random_data_facts(image_shape: tuple[int, int, int]) -> dict[str, Any]:
    """Returns what `GenerativeModel.data_hyperparameters` takes, for a dataset of any kind."""
    vocabulary = tuple(f"word{number}" for number in range(VOCABULARY))
    return {
        "image_shape": image_shape,
        "input_shape": image_shape,
        "class_names": [str(number) for number in range(CLASSES)],
        "vocabulary": vocabulary,
        "caption_length": CAPTION_LENGTH,
        "captions": (" ".join(vocabulary[:CAPTION_LENGTH]),),
        "teacher": {
            "latent_dim": LATENT_DIM,
            "latent_distribution": "normal",
            "labels_are_classes": True,
            "truncation_of": "",
        },
    }


def random_batch(model: GenerativeModel, batch_size: int) -> tuple[np.ndarray, ...]:
    """Returns noise with the shape of the samples that one step takes."""
    rng = np.random.default_rng(0)
    count = batch_size * model.batches_per_step

    def images() -> np.ndarray:
        return rng.uniform(-1, 1, (count, *model.image_shape)).astype(np.float32)

    if model.data_kind in ("pairs", "unpaired"):
        return images(), images()
    if model.data_kind == "taught":
        latents = rng.normal(size=(count, LATENT_DIM)).astype(np.float32)
        return images(), latents, rng.integers(0, CLASSES, count, dtype=np.int32)
    if model.data_kind == "captions":
        last = FIRST + VOCABULARY
        return images(), rng.integers(FIRST, last, (count, CAPTION_LENGTH), dtype=np.int32)
    return images(), rng.integers(0, CLASSES, count, dtype=np.int32)


def _measure(
    model: GenerativeModel,
    batch: tuple[np.ndarray, ...],
    steps: int,
    xla: bool,
    progress: Callable[[str, int, int], None],
) -> dict[str, Any]:
    """Trains some steps of every phase, after two that are not timed, and times them."""
    parts = tuple(tf.constant(part) for part in batch)
    shares, seconds = planned_phases(model), {}
    for name in shares:
        model.phase = name
        step = compiled_update(model, xla=xla)
        text = f"timing steps{f' of {name}' if name else ''}"
        times = []
        for index in range(steps + 2):
            progress(text, index, steps + 2)
            started = time.perf_counter()
            for value in step(parts).values():
                value.numpy()  # waits until it is computed
            times.append(time.perf_counter() - started)
        seconds[name] = median(times[2:])
    mean = sum(seconds[name] * share for name, share in shares.items())
    return {
        "seconds": seconds,
        "seconds_per_step": mean,
        "images_per_second": len(batch[0]) / mean,
        "steps": steps,
        "peak_flops": peak_flops(),
        "xla": xla and model.supports_jit,
    }
