"""What is asked of an export; needs no model and no TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tfgan2.errors import UserError, unknown

FORMATS = ("saved_model", "tflite", "onnx")
PRECISIONS = ("float32", "float16", "dynamic", "int8", "mixed")
"""Of TFLite; the others are float32."""
OUTPUTS = ("float32", "uint8")


class ExportError(UserError):
    """The generator cannot be exported so, or the file does not do what Keras does."""


@dataclass(frozen=True)
class Options:
    """What is asked of an export.

    Attributes:
        formats: of FORMATS.
        precisions: of PRECISIONS; of the TFLite files.
        batch: a fixed batch size for all; None: 1 for TFLite, which mobile GPUs need, and free
            for the others.
        output: of images: "float32" in [-1, 1], or "uint8" in 0…255, rounded by the graph.
        allow_lossy: keep files, too, whose images are further from those of Keras than a viewer
            would forgive, see `verify.LEAST_PSNR`.
        seed: of the inputs that calibrate and of those that verify.
        images: how many the Fréchet distance takes; None: see `fidelity.default_count`.
    """

    formats: Sequence[str] = FORMATS
    precisions: Sequence[str] = ("float32",)
    batch: int | None = None
    output: str = "float32"
    allow_lossy: bool = False
    seed: int = 0
    images: int | None = None

    def plan(self) -> list[tuple[str, str]]:
        """What an export with these options makes.

        Returns:
            (format, precision) of each artefact, in the order of FORMATS and PRECISIONS.

        Raises:
            UserError: an unknown name, none at all, a precision that no format takes, a number
                that is too small.
        """
        for kind, names, known in (
            ("format", self.formats, FORMATS),
            ("precision", self.precisions, PRECISIONS),
            ("output", [self.output], OUTPUTS),
        ):
            for name in names:
                if name not in known:
                    raise unknown(kind, name, known)
            if not names:
                raise UserError(f"no {kind} given: choose from {', '.join(known)}")
        reduced = [name for name in self.precisions if name != "float32"]
        if reduced and "tflite" not in self.formats:
            raise UserError(
                f"precision {reduced[0]} is for tflite only, {' and '.join(self.formats)} "
                f"{'is' if len(self.formats) == 1 else 'are'} float32: add the format tflite"
            )
        if self.batch is not None and self.batch < 1:
            raise UserError(f"batch must be at least 1, not {self.batch}")
        if self.images is not None and self.images < 2:
            raise UserError(f"a Fréchet distance takes at least 2 images, not {self.images}")
        return [
            (model_format, precision)
            for model_format in FORMATS
            if model_format in self.formats
            for precision in precisions_of(model_format)
            if model_format != "tflite" or precision in self.precisions
        ]

    @property
    def calibrated(self) -> bool:
        """Whether a file is made whose precision depends on the inputs it is calibrated on."""
        return bool({"int8", "mixed"} & set(self.precisions))


def precisions_of(model_format: str) -> tuple[str, ...]:
    """The precisions that a format comes in."""
    return PRECISIONS if model_format == "tflite" else ("float32",)


def file_name(network: str, model_format: str, precision: str) -> str:
    """The name of an artefact in the export folder."""
    if model_format == "saved_model":
        return "saved_model" if network == "generator" else f"{network}.saved_model"
    if model_format == "onnx":
        return f"{network}.onnx"
    return f"{network}.tflite" if precision == "float32" else f"{network}.{precision}.tflite"


def file_names(network: str) -> list[str]:
    """Every name that an export of a network may use, in the order of FORMATS and PRECISIONS."""
    return [
        file_name(network, model_format, precision)
        for model_format in FORMATS
        for precision in precisions_of(model_format)
    ]
