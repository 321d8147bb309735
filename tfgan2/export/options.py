"""The options of an export and the names of its files. Needs no model and no TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from tfgan2.errors import UserError, unknown
from tfgan2.options import Options as DeclaredOptions
from tfgan2.options import option
from tfgan2.web import ort

FORMATS = ("saved_model", "tflite", "onnx")
PAGE = "web"
"""A format besides FORMATS: a web page that runs the ONNX file, see `tfgan2.web`."""
COREML = "coreml"
"""Another one: a Core ML package, see `tfgan2.export.coreml`."""
BUNDLE = "bundle"
"""Name of the bundle's folder and zip, see `tfgan2.export.bundle`."""
PRECISIONS = ("float32", "float16", "dynamic", "int8", "mixed")
"""The precisions of TFLite. The other formats are float32, and ONNX is float16 as well if asked."""
OUTPUTS = ("float32", "uint8")
LAYOUTS = {"tf-serving": "saved_model", "triton": "onnx"}
"""Model repositories for other servers, and the format that each of them holds."""

_FILES = [
    ("saved_model", "float32"),
    *(("tflite", precision) for precision in PRECISIONS),
    ("onnx", "float32"),
    ("onnx", "float16"),
]

_option = partial(option, panel="Options")


@dataclass(frozen=True)
class Options(DeclaredOptions):
    """The options of an export; a UserError if one is impossible or they contradict each other."""

    formats: list[str] = _option(  # noqa: RUF009
        FORMATS,
        f"{', '.join(FORMATS)}; {PAGE}: a page that runs the ONNX file; {COREML}: a package for "
        "apps on iOS. Repeatable.",
        flag="--format",
        shown=", ".join(FORMATS),
    )
    precisions: list[str] = _option(  # noqa: RUF009
        PRECISIONS[:1],
        f"Precision of TFLite: {', '.join(PRECISIONS)}; of ONNX: float16 beside float32. "
        "Repeatable.",
        flag="--precision",
        shown="float32",
    )
    batch: int | None = _option(
        None, "Fixed batch size.", at_least=1, shown="1 for TFLite, otherwise free"
    )
    output: str = _option(
        "float32", "Dtype of images: float32 in [-1, 1], or uint8 in 0…255, rounded by the graph."
    )
    allow_lossy: bool = _option(False, "Keep files whose images visibly differ from Keras.")
    seed: int = 0
    """Seed of the inputs that calibrate and verify."""
    images: int | None = _option(
        None, "Images for the Fréchet distance.", at_least=2, shown="2000, fewer if they are large"
    )
    dynamic_size: bool = _option(False, "Take images of any size, if the generator takes images.")
    bundle: bool = _option(False, "Also pack the files with samples and code for an app.")
    licence: str | None = _option(
        None,
        "Licence of the files for the bundle's model card, such as cc-by-4.0.",
        flag="--license",
        shown="unknown",
        metavar="SPDX",
    )
    layouts: list[str] = _option(  # noqa: RUF009
        (),
        f"Also write a model repository to OUT/LAYOUT: {', '.join(LAYOUTS)}. Repeatable.",
        flag="--layout",
        shown="none",
    )
    truncation: float | None = _option(
        None,
        "What the files do unless another truncation is given, see `tfgan2 sample`.",
        at_least=0,
        shown="none",
    )
    standing_statistics: int = _option(
        0, "Batches of 64 latents that batch norms take their statistics from; 0: from training."
    )
    calibration: str | None = _option(
        None,
        "Data to calibrate int8 and mixed, if the generator of a run takes images or sentences.",
        shown="the run's own",
        metavar="DATASET",
    )
    ort_web: Path | None = _option(  # noqa: RUF009
        None, "Folder of the npm package onnxruntime-web, for the page.", shown="a CDN"
    )

    def __post_init__(self) -> None:
        self.check()
        for kind, names, known in (
            ("format", self.formats, (*FORMATS, PAGE, COREML)),
            ("precision", self.precisions, PRECISIONS),
            ("output", [self.output], OUTPUTS),
            ("layout", self.layouts, LAYOUTS),
        ):
            for name in names:
                if name not in known:
                    raise unknown(kind, name, known)
            if not names and kind != "layout":
                raise UserError(f"no {kind} given: choose from {', '.join(known)}")
        if self.calibration is not None and not self.calibrated:
            raise UserError("--calibration is for the precisions int8 and mixed: add one of them")
        if self.licence is not None and not self.bundle:
            raise UserError("--license is for the model card in a bundle: add --bundle")
        if self.bundle and not self.files:
            raise UserError("a bundle needs another file than Core ML's: add --format tflite")
        if self.ort_web is not None:
            if PAGE not in self.formats:
                raise UserError("--ort-web needs the web page: add --format web")
            ort.find(self.ort_web)
        if COREML in self.formats:
            for taken, flag, what in (
                (self.output != "float32", "--output uint8", "a float32 output"),
                (self.dynamic_size, "--dynamic-size", "a fixed size"),
                (self.batch not in (None, 1), "--batch", "a batch of 1"),
            ):
                if taken:
                    raise UserError(f"Core ML packages have {what}: leave out {flag}")
            if find_spec("coremltools") is None:
                raise UserError("--format coreml needs coremltools: pip install 'tfgan2[coreml]'")
        formats = self._file_formats
        for name in self.precisions:
            takers: Sequence[str] = ("tflite",)
            if name == "float32":
                takers = (*FORMATS, COREML)
            elif name == "float16":
                takers = ("tflite", "onnx", COREML)
            if not set(takers) & {*formats, *self.formats}:
                raise UserError(
                    f"precision {name} is for {', '.join(takers)} only, not for "
                    f"{' and '.join(self.formats)}: add --format {takers[0]}"
                )
        for layout in self.layouts:
            if (needed := LAYOUTS[layout]) not in formats:
                raise UserError(f"layout {layout} needs {needed}: add --format {needed}")

    @property
    def _file_formats(self) -> list[str]:
        needed = {"onnx" if name == PAGE else name for name in self.formats}  # the page runs it
        return [name for name in FORMATS if name in needed]

    @property
    def files(self) -> list[tuple[str, str]]:
        """(format, precision) of each file of a network, in the order of FORMATS and PRECISIONS."""
        formats = self._file_formats
        return [
            (name, precision)
            for name, precision in _FILES
            if name in formats
            and (precision in self.precisions or (name != "tflite" and precision == "float32"))
        ]

    @property
    def calibrated(self) -> bool:
        """True if a file needs the ranges of activations."""
        return bool({"int8", "mixed"} & set(self.precisions))


def file_name(network: str, model_format: str, precision: str = "float32") -> str:
    """Returns the name of a network's file in the export folder."""
    if (network, model_format) == ("generator", "saved_model"):
        return "saved_model"
    middle = "" if precision == "float32" else f".{precision}"
    return f"{network}{middle}.{model_format}"


def file_names(network: str) -> list[str]:
    """Returns every name that an export of a network may use, in the order of the tables."""
    return [file_name(network, *file) for file in _FILES]


def package_name(network: str) -> str:
    """Returns the name of a network's Core ML package in the export folder."""
    return f"{network}.mlpackage"


def page_folder(out_dir: Path, network: str) -> Path:
    """Returns the folder of a network's web page: `web/`, or `web-NETWORK/`."""
    return out_dir / (PAGE if network == "generator" else f"{PAGE}-{network}")
