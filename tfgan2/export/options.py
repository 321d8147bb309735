"""The options of an export and what they ask for. Needs no model and no TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfgan2.errors import UserError, unknown
from tfgan2.export.formats import FORMATS, PRECISIONS
from tfgan2.export.layouts import LAYOUTS
from tfgan2.web import ort

OUTPUTS = ("float32", "uint8")
PAGE = "web"
"""A format besides FORMATS: a web page that runs the ONNX file, see `tfgan2.web`."""


@dataclass(frozen=True)
class Options:
    """The options of an export.

    Attributes:
        formats: names from FORMATS, or "web".
        precisions: names from PRECISIONS, for the TFLite files.
        batch: fixed batch size of all files; None: 1 for TFLite, free for the others.
        output: dtype of images: "float32" in [-1, 1], or "uint8" in 0…255, rounded by the graph.
        allow_lossy: keep files whose images visibly differ from those of Keras, see
            `verify.LEAST_PSNR`.
        seed: seed of the inputs that calibrate and verify.
        images: number of images for the Fréchet distance; None: see `verify.default_count`.
        dynamic_size: take images of any size; for networks that take images.
        bundle: also write `bundle/` and `bundle.zip`, see `tfgan2.export.bundle`.
        layouts: names from LAYOUTS: also write model repositories for other servers.
        ort_web: folder of the npm package onnxruntime-web for the web page; None: a CDN.
    """

    formats: Sequence[str] = tuple(FORMATS)
    precisions: Sequence[str] = PRECISIONS[:1]
    batch: int | None = None
    output: str = "float32"
    allow_lossy: bool = False
    seed: int = 0
    images: int | None = None
    dynamic_size: bool = False
    bundle: bool = False
    layouts: Sequence[str] = ()
    ort_web: Path | None = None

    @property
    def calibrated(self) -> bool:
        """True if a file needs the ranges of activations."""
        return bool({"int8", "mixed"} & set(self.precisions))

    def plan(self) -> list[tuple[str, str]]:
        """Checks the options.

        Returns:
            (format, precision) of each file, in the order of FORMATS and PRECISIONS.

        Raises:
            UserError: an unknown name, nothing to write, options that contradict each other, or a
                number that is too small.
        """
        for kind, names, known in (
            ("format", self.formats, (*FORMATS, PAGE)),
            ("precision", self.precisions, PRECISIONS),
            ("output", [self.output], OUTPUTS),
            ("layout", self.layouts, LAYOUTS),
        ):
            _check_names(kind, names, known)
            if not names and kind != "layout":
                raise UserError(f"no {kind} given: choose from {', '.join(known)}")
        if PAGE not in self.formats and self.ort_web is not None:
            raise UserError("--ort-web needs the web page: add --format web")
        if self.ort_web is not None:
            ort.find(self.ort_web)
        # The page runs the ONNX file.
        needed = {"onnx" if name == PAGE else name for name in self.formats}
        formats = [name for name in FORMATS if name in needed]
        reduced = [name for name in self.precisions if name != "float32"]
        if reduced and "tflite" not in formats:
            raise UserError(
                f"precision {reduced[0]} is for tflite only, {' and '.join(formats)} "
                f"{'is' if len(formats) == 1 else 'are'} float32: add --format tflite"
            )
        for layout in self.layouts:
            if LAYOUTS[layout].format not in formats:
                raise UserError(
                    f"layout {layout} needs {LAYOUTS[layout].format}: "
                    f"add --format {LAYOUTS[layout].format}"
                )
        if self.batch is not None and self.batch < 1:
            raise UserError(f"batch must be at least 1, not {self.batch}")
        if self.images is not None and self.images < 2:
            raise UserError(f"a Fréchet distance needs at least 2 images, not {self.images}")
        return [
            (name, precision)
            for name in formats
            for precision in FORMATS[name].precisions
            if name != "tflite" or precision in self.precisions
        ]


def _check_names(kind: str, names: Iterable[str], known: Iterable[str]) -> None:
    for name in names:
        if name not in known:
            raise unknown(kind, name, known)
