"""Compares the speed of `tfgan2 fit` and PyTorch on the CPU.

python -m venv /tmp/torch && /tmp/torch/bin/pip install torch numpy
python benchmarks/train_speed.py --torch-python /tmp/torch/bin/python

Both train DCGAN and WGAN-GP: 32x32x3, 64-128-256 channels, batch size 64, Adam, all cores. Each
contestant is a process. Once all have started and compiled, they take turns. The others are stopped
(SIGSTOP), so other load on the machine affects all alike. Each writes a line after some steps; the
wall-clock time between its lines counts (contestants.py). `--out` is written after each flavour and
keeps the others that it has.

* `fit`: `tfgan2 fit` with data, averaged weights, log lines and sample grids; DCGAN without
  augmentation, which the PyTorch code lacks;
* `fit --no-winograd`: the same with TensorFlow's own convolutions;
* `step`: only the compiled step, always on the same batch;
* `torch`, `torch tuned` and `torch.compile`: the modes `example`, `eager` and `compile` of
  torch_gans.py; images come from memory without a loader;
* `matmul`: multiplications of 2048x2048 float32 matrices in TensorFlow, as the machine's peak.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from command_line import errors_in_one_line, some_of
from contestants import PLAIN, Contestant

from tfgan2.files import written_atomically

HERE = Path(__file__).resolve().parent
SIZE, CHANNELS, BASE_CHANNELS, BATCH = 32, 3, 64, 64
EDGE = 2048  # of the matrices
# Steps between two lines of `fit`, which take about a second.
LOG_EVERY = {"dcgan": 4, "wgan-gp": 1}
LIMIT = 600.0  # seconds for compiling beside the others
DATA = ["--dataset", "digits", "--image-size", str(SIZE), "--channels", str(CHANNELS)]


def settings(flavour: str) -> list[str]:
    """Returns the options of a flavour, for `fit` and for the compiled step."""
    return ["--set", f"base_channels={BASE_CHANNELS}", *PLAIN.get(flavour, [])]


def start_all(found: list[Contestant], flavour: str, torch: str | None, folder: Path) -> None:
    """Starts all contestants, one after the other, and pauses each."""
    tfgan2 = str(Path(sys.executable).with_name("tfgan2"))
    bare = [sys.executable, str(HERE / "bare_step.py")]

    def start(name: str, words: list[str], lines: Path | None = None) -> None:
        log = folder / f"{name.replace(' ', '')}.err"
        found.append(Contestant(name, words, log, lines=lines, limit=LIMIT))
        found[-1].pause()

    def fit(name: str, *words: str) -> None:
        run = folder / name.replace(" ", "")
        options = [*settings(flavour), "--steps", "1000000", "--log-every", str(LOG_EVERY[flavour])]
        command = [tfgan2, "fit", flavour, *DATA, *options, "--out", str(run), *words]
        start(name, command, run / "stats.jsonl")

    fit("fit")
    start("step", [*bare, flavour, *settings(flavour)])  # beside `fit`, with which it is compared
    fit("fit --no-winograd", "--no-winograd")
    start("matmul", [*bare, "matmul"])
    if torch:
        images = folder / "images.npy"
        save_images(images)
        words = [torch, str(HERE / "torch_gans.py"), flavour, "--images", str(images)]
        words += ["--base-channels", str(BASE_CHANNELS)]
        modes = {"torch": "example", "torch tuned": "eager", "torch.compile": "compile"}
        for name, mode in modes.items():
            start(name, [*words, "--mode", mode])


def save_images(path: Path) -> None:
    from tfgan2.data import load_dataset

    dataset = load_dataset("digits", image_size=SIZE, channels=CHANNELS)
    images = dataset.some(dataset.num_images)[0]
    np.save(path, np.round((images + 1.0) * 127.5).astype(np.uint8))


def measured(flavour: str, options: argparse.Namespace) -> dict[str, Any]:
    """Returns the seconds per step of each contestant in each turn."""
    with tempfile.TemporaryDirectory() as folder:
        there: list[Contestant] = []
        try:
            start_all(there, flavour, options.torch_python, Path(folder))
            turns: dict[str, list[float]] = {one.name: [] for one in there}
            for index in range(options.rounds):
                for one in there[:: 1 if index % 2 else -1]:
                    one.resume()
                    turns[one.name].append(one.seconds_per_step(options.seconds))
                    one.pause()
                print(flavour, {k: round(v[-1] * 1000, 1) for k, v in turns.items()}, flush=True)
        finally:
            for one in there:
                one.end()
    return {"turns": {name: [round(x, 6) for x in found] for name, found in turns.items()}}


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """Returns medians, and ratios within the rounds, to `torch` if it took part."""
    turns = found["turns"]
    seconds = {name: statistics.median(values) for name, values in turns.items()}
    peak = 2 * EDGE**3 / seconds.pop("matmul")
    base = "torch" if "torch" in turns else "fit --no-winograd"
    rows = {}
    for name, median in seconds.items():
        ratios = [b / own for b, own in zip(turns[base], turns[name], strict=True)]
        rows[name] = {
            "images_per_second": round(BATCH / median, 1),
            f"times_{base}": round(statistics.median(ratios), 3),
            "smallest": round(min(ratios), 3),
            "largest": round(max(ratios), 3),
        }
    of_step = [b / own for b, own in zip(turns["step"], turns["fit"], strict=True)]
    return {
        "matmul_gflops": round(peak / 1e9, 1),
        "fit_share_of_bare_step": round(statistics.median(of_step), 3),
        "rows": rows,
    }


@errors_in_one_line()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch-python", help="Python with PyTorch")
    parser.add_argument("--flavours", type=some_of(LOG_EVERY), default=list(LOG_EVERY))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=8.0, help="length of a turn")
    parser.add_argument("--out", type=Path, default=Path("runs/train_speed.json"))
    options = parser.parse_args()
    facts = {"machine": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    results = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {}
    for flavour in options.flavours:
        found = measured(flavour, options)
        results[flavour] = {**facts, **summary(found), **found}
        with written_atomically(options.out, parents=True) as partial:
            partial.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        print(json.dumps(summary(found), indent=2))


if __name__ == "__main__":
    main()
