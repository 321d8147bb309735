"""Loads an exported file for serving, and tries out its batch sizes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tfgan2 import runtime
from tfgan2.errors import UserError
from tfgan2.runtime import Generator, Translator
from tfgan2.serve.invariance import BatchInvariantModel, Inputs, candidate_sizes, invariant_sizes
from tfgan2.serve.limits import Limits
from tfgan2.web import check_shape

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class ServedModel:
    """A model, tried out and ready to run.

    Attributes:
        path: its file.
        network: the network in it.
        run: runs the network, with the same bits for a sample in any batch.
        limits: the limits, none of them open.
    """

    path: Path
    network: Generator | Translator
    run: BatchInvariantModel
    limits: Limits

    @property
    def runs_in_browser(self) -> bool:
        """Whether `tfgan2.web` makes a page of it."""
        try:
            check_shape(tuple(self.network.metadata["outputs"][0]["shape"]))
        except UserError:
            return False
        return self.path.suffix.lower() == ".onnx"


def open_model(path: Path, limits: Limits, *, threads: int | None = None) -> ServedModel:
    """Loads a file and tries out its batch sizes; the arguments are those of `serve.create_app`."""
    network = runtime.load(path, threads=threads, spin=False)
    if isinstance(network, Translator):
        return _open_translator(path, network, limits)
    return _open_generator(path, network, limits)


def _open_generator(path: Path, generator: Generator, limits: Limits) -> ServedModel:
    def model(inputs: Inputs) -> np.ndarray:
        texts = inputs.get("texts")
        return generator(
            inputs["latents"], inputs.get("labels"), None if texts is None else texts.tolist()
        )

    sizes = candidate_sizes(limits.max_batch, generator.batch)
    samples = generator_inputs(*generator.draw(sizes[-1] + sizes[-1] // 2, seed=1))
    # A float in JSON takes up to 25 bytes with its comma, more with blanks.
    largest_body = limits.max_count * (generator.latent_dim * 32 + 4096) + 65536
    return ServedModel(
        path,
        generator,
        BatchInvariantModel(model, invariant_sizes(model, samples, sizes)),
        replace(
            limits,
            # Several requests are taken at once even if only single images are invariant.
            max_batch=limits.max_batch if generator.batch is None else generator.batch,
            max_body=limits.max_body or largest_body,
        ),
    )


def _open_translator(path: Path, translator: Translator, limits: Limits) -> ServedModel:
    def model(inputs: Inputs) -> np.ndarray:
        # Floats only here: as uint8, what waits in the queue is a quarter as large.
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
        sizes = invariant_sizes(model, samples, (batch,))
    limits = replace(limits, max_batch=sizes[-1], max_body=limits.max_body or 16 * MEGABYTE)
    return ServedModel(path, translator, BatchInvariantModel(model, sizes), limits)


def generator_inputs(
    latents: np.ndarray, labels: np.ndarray | None, texts: list[str] | None
) -> dict[str, np.ndarray]:
    """Returns the inputs of a generator as arrays by name."""
    inputs = {"latents": latents}
    if labels is not None:
        inputs["labels"] = labels
    if texts is not None:
        inputs["texts"] = np.asarray(texts, object)
    return inputs
