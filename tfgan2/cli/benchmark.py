"""`tfgan2 benchmark`: how long exported files take, in turns."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from tfgan2 import runs, runtime
from tfgan2.errors import UserError, cannot_write
from tfgan2.files import written_atomically
from tfgan2.runtime.container import METADATA_FILE, SUFFIXES
from tfgan2.runtime.timing import Contender, Timing, made_up_inputs, measure

_LIBRARIES = {"onnx": "onnxruntime", "tflite": "LiteRT"}


def benchmark(
    files: Annotated[
        list[Path],
        typer.Argument(
            help=".tflite or .onnx files, SavedModel folders, runs (Keras).", show_default=False
        ),
    ],
    count: Annotated[int, typer.Option(min=1, help="Calls of each that are timed.")] = 50,
    threads: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            help="Of LiteRT and onnxruntime; repeat it for several. TensorFlow takes all cores.",
            show_default="1 and 2",
        ),
    ] = None,
    batch: Annotated[
        int, typer.Option(min=1, help="Images at once, where a file leaves that free.")
    ] = 1,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures there, too.")
    ] = None,
) -> None:
    """Time exported files against each other, in turns, on the CPU."""
    contenders = [
        contender for file in files for contender in _contenders(file, threads or [1, 2], batch)
    ]
    timings = measure(contenders, count)
    _show(timings)
    if json_file is not None:
        _write(json_file, timings)


def _contenders(file: Path, threads: Sequence[int], batch: int) -> Iterator[Contender]:
    if not file.is_dir():
        for number in threads:
            backend, metadata = runtime.open_file(file, threads=number)
            library = _LIBRARIES[SUFFIXES[file.suffix.lower()]]
            size = file.stat().st_size
            yield _contender(str(file), library, number, size, backend, metadata, batch)
    elif (file / "saved_model.pb").is_file():
        yield _saved_model(file, batch)
    elif runs.is_run(file):
        yield from _keras(file, batch)
    else:
        raise UserError(f"{file} is neither a SavedModel nor a run: give a file of the export")


def _contender(
    file: str,
    library: str,
    threads: int | None,
    size: int,
    backend: Any,
    metadata: dict[str, Any],
    batch: int,
) -> Contender:
    made = metadata.get("batch") or batch
    try:
        inputs = made_up_inputs(metadata, made)
    except (KeyError, TypeError, ValueError, IndexError, StopIteration):
        raise UserError(f"{file} is damaged: its metadata is incomplete") from None
    return Contender(file, library, threads, size, made, backend, inputs)


def _saved_model(folder: Path, batch: int) -> Contender:
    extra = folder / "assets.extra" / METADATA_FILE
    try:
        metadata = json.loads(extra.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UserError(
            f"{folder} has no tfgan2 metadata: `tfgan2 export` did not make it"
        ) from None
    from tfgan2 import startup

    startup.load()
    from tfgan2.export.saved_model import SavedModel
    from tfgan2.export.workshop import size_of
    from tfgan2.runtime.backends import first_line

    try:
        backend = SavedModel(folder)
    except Exception as error:  # TensorFlow has a class of its own for each
        raise UserError(f"{folder} cannot be run: {first_line(error)}") from error
    return _contender(str(folder), "TensorFlow", None, size_of(folder), backend, metadata, batch)


def _keras(run: Path, batch: int) -> Iterator[Contender]:
    runs.RunConfig.read(run)  # a wrong folder is told before TensorFlow is loaded
    from tfgan2 import startup

    startup.load()
    from tfgan2.export.subject import make_subject

    model, about = runs.load_model(run)
    distribution = getattr(model, "latent_distribution", "normal")
    exports = model.exports()
    for name, item in exports.items():
        subject = make_subject(item.network, distribution, about["class_names"], item.facts)
        inputs, _ = subject.describe(None)
        metadata = {**item.facts, "inputs": inputs, "batch": None}
        size = sum(weight.nbytes for weight in subject.generator.get_weights())
        called = f"{run} {name}" if len(exports) > 1 else str(run)
        yield _contender(called, "Keras", None, size, subject.run, metadata, batch)


def _show(timings: Sequence[Timing]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=160)  # a pipe has no width
    table = Table()
    table.add_column("file", overflow="fold")
    table.add_column("runs with")
    for title in ("threads", "batch", "MB", "median ms", "95 % ms", "images/s"):
        table.add_column(title, justify="right")
    for item in timings:
        table.add_row(
            item.file,
            item.runs_with,
            "all" if item.threads is None else str(item.threads),
            str(item.batch),
            f"{item.bytes / 1e6:.2f}",
            f"{item.median_ms:.3f}",
            f"{item.p95_ms:.3f}",
            f"{item.images_per_second:,.0f}",
        )
    console.print(table)


def _write(path: Path, timings: Sequence[Timing]) -> None:
    content = {
        "machine": platform.machine(),
        "system": platform.platform(),
        "timings": [asdict(item) for item in timings],
    }
    try:
        with written_atomically(path) as partial:
            partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise cannot_write(path, error) from error
