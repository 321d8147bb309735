"""`tfgan2 benchmark`: times exported files against each other."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from tfgan2 import runs, runtime, startup
from tfgan2.cli.tables import print_table
from tfgan2.errors import UserError, cannot_write
from tfgan2.export import model_specs, saved_model
from tfgan2.export.folder import size_of
from tfgan2.files import written_atomically
from tfgan2.runtime.backends import LIBRARIES
from tfgan2.runtime.timing import Timed, measure


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
    models = [model for file in files for model in _models(file, threads or [1, 2])]
    timings = measure(models, count, batch)
    rows = [
        (
            item["file"],
            item["runs_with"],
            str(item["threads"] or "all"),
            str(item["batch"]),
            f"{item['bytes'] / 1e6:.2f}",
            f"{item['median_ms']:.3f}",
            f"{item['p95_ms']:.3f}",
            f"{item['images_per_second']:,.0f}",
        )
        for item in timings
    ]
    figures = ["threads", "batch", "MB", "median ms", "95 % ms", "images/s"]
    print_table(["file", "runs with"], figures, rows, width=160)
    if json_file is not None:
        _write(json_file, timings)


def _models(file: Path, threads: Sequence[int]) -> Iterator[Timed]:
    if not file.is_dir():
        for number in threads:
            model = runtime.open_file(file, threads=number)
            yield Timed(str(file), LIBRARIES[file.suffix.lower()], number, size_of(file), model)
    elif (file / "saved_model.pb").is_file():
        model = saved_model.open_folder(file)
        yield Timed(str(file), "TensorFlow", None, size_of(file), model)
    elif runs.is_run(file):
        yield from _networks(file)
    else:
        raise UserError(f"{file} is neither a SavedModel nor a run: give an exported file")


def _networks(run: Path) -> Iterator[Timed]:
    runs.RunConfig.read(run)  # a wrong folder is an error before TensorFlow is loaded
    startup.load()
    from tfgan2.export.graph import checked, keras_model

    trained, about = runs.load_model(run)
    specs = model_specs(trained, about["class_names"])
    for name, spec in specs.items():
        spec = checked(spec)
        size = sum(weight.nbytes for weight in spec.network.get_weights())
        title = f"{run} {name}" if len(specs) > 1 else str(run)
        yield Timed(title, "Keras", None, size, keras_model(spec))


def _write(path: Path, timings: list[dict[str, Any]]) -> None:
    content = {
        "machine": platform.machine(),
        "system": platform.platform(),
        "timings": timings,
    }
    try:
        with written_atomically(path) as partial:
            partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise cannot_write(path, error) from error
