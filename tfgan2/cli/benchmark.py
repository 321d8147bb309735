"""`tfgan2 benchmark`: times exported files against each other."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from tfgan2 import runs, runtime, startup
from tfgan2.cli.tables import print_table
from tfgan2.errors import UserError
from tfgan2.export import model_specs, saved_model
from tfgan2.export.folder import size_of
from tfgan2.files import written_atomically
from tfgan2.runtime.backends import Model
from tfgan2.runtime.timing import Contender, Timing, measure, random_inputs

_LIBRARIES = {".onnx": "onnxruntime", ".tflite": "LiteRT"}
_Timed: TypeAlias = tuple[str, str, int | None, int, Model]
"""Name, library, threads (None: all) and bytes of a model, and the model."""


def benchmark(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Files (.tflite, .onnx), SavedModel folders, run directories (Keras).",
            show_default=False,
        ),
    ],
    count: Annotated[int, typer.Option(min=1, help="Timed calls of each file.")] = 50,
    threads: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            help="Threads of LiteRT and onnxruntime; repeatable. TensorFlow uses all cores.",
            show_default="1 and 2",
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Batch size of files with a free batch.")] = 1,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures to FILE.")
    ] = None,
) -> None:
    """Time exported files against each other on the CPU, one call of each in turn."""
    contenders = []
    for file in files:
        for name, library, number, size, model in _models(file, threads or [1, 2]):
            images = model.metadata.get("batch") or batch
            try:
                inputs = random_inputs(model.metadata, images)
            except (KeyError, TypeError, ValueError, IndexError, StopIteration):
                raise UserError(f"{name} is damaged: its metadata is incomplete") from None
            contenders.append(Contender(name, library, number, size, images, model.backend, inputs))
    timings = measure(contenders, count)
    rows = [
        (
            item.file,
            item.runs_with,
            str(item.threads or "all"),
            str(item.batch),
            f"{item.bytes / 1e6:.2f}",
            f"{item.median_ms:.3f}",
            f"{item.p95_ms:.3f}",
            f"{item.images_per_second:,.0f}",
        )
        for item in timings
    ]
    figures = ["threads", "batch", "MB", "median ms", "95 % ms", "images/s"]
    print_table(["file", "runs with"], figures, rows, width=160)
    if json_file is not None:
        _write(json_file, timings)


def _models(file: Path, threads: Sequence[int]) -> Iterator[_Timed]:
    if not file.is_dir():
        for number in threads:
            model = runtime.open_file(file, threads=number)
            yield str(file), _LIBRARIES[file.suffix.lower()], number, size_of(file), model
    elif (file / "saved_model.pb").is_file():
        yield str(file), "TensorFlow", None, size_of(file), saved_model.open_folder(file)
    elif runs.is_run(file):
        yield from _networks(file)
    else:
        raise UserError(f"{file} is neither a SavedModel nor a run: give an exported file")


def _networks(run: Path) -> Iterator[_Timed]:
    runs.RunConfig.read(run)  # a wrong folder is an error before TensorFlow is loaded
    startup.load()
    from tfgan2.export.graph import checked, keras_model

    trained, about = runs.load_model(run)
    specs = model_specs(trained, about["class_names"])
    for name, spec in specs.items():
        spec = checked(spec)
        size = sum(weight.nbytes for weight in spec.network.get_weights())
        title = f"{run} {name}" if len(specs) > 1 else str(run)
        yield title, "Keras", None, size, keras_model(spec)


def _write(path: Path, timings: Sequence[Timing]) -> None:
    content = {
        "machine": platform.machine(),
        "system": platform.platform(),
        "timings": [asdict(item) for item in timings],
    }
    with written_atomically(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
