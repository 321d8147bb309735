"""A network as TFLite in each precision."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfgan2.errors import UserError
from tfgan2.export import ExportError, saved_model, subpixel, tflite
from tfgan2.export.subject import Subject
from tfgan2.images import to_uint8
from tfgan2.metrics import psnr
from tfgan2.runtime.backends import LiteRT, in_batches

if TYPE_CHECKING:
    from tfgan2.export.quantize import Int8

CALIBRATION_LATENTS = 320
CALIBRATION_IMAGES = 64
"""Of those that take images fewer: they are larger, and each has many values."""

_JUDGED_VALUES = 2**16
"""Of a search for layers: about so many values are compared at each step."""


class LowerPrecision:
    """Makes the TFLite models of a network; what several precisions need is made once.

    Attributes:
        calibration: what the inputs are that int8 is calibrated on.
    """

    def __init__(self, subject: Subject, seed: int, source: str | None) -> None:
        """
        Args:
            subject: the network.
            seed: of the inputs that calibrate.
            source: where its examples come from.
        """
        self._subject = subject
        self._seed = seed
        takes_images = "input" in subject.input_names
        self._count = CALIBRATION_IMAGES if takes_images else CALIBRATION_LATENTS
        drawn = "made-up inputs" if {"input", "text", "words"} & set(subject.input_names) else None
        self.calibration = f"{self._count} of {source or drawn or 'latents'}"
        self._float32: dict[bool, bytes] = {}
        self._int8: Int8 | None = None

    def make(self, path: Path, precision: str, batch: int) -> tuple[bytes, list[str]]:
        """Makes a model.

        Args:
            path: where it is going to stand; beside it is room to work in.
            precision: one of PRECISIONS.
            batch: the fixed batch size.

        Returns:
            The TFLite model, and of "mixed" the layers that compute in float.

        Raises:
            ExportError: TFLite has no operator for something, or the conversion went wrong.
        """
        if precision == "float32":
            return self._float(path, batch, phases=True), []
        from tfgan2.export import mixed, quantize

        if precision == "float16":
            return quantize.float16(self._float(path, batch, phases=True)), []
        # The quantizer knows transposed convolutions, and no depth-to-space.
        model = self._float(path, batch, phases=False)
        if precision == "dynamic":
            return quantize.dynamic(model), []
        if self._int8 is None:
            names = [layer.name for layer in self._subject.generator._flatten_layers()]
            self._int8 = quantize.Int8(model, self._batches(batch), names)
        if precision == "int8":
            return self._int8.whole(), []
        return mixed.search(self._int8, Judge(self._subject, self._seed, batch))

    def _float(self, path: Path, batch: int, *, phases: bool) -> bytes:
        """In float32; `phases`: transposed convolutions as `subpixel` computes them."""
        network = self._subject.generator
        phases = phases and bool(subpixel.fitting(network))
        if phases not in self._float32:
            source = Path(tempfile.mkdtemp(dir=path.parent)) / "source"
            with subpixel.rewritten(network) if phases else contextlib.nullcontext():
                saved_model.write(self._subject, source, batch)
            model = tflite.convert(source)
            # LiteRT crashes on what the quantizer makes of weights that are not finite.
            backend = opened(path.name, model)
            one = in_batches(
                backend, self._subject.draw(1, self._seed), self._subject.output, batch
            )
            if not np.isfinite(one).all():
                raise ExportError(f"{path.name} was not kept: it makes values that are not finite")
            self._float32[phases] = model
        return self._float32[phases]

    def _batches(self, batch: int) -> Iterator[dict[str, np.ndarray]]:
        count = -(-self._count // batch) * batch
        inputs = self._subject.draw(count, self._seed)
        for start in range(0, count, batch):
            yield {name: array[start : start + batch] for name, array in inputs.items()}


def opened(name: str, model: bytes) -> LiteRT:
    """What runs a TFLite model.

    Raises:
        ExportError: it cannot be run.
    """
    try:
        return LiteRT(Path(name), model, 1)
    except UserError as error:
        raise ExportError(f"{name} was not kept, it cannot be run: {error}") from error


class Judge:
    """The signal-to-noise ratio of a TFLite model on some of the inputs that calibrate.

    Not on those that verify: the layers chosen by it must not be fitted to them.
    """

    def __init__(self, subject: Subject, seed: int, batch: int) -> None:
        self._output = subject.output
        self._batch = batch
        values = subject.reference(subject.draw(1, seed))
        self._inputs = subject.draw(int(np.clip(_JUDGED_VALUES // values.size, 2, 32)), seed)
        self._reference = subject.reference(self._inputs)

    def __call__(self, model: bytes) -> float:
        """Decibels."""
        made = in_batches(opened("model.tflite", model), self._inputs, self._output, self._batch)
        if not np.isfinite(made).all():
            return 0.0
        if made.ndim != 4:
            return psnr(made, self._reference, float(np.ptp(self._reference)) or 1.0)
        return psnr(to_uint8(made), to_uint8(self._reference), 255.0)
