"""Measures training speed on a GPU beside PyTorch at its best.

python benchmarks/gpu.py --torch-python PYTHON --data-dir DIR --out DIR --minutes 9
python benchmarks/gpu.py --torch-python PYTHON --smoke     # every kind of row in small, on the CPU
python benchmarks/gpu.py --profile dcgan --out DIR         # what the GPU does during `fit`

DCGAN, SNGAN and WGAN-GP at 32x32x3 with 64-128-256 channels, and DCGAN at 64x64x3 with
128-256-512-1024, in float32 (TF32), bfloat16 and float16, batch sizes 64 and 512:

* `step`: the compiled step on a fixed batch (bare_step.py), and the same without XLA;
* `fit`: `tfgan2 fit` on CIFAR-10, or on images made here; `--fit OPTIONS` (repeatable) adds some;
* `torch`: the modes of torch_gans.py, on a fixed batch and on random images from the device.

Each row is a process, timed over windows of steps (contestants.py). `results.json` and `table.md`
are written after each row, the most important first. A call ends after `--minutes`; `--resume` goes
on with the rows that `results.json` lacks, and `--rows A:B` measures only those.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from command_line import errors_in_one_line
from contestants import PLAIN, Contestant, ContestantEnded
from PIL import Image

HERE = Path(__file__).resolve().parent
PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
# flavour, image size, channels nearest to the image
MODELS = (("dcgan", 32, 64), ("wgan-gp", 32, 64), ("sngan", 32, 64), ("dcgan", 64, 128))
# The first pair has the columns of docs/speed.md.
SETTINGS = (
    (("float32", 64), ("bfloat16", 512)),
    (("bfloat16", 64), ("float32", 512)),
    (("float16", 64), ("float16", 512)),
)
WINDOWS = 5
# A process that writes no line for so long ends.
ROW_SECONDS = 240.0
Row = dict[str, Any]


def kinds(tier: int, fits: list[str]) -> list[tuple[str, str]]:
    """Returns what measures a case: the important kinds in the first tier."""
    if tier == 0:
        return [("step", "xla"), *(("fit", fit) for fit in fits), ("torch", "graph random")]
    if tier == 1:
        modes = ("graph fixed", "graph-compile random", "graph-compile fixed", "eager random")
        return [("torch", mode) for mode in modes]
    modes = ("compile", "compile-reduce-overhead", "compile-max-autotune", "example")
    return [*(("torch", f"{mode} random") for mode in modes), ("step", "no xla")]


def rows(options: argparse.Namespace) -> list[Row]:
    """Returns the rows to measure, the most important first."""
    # (settings, tier): the main settings in the main kinds come first, float16 last.
    order = [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (2, 1)]
    found = []
    for group, tier in order:
        for model, (precision, batch) in itertools.product(MODELS, SETTINGS[group]):
            case = dict(zip(("flavour", "image_size", "channels"), model, strict=True))
            case |= {"precision": precision, "batch_size": batch}
            for by, mode in kinds(tier, options.fit):
                if by != "torch" or options.torch_python:
                    found.append({**case, "by": by, "mode": mode})
    return smoke_rows(found) if options.smoke else found


def chosen(options: argparse.Namespace) -> list[tuple[int, Row]]:
    """Returns the rows of `--rows` with their numbers."""
    low, high = options.rows
    return list(enumerate(rows(options)))[low:high]


def smoke_rows(every: list[Row]) -> list[Row]:
    """Returns so many small rows that each kind, network and precision of each program is there."""
    seen: set[tuple[Any, ...]] = set()
    found = []
    for row in every:
        features = {
            (row["by"], row["mode"]),
            (row["by"], row["flavour"], row["image_size"]),
            (row["by"], row["precision"]),
        }
        if not features <= seen:
            seen |= features
            found.append({**row, "batch_size": 8})
    return found


def channels_set(row: Row, options: argparse.Namespace) -> list[str]:
    base = options.base_channels or row["channels"]
    channels = ["--set", f"base_channels={base}", "--set", "max_channels=1024"]
    return [*channels, *PLAIN.get(row["flavour"], [])]


def fit_words(row: Row, options: argparse.Namespace, run: Path) -> list[str]:
    """Returns the command of a run that goes on until it is killed."""
    tfgan2 = str(Path(sys.executable).with_name("tfgan2"))
    tfgan2 = tfgan2 if Path(tfgan2).exists() else shutil.which("tfgan2") or "tfgan2"
    data = ["--dataset", "cifar10", "--data-dir", str(options.data_dir)]
    if not options.data_dir:
        data = ["--dataset", f"folder:{made_images(options.out / 'images', options.smoke)}"]
    return [
        *(tfgan2, "fit", row["flavour"], *data, "--image-size", str(row["image_size"])),
        *("--channels", "3", "--precision", PRECISIONS[row["precision"]]),
        *("--batch-size", str(row["batch_size"]), *channels_set(row, options)),
        *("--steps", "100000000", "--out", str(run), *shlex.split(row["mode"])),
    ]


def made_images(folder: Path, smoke: bool) -> Path:
    """Writes smooth random images of 64x64 pixels, where there is no CIFAR-10."""
    if not folder.exists():
        folder.mkdir(parents=True)
        random = np.random.default_rng(0)
        for index in range(200 if smoke else 4000):
            small = Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8))
            small.resize((64, 64)).save(folder / f"{index:05}.png")
    return folder


def words_of(row: Row, options: argparse.Namespace, run: Path) -> list[str]:
    """Returns the command that trains a row."""
    size = ["--batch-size", str(row["batch_size"]), "--image-size", str(row["image_size"])]
    if row["by"] == "fit":
        return fit_words(row, options, run)
    if row["by"] == "step":
        words = [sys.executable, str(HERE / "bare_step.py"), row["flavour"], *size]
        words += ["--precision", PRECISIONS[row["precision"]], *channels_set(row, options)]
        return words + ["--no-xla"] * (row["mode"] == "no xla")
    mode, feed = row["mode"].split()
    return [
        *(options.torch_python, str(HERE / "torch_gans.py"), row["flavour"], *size),
        *("--precision", row["precision"], "--mode", mode, "--feed", feed),
        *("--base-channels", str(options.base_channels or row["channels"])),
        *("--device", "cpu" if options.smoke else "cuda"),
    ]


def measure(row: Row, options: argparse.Namespace, limit: float) -> Row:
    """Returns a row with its figures and facts about the machine, or with an error."""
    run, log = options.out / "run", options.out / "row.log"
    shutil.rmtree(run, ignore_errors=True)
    lines = run / "stats.jsonl" if row["by"] == "fit" else None
    words = words_of(row, options, run)
    try:
        process = Contestant(row["by"], words, log, lines=lines, limit=limit)
    except ContestantEnded as error:
        return {**row, "error": str(error)[-400:]}
    try:
        turns = [process.seconds_per_step(options.seconds / WINDOWS) for _ in range(WINDOWS)]
    except ContestantEnded as error:
        return {**row, "error": str(error)[-400:]}
    finally:
        process.end()
    wall = row["batch_size"] / statistics.median(turns)
    # `fit` reports the speed of its steps; wall-clock time also has grids and checkpoints.
    speeds = [line["images_per_second"] for line in process.lines if "images_per_second" in line]
    steps = statistics.median(speeds[len(speeds) // 2 :]) / batches(row) if speeds else wall
    about = {name: value for name, value in process.lines[0].items() if name[0].isupper()}
    about |= {k: v for k, v in process.lines[0].items() if k in ("device", "layout")}
    return {
        **row,
        "images_per_second": round(steps, 1),
        "wall_images_per_second": round(wall, 1),
        "first_step_seconds": round(process.first_step_seconds, 1),
        "about": {} if row["by"] == "fit" else about,
    }


def batches(row: Row) -> int:
    """Images of `fit` count all batches of a step, those of this table the generator's updates."""
    return 5 if row["flavour"] == "wgan-gp" else 1


