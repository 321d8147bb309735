"""`tfgan2 benchmark`: times exported files against each other."""

from __future__ import annotations

import json
import platform
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer

from tfgan2 import runs, runtime, startup
from tfgan2.cli.options import local
from tfgan2.cli.tables import print_table
from tfgan2.errors import UserError
from tfgan2.export import model_specs, saved_model
from tfgan2.export.folder import size_of
from tfgan2.files import written_atomically
from tfgan2.runtime.backends import LIBRARIES, Model, first_line
from tfgan2.runtime.first_use import FirstUse, measure_first_use
from tfgan2.runtime.operators import DELEGATES, Operator, read_operators
from tfgan2.runtime.shipped import located

WARM_UP = 3
THREADS = (1, 2, 4)


class Timed(NamedTuple):
    """A model to be timed; its library uses so many `threads`, None: all.

    `path` is the file of one that LiteRT or onnxruntime runs, else None.
    """

    file: str
    path: Path | None
    runs_with: str
    threads: int | None
    bytes: int
    model: Model


def benchmark(
    files: Annotated[
        list[str],
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
            show_default="1, 2 and 4",
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Batch size of files with a free batch.")] = 1,
    operators: Annotated[
        bool,
        typer.Option(
            "--operators",
            help="Also list the operators of .tflite files, and which delegates of phones take "
            "them.",
        ),
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures to FILE.")
    ] = None,
) -> None:
    """Time exported files against each other on the CPU, one call of each in turn."""
    models = [model for file in files for model in _models(file, threads or THREADS)]
    if not models:
        raise UserError("nothing to time: give a .tflite or .onnx file, a SavedModel or a run")
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
            *_shown(item["cold_start_ms"], item["peak_mb"]),
        )
        for item in timings
    ]
    figures = ["threads", "batch", "MB", "median ms", "95 % ms", "images/s"]
    figures += ["cold start ms", "peak MB"]
    print_table(["file", "runs with"], figures, rows, width=160)
    paths = dict.fromkeys(m.path for m in models if m.path and m.path.suffix == ".tflite")
    found = {path: read_operators(path) for path in paths if path is not None}
    for path, items in found.items():
        if operators:
            _print_operators(path, items)
        for line in refusals(items):
            print(f"{path.name}: {line}")
    if json_file is not None:
        _write(json_file, timings)


def _shown(*values: float | None) -> Iterator[str]:
    return ("" if value is None else f"{value:,.1f}" for value in values)


def _print_operators(path: Path, operators: Sequence[Operator]) -> None:
    counts = Counter((item.name, *map(item.refusals.get, DELEGATES)) for item in operators)
    rows = [
        (str(name), str(number), *("yes" if why is None else f"no: {why}" for why in reasons))
        for (name, *reasons), number in counts.items()
    ]
    print(f"\n{path}")
    heads = [f"{name} delegate" for name in DELEGATES]
    print_table(["operator"], ["number", *heads], rows, width=120)


def refusals(operators: Sequence[Operator]) -> Iterator[str]:
    """Yields a line for each delegate that leaves operators of a file to the CPU, and where."""
    for delegate in DELEGATES:
        refused = [item for item in operators if delegate in item.refusals]
        if refused:
            first = refused[0]
            yield (
                f"the {delegate} delegate leaves {len(refused)} of {len(operators)} operators to "
                f"the CPU, the first is {first.name} of {first.layer} ({first.refusals[delegate]})"
            )


def _models(name: str, threads: Sequence[int]) -> Iterator[Timed]:
    file = located(local(name))
    if file.suffix == ".mlpackage":  # `generator.*` names it, too
        print(f"{name}: left out, only Apple's systems run Core ML packages")
    elif not file.is_dir():
        for number in threads:
            model = runtime.open_file(file, threads=number)
            library = LIBRARIES[file.suffix.lower()]
            yield Timed(name, file, library, number, size_of(file), model)
    elif (file / "saved_model.pb").is_file():
        model = saved_model.open_folder(file)
        yield Timed(name, None, "TensorFlow", None, size_of(file), model)
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
        yield Timed(title, None, "Keras", None, size, keras_model(spec))


def measure(models: Sequence[Timed], count: int, batch: int = 1) -> list[dict[str, Any]]:
    """Times models round robin, so that other load on the machine affects all alike.

    Each is called `count` times after a warm-up, with `batch` images where its batch is free.
    Returns for each what `--json` writes; images per second are at the median. A UserError if one
    cannot be run.
    """
    inputs = []
    for item in models:
        try:
            inputs.append(random_inputs(item.model.metadata, batch))
        except (KeyError, TypeError, ValueError, IndexError, StopIteration):
            raise UserError(f"{item.file} is damaged: its metadata is incomplete") from None
    milliseconds: list[list[float]] = [[] for _ in models]
    for turn in range(WARM_UP + count):
        for item, feed, times in zip(models, inputs, milliseconds, strict=True):
            start = time.perf_counter()
            try:
                item.model.backend(feed)
            except Exception as error:  # every library has its own
                raise UserError(f"{item.file} cannot be run: {first_line(error)}") from error
            if turn >= WARM_UP:
                times.append(1000 * (time.perf_counter() - start))
    figures = []
    for item, feed, times in zip(models, inputs, milliseconds, strict=True):
        about, images = item._asdict(), len(next(iter(feed.values())))
        del about["model"], about["path"]
        median, p95 = (float(np.percentile(times, share)) for share in (50, 95))
        about |= {"batch": images, "count": count, "median_ms": median, "p95_ms": p95}
        first = FirstUse(None, None)
        if item.path is not None and item.threads is not None:
            first = measure_first_use(item.path, item.threads, feed)
        rate = {"images_per_second": 1000 * images / median}
        figures.append({**about, **rate, **first._asdict()})
    return figures


def random_inputs(metadata: Mapping[str, Any], batch: int) -> dict[str, np.ndarray]:
    """Returns inputs as an export describes them, `batch` unless its batch is fixed."""
    rng = np.random.default_rng(0)
    inputs = {}
    for item in metadata["inputs"]:
        free = iter(metadata.get("size", ()))
        shape = [next(free) if size is None else size for size in item["shape"][1:]]
        low, high = item.get("range", (-1, 1))
        values = rng.uniform(low, high, (metadata.get("batch") or batch, *shape))
        inputs[item["name"]] = values.astype(item["dtype"])
    return inputs


def _write(path: Path, timings: list[dict[str, Any]]) -> None:
    content = {"machine": platform.machine(), "system": platform.platform(), "timings": timings}
    with written_atomically(path, parents=True) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
