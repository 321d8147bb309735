"""Opens exported files, without TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfgan2 import runtime
from tfgan2.runtime import Generator, Translator


def load(path: str | Path, *, threads: int | None = None) -> ExportedGenerator | Translator:
    """Opens an exported file, without TensorFlow.

    Args:
        path: a .onnx or .tflite file that `run.export` wrote.
        threads: number of threads; default: all cores this process may use.

    Returns:
        A generator of images from latents, or a `Translator` of images.

    Raises:
        UserError: there is no such file, or it is damaged.
    """
    names = {item["name"] for item in runtime.read_metadata(path)["inputs"]}
    if "z" in names or "words" in names:
        return ExportedGenerator(runtime.load(path, threads=threads))
    return runtime.load_translator(path, threads=threads)


class ExportedGenerator:
    """An exported file that generates images.

    Attributes:
        runtime: runs the file, see `tfgan2.runtime`.
    """

    def __init__(self, runtime: Generator) -> None:
        self.runtime = runtime

    def generate(
        self,
        count: int = 16,
        *,
        seed: int = 0,
        label: str | Sequence[str] | None = None,
        text: str | Sequence[str] | None = None,
        latents: np.ndarray | None = None,
    ) -> np.ndarray:
        """Generates images.

        Args:
            count: number of images.
            seed: seed of the latents; `run.sample` draws the same.
            label: classes by name or number, taken in turn; default: all.
            text: sentences, taken in turn, for a generator that takes them.
            latents: shape (N, latent_dim), in place of `count` and `seed`.

        Returns:
            float32, in [-1, 1] unless the file holds points, shape (N, height, width, channels).
        """
        if latents is None:
            return self.runtime.generate(count, seed=seed, label=label, text=text)[0]
        labels = self.runtime.labels(len(latents), label)
        return self.runtime(latents, labels, self.runtime.texts(len(latents), text))