def table(found: list[Row], command: str) -> str:
    """Returns images/s of each case, of `fit` and the bare step beside PyTorch's best."""
    about: dict[str, str] = {}
    for row in found:
        about |= {k: v for k, v in row.get("about", {}).items() if v and k != "layout"}
    head = ", ".join(v if k == "device" else f"{k} {v}" for k, v in about.items())
    fits = list(dict.fromkeys(row["mode"] for row in found if row["by"] == "fit"))
    modes = list(dict.fromkeys(row["mode"] for row in found if row["by"] == "torch"))
    columns = ["step", "step without XLA"]
    for fit in fits:
        name = f"fit {fit}".strip()
        columns += [name, f"{name}, wall clock", f"{name} / step", f"{name} / PyTorch's best"]
    columns += ["step / PyTorch's best", *(f"torch {mode}" for mode in modes)]
    lines = [f"{head}: `{command}`", "", "| flavour | precision | batch | " + " | ".join(columns)]
    lines = [*lines[:-1], lines[-1] + " |", "|---" * (3 + len(columns)) + "|"]

    cases: dict[tuple[Any, ...], dict[tuple[str, str], Row]] = {}
    for row in found:
        key = row["flavour"], row["image_size"], row["precision"], row["batch_size"]
        cases.setdefault(key, {})[row["by"], row["mode"]] = row
    for (flavour, size, precision, batch), case in cases.items():

        def speed(by: str, mode: str, name: str = "images_per_second", case: Any = case) -> Any:
            row = case.get((by, mode))
            return None if row is None else row.get(name, "failed")

        def best(feed: str, case: Any = case) -> Any:
            """The best speed of PyTorch with random images, or on a fixed batch."""
            speeds = [
                row.get("images_per_second", 0.0)
                for (by, mode), row in case.items()
                if by == "torch" and mode.endswith(feed)
            ]
            return max(speeds, default=0.0) or None

        bare = speed("step", "xla")
        cells = [number(bare), number(speed("step", "no xla"))]
        for fit in fits:
            own = speed("fit", fit)
            cells += [number(own), number(speed("fit", fit, "wall_images_per_second"))]
            cells += [ratio(own, bare), ratio(own, best("random"))]
        cells.append(ratio(bare, best("fixed") or best("random")))
        cells += [number(speed("torch", mode)) for mode in modes]
        lines.append(f"| `{flavour}` {size}x{size} | {precision} | {batch} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def number(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else f"{value:,.0f}"


def ratio(value: Any, base: Any) -> str:
    known = isinstance(value, float) and isinstance(base, float)
    return f"{value / base:.2f}" if known else ""


def key(row: Row) -> str:
    names = ("flavour", "image_size", "precision", "batch_size", "by", "mode")
    return json.dumps([row[name] for name in names])


def measure_all(options: argparse.Namespace) -> list[Row]:
    """Measures the rows that fit in the time, and writes the files after each."""
    started, results = time.monotonic(), options.out / "results.json"
    found = json.loads(results.read_text()) if options.resume and results.exists() else []
    have = {key(row) for row in found if "error" not in row}
    for index, row in chosen(options):
        left = 60 * options.minutes - (time.monotonic() - started)
        if left < 0:
            print(f"out of time: {len(found)} rows are there, go on with --resume")
            break
        if key(row) in have:
            continue
        row = measure(row, options, min(ROW_SECONDS, max(left, 20.0)))
        found = [other for other in found if key(other) != key(row)] + [row]
        print(index, json.dumps(row), flush=True)
        results.write_text(json.dumps(found, indent=2) + "\n")
        (options.out / "table.md").write_text(table(found, options.command))
    return found


def profile(options: argparse.Namespace) -> int:
    """Profiles `fit` at batch 512 in bfloat16, in the smoke test at batch 64 in float32."""
    precision, batch = ("float32", 64) if options.smoke else ("bfloat16", 512)
    row = {"flavour": options.profile, "image_size": 32, "channels": 64, "mode": options.fit[0]}
    row |= {"precision": precision, "batch_size": batch}
    run = options.out / "run"
    shutil.rmtree(run, ignore_errors=True)
    words = fit_words(row, options, run)[1:]
    return subprocess.call([sys.executable, str(HERE / "profile_fit.py"), str(run), *words])


def slice_of(text: str) -> tuple[int | None, int | None]:
    low, _, high = text.partition(":")
    try:
        return int(low) if low else None, int(high) if high else None
    except ValueError:
        raise argparse.ArgumentTypeError(f"give A:B, two numbers, not {text!r}") from None


@errors_in_one_line()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=9.0, help="no row begins after this time")
    parser.add_argument("--torch-python", help="Python with PyTorch")
    parser.add_argument("--data-dir", type=Path, help="folder with CIFAR-10; else images are made")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"))
    parser.add_argument("--smoke", action="store_true", help="small networks on the CPU")
    parser.add_argument("--fit", action="append", help="further options of `tfgan2 fit`")
    parser.add_argument("--rows", type=slice_of, default=(None, None), help="A:B")
    parser.add_argument("--resume", action="store_true", help="keep the rows of results.json")
    parser.add_argument("--seconds", type=float, default=5.0, help="timed seconds of a row")
    parser.add_argument("--list", action="store_true", help="print the rows and their numbers")
    parser.add_argument("--profile", metavar="FLAVOUR", help="profile `fit` in place of rows")
    options = parser.parse_args()
    options.command = shlex.join(["python", "benchmarks/gpu.py", *sys.argv[1:]])
    options.fit = options.fit or [""]
    options.base_channels = 8 if options.smoke else None
    if options.smoke:
        options.seconds, options.minutes = 1.0, max(options.minutes, 60.0)
        options.fit = [f"{fit} --log-every 2".strip() for fit in options.fit]
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        # More threads of PyTorch wait for each other when the cores are busy otherwise.
        os.environ["OMP_NUM_THREADS"] = "1"
    if options.list:
        for index, row in chosen(options):
            print(index, *row.values())
        return
    options.out.mkdir(parents=True, exist_ok=True)
    if options.profile:
        sys.exit(profile(options))
    found = measure_all(options)
    print(table(found, options.command))
    if any("error" in row for row in found):
        sys.exit(1)


if __name__ == "__main__":
    main()
