"""Compares the speed of `tfgan2 fit` and PyTorch on the CPU; writes docs/results/train_speed.json.

python -m venv /tmp/torch && /tmp/torch/bin/pip install torch numpy
python benchmarks/train_speed.py --torch-python /tmp/torch/bin/python

Both train DCGAN and WGAN-GP: 32x32x3, 64-128-256 channels, batch size 64, Adam, all cores. Each
contestant is a process. Once all have started and compiled, they take turns. The others are stopped
(SIGSTOP), so other load on the machine affects all alike. Each writes a line after every few steps;
the wall-clock time between its lines counts.

* `fit`: the command as users run it, with data, averaged weights, log lines and sample grids;
* `fit --no-winograd`: the same with TensorFlow's own convolutions;
* `step`: only the compiled step, always on the same batch;
* `torch` and `torch.compile`: see torch_gans.py; images come from memory without a loader;
* `matmul`: multiplications of 2048x2048 float32 matrices in TensorFlow, as the machine's peak.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
SIZE, CHANNELS, BASE_CHANNELS, BATCH = 32, 3, 64, 64
EDGE = 2048
# Steps between two lines, which take about a second.
EVERY = {"dcgan": 4, "wgan-gp": 1, "matmul": 4}
DATA = ["--dataset", "digits", "--image-size", str(SIZE), "--channels", str(CHANNELS)]


class Contestant:
    """A process that writes a line to a file after every few steps, and runs only in its turns."""

    def __init__(self, name: str, words: list[str], lines: Path, every: int, log: Path) -> None:
        self.name, self.lines, self.every = name, lines, every
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        with log.with_suffix(".out").open("w") as output, log.open("w") as errors:
            self._process = subprocess.Popen(words, stdout=output, stderr=errors, env=environment)
        self._log = log
        self._wait_for(2)  # it has compiled, and trained for some steps
        self._process.send_signal(signal.SIGSTOP)

    def _count(self) -> int:
        return self.lines.read_bytes().count(b"\n") if self.lines.exists() else 0

    def _wait_for(self, count: int) -> float:
        while self._count() < count:
            if self._process.poll() is not None:
                raise SystemExit(f"{self.name} ended: {self._log.read_text()[-2000:]}")
            time.sleep(0.002)
        return time.perf_counter()

    def seconds_per_step(self, seconds: float) -> float:
        """Runs one turn of about this length."""
        self._process.send_signal(signal.SIGCONT)
        first = self._count() + 1  # these steps began before the turn
        started = ended = self._wait_for(first)
        count = first
        while ended - started < seconds:
            count = self._count() + 1
            ended = self._wait_for(count)
        self._process.send_signal(signal.SIGSTOP)
        return (ended - started) / ((count - first) * self.every)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def contestants(flavour: str, torch: str | None, folder: Path) -> list[Contestant]:
    """Starts all contestants, one after the other."""
    tfgan2 = str(Path(sys.executable).with_name("tfgan2"))
    own = [sys.executable, str(HERE / "train_speed.py")]
    every = EVERY[flavour]

    def fit(name: str, *words: str) -> Contestant:
        run = folder / name.replace(" ", "")
        options = [
            "--set",
            f"base_channels={BASE_CHANNELS}",
            "--steps",
            "1000000",
            "--log-every",
            str(every),
        ]
        command = [tfgan2, "fit", flavour, *DATA, *options, "--out", str(run), *words]
        return Contestant(name, command, run / "stats.jsonl", every, folder / f"{run.name}.err")

    def other(name: str, words: list[str]) -> Contestant:
        log = folder / f"{name}.err"
        count = EVERY["matmul"] if name == "matmul" else every
        return Contestant(name, words, log.with_suffix(".out"), count, log)

    found = [
        fit("fit"),
        fit("fit --no-winograd", "--no-winograd"),
        other("step", [*own, "--only", flavour]),
        other("matmul", [*own, "--only", "matmul"]),
    ]
    if torch:
        images = folder / "images.npy"
        save_images(images)
        words = [torch, str(HERE / "torch_gans.py"), flavour, "--every", str(every)]
        words += ["--base-channels", str(BASE_CHANNELS), "--images", str(images)]
        found += [other("torch", words), other("torch.compile", [*words, "--mode", "compile"])]
    return found


def save_images(path: Path) -> None:
    from tfgan2.data import load_dataset

    dataset = load_dataset("digits", image_size=SIZE, channels=CHANNELS)
    images = dataset.some(dataset.num_images)[0]
    np.save(path, np.round((images + 1.0) * 127.5).astype(np.uint8))


def run_only(what: str) -> None:
    """Runs the compiled step of a flavour, or matrix multiplications, until it is killed."""
    import tensorflow as tf

    from tfgan2 import registry
    from tfgan2.kernels import compiled_update

    if what == "matmul":
        matrix = tf.random.normal((EDGE, EDGE))
        run = lambda: tf.matmul(matrix, matrix)[0, 0]  # noqa: E731
    else:
        model = registry.create(
            what, image_shape=(SIZE, SIZE, CHANNELS), base_channels=BASE_CHANNELS
        )
        model.compile()
        count = BATCH * model.batches_per_step
        batch = tf.random.uniform((count, SIZE, SIZE, CHANNELS), -1.0, 1.0)

        step = compiled_update(model)
        run = lambda: step(batch)["generator_loss"]  # noqa: E731
    every, done = EVERY[what], 0
    while True:
        for _ in range(every):
            value = run()
        float(value)  # waits for the computation
        done += every
        print(done, flush=True)


def measured(flavour: str, options: argparse.Namespace) -> dict[str, Any]:
    """Returns the seconds per step of each contestant in each turn."""
    with tempfile.TemporaryDirectory() as folder:
        there = contestants(flavour, options.torch_python, Path(folder))
        turns: dict[str, list[float]] = {one.name: [] for one in there}
        try:
            for index in range(options.rounds):
                for one in there[:: 1 if index % 2 else -1]:
                    turns[one.name].append(one.seconds_per_step(options.seconds))
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch-python", help="Python with PyTorch")
    parser.add_argument("--flavours", default="dcgan,wgan-gp")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=8.0, help="length of a turn")
    parser.add_argument("--out", type=Path, default=Path("docs/results/train_speed.json"))
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        run_only(options.only)
    results = {}
    for flavour in options.flavours.split(","):
        found = measured(flavour, options)
        results[flavour] = {**summary(found), **found}
        print(json.dumps(summary(found), indent=2))
    facts = {"machine": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({**facts, "flavours": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
