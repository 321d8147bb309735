"""An exported file as a server runs it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tfgan2 import runtime
from tfgan2.errors import UserError
from tfgan2.inputs.latents import draw_latents
from tfgan2.runtime import Generator, Translator
from tfgan2.serve.limits import Limits
from tfgan2.serve.steady import Inputs, Steady, candidates, steady_sizes
from tfgan2.web import check_shape

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Served:
    """A model, tried out and ready to be run.

    Attributes:
        path: its file.
        network: what it is.
        model: runs it; the same bits for a sample in any batch.
        limits: with nothing left open.
    """

    path: Path
    network: Generator | Translator
    model: Steady
    limits: Limits

    @property
    def metadata(self) -> dict[str, Any]:
        return self.network.metadata

    @property
    def runs_in_browser(self) -> bool:
        """Whether `tfgan2.web` makes a page of it."""
        if self.path.suffix.lower() != ".onnx":
            return False
        try:
            check_shape(tuple(self.metadata["outputs"][0]["shape"]))
        except UserError:
            return False
        return True


def open_model(path: Path, limits: Limits, *, threads: int | None = None) -> Served:
    """Loads a file and tries out its batch sizes; the arguments are those of `serve.create_app`."""
    network = runtime.load(path, threads=threads, spin=False)
    if isinstance(network, Translator):
        return _translator(path, network, limits)
    return _generator(path, network, limits)


def _generator(path: Path, generator: Generator, limits: Limits) -> Served:
    def model(inputs: Inputs) -> np.ndarray:
        texts = inputs.get("texts")
        return generator(
            inputs["latents"], inputs.get("labels"), None if texts is None else texts.tolist()
        )

    sizes = candidates(limits.max_batch, generator.batch)
    count = sizes[-1] + sizes[-1] // 2
    samples = generator_inputs(
        draw_latents(
            count, generator.latent_dim, seed=1, distribution=generator.latent_distribution
        ),
        generator.labels(count),
        generator.texts(count),
    )
    steady = Steady(model, steady_sizes(model, samples, sizes))
    # A float in JSON takes up to 25 bytes with its comma, more with blanks.
    needed = limits.max_count * (generator.latent_dim * 32 + 4096) + 65536
    return Served(
        path,
        generator,
        steady,
        replace(
            limits,
            # One image at a time is no reason to hold back the others.
            max_batch=limits.max_batch if generator.batch is None else generator.batch,
            max_body=limits.max_body or needed,
        ),
    )


def _translator(path: Path, translator: Translator, limits: Limits) -> Served:
    def model(inputs: Inputs) -> np.ndarray:
        # To floats only here: what waits in the queue is a quarter as large.
        images = inputs["images"].astype(np.float32) / 127.5 - 1.0
        masks = inputs.get("masks")
        return translator(images, None if masks is None else masks.astype(np.float32))

    sizes: tuple[int, ...] = (1,)
    batch = translator.batch or 1
    if translator.size is not None and batch > 1:
        shape = (batch + batch // 2, *translator.size)
        rng = np.random.default_rng(1)
        samples = {"images": rng.integers(0, 256, (*shape, translator.channels), np.uint8)}
        if translator.takes_mask:
            samples["masks"] = rng.random((*shape, 1)) < 0.5
        sizes = steady_sizes(model, samples, (batch,))
    return Served(
        path,
        translator,
        Steady(model, sizes),
        replace(limits, max_batch=sizes[-1], max_body=limits.max_body or 16 * MEGABYTE),
    )


def generator_inputs(
    latents: np.ndarray, labels: np.ndarray | None, texts: list[str] | None
) -> dict[str, np.ndarray]:
    """What the model of a generator is given, as arrays by name."""
    inputs = {"latents": latents}
    if labels is not None:
        inputs["labels"] = labels
    if texts is not None:
        inputs["texts"] = np.asarray(texts, object)
    return inputs
