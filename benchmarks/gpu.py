"""Measures speed on a GPU by precision and compiler, beside PyTorch; then trains for quality.

python benchmarks/gpu.py --minutes 25 --torch-python PYTHON --data-dir DIR --out DIR
python benchmarks/gpu.py --smoke                  # a few small steps of everything, on the CPU

Covers DCGAN, SNGAN and WGAN-GP, 32x32x3, 64-128-256 channels, in float32 (TF32 where the card has
it), bfloat16 and float16, with and without XLA, with batch sizes 64 and 512. Each row is a process:
first some steps, whose losses must be finite, then windows of steps, whose median counts. PyTorch's
rows (torch_gans.py, eager and compiled) alternate with those of tfgan2. The remaining minutes go to
`tfgan2 fit dcgan` on CIFAR-10, with evaluations. `results.json` and `table.md` are
written after each row, so figures survive the loss of the machine.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SIZE, CHANNELS = 32, 3
FLAVOURS = ("dcgan", "sngan", "wgan-gp")
PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
WINDOWS = 5
# A row whose process hangs ends after this time.
ROW_SECONDS = 240


def own_row(options: argparse.Namespace) -> dict[str, float]:
    """Times the compiled step of a flavour; runs in a separate process."""
    import numpy as np
    import tensorflow as tf

    from tfgan2 import registry
    from tfgan2.kernels import compiled_update
    from tfgan2.nn.precision import precision

    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    with precision(PRECISIONS[options.precision]):
        model = registry.create(
            options.only, image_shape=(SIZE, SIZE, CHANNELS), base_channels=options.base_channels
        )
        model.compile()
    count = options.batch_size * model.batches_per_step
    batch = tf.random.stateless_uniform((count, SIZE, SIZE, CHANNELS), (1, 2), -1.0, 1.0)
    started = time.perf_counter()
    step = compiled_update(model, xla=options.mode == "xla")
    losses = [{k: float(v) for k, v in step(batch).items()}]
    compiling = time.perf_counter() - started
    for _ in range(options.steps):
        found = step(batch)
    losses.append({name: float(value) for name, value in found.items()})
    if not all(np.isfinite(list(line.values())).all() for line in losses):
        raise SystemExit(f"a loss is not finite: {losses}")
    times = []
    for _ in range(WINDOWS):
        started = time.perf_counter()
        for _ in range(options.steps):
            found = step(batch)
        float(found["generator_loss"])  # waits for the computation
        times.append((time.perf_counter() - started) / options.steps)
    return {"seconds": statistics.median(times), "first_step": compiling}


def torch_row(words: list[str], steps: int) -> dict[str, float]:
    """Times torch_gans.py by the lines that it prints."""
    started = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, bufsize=1)
    assert process.stdout is not None
    times: list[float] = []
    while len(times) < WINDOWS + 2 and time.perf_counter() - started < ROW_SECONDS:
        if not process.stdout.readline():
            break
        times.append(time.perf_counter())
    process.kill()
    process.wait()
    if len(times) < 3:
        raise subprocess.CalledProcessError(process.returncode, words)
    gaps = [(after - before) / steps for before, after in itertools.pairwise(times[1:])]
    return {"seconds": statistics.median(gaps), "first_step": times[0] - started}


def rows(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Returns the rows to measure, the most important first."""
    batches = [64] if options.smoke else [64, 512]
    kinds = [("tfgan2", "xla"), ("torch", "eager"), ("tfgan2", "no xla"), ("torch", "compile")]
    return [
        {"flavour": flavour, "precision": precision, "batch_size": batch, "by": by, "mode": mode}
        for batch, precision, flavour, (by, mode) in itertools.product(
            batches, options.precisions.split(","), options.flavours.split(","), kinds
        )
        if by == "tfgan2" or options.torch_python
    ]


def measure(row: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """Returns a row with its figures, or with an error."""
    settings = ["--precision", row["precision"], "--batch-size", str(row["batch_size"])]
    settings += [
        "--base-channels",
        str(options.base_channels),
        "--steps",
        str(options.steps),
        "--mode",
        row["mode"],
    ]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    try:
        if row["by"] == "tfgan2":
            words = [sys.executable, str(HERE / "gpu.py"), "--only", row["flavour"], *settings]
            done = subprocess.run(
                words,
                capture_output=True,
                text=True,
                timeout=ROW_SECONDS,
                env=environment,
                check=False,
            )
            if done.returncode:
                lines = done.stderr.strip().splitlines() or ["no message"]
                return {**row, "error": lines[-1][:300]}
            found = json.loads(done.stdout.strip().splitlines()[-1])
        else:
            device = "cpu" if options.smoke else "cuda"
            words = [
                options.torch_python,
                str(HERE / "torch_gans.py"),
                row["flavour"],
                *settings,
            ]
            words[words.index("--steps")] = "--every"
            found = torch_row([*words, "--device", device], options.steps)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError, ValueError) as error:
        return {**row, "error": f"{type(error).__name__}: {error}"[:300]}
    return {
        **row,
        "images_per_second": round(row["batch_size"] / found["seconds"], 1),
        "first_step_seconds": round(found["first_step"], 1),
    }


def table(found: list[dict[str, Any]]) -> str:
    """Returns a table of images/s with a line for each flavour, precision and batch size."""
    columns = list(dict.fromkeys((row["by"], row["mode"]) for row in found))
    lines = [
        "| flavour | precision | batch | " + " | ".join(" ".join(c) for c in columns) + " |",
        "|---" * (3 + len(columns)) + "|",
    ]
    keys = dict.fromkeys((row["flavour"], row["precision"], row["batch_size"]) for row in found)
    for key in keys:
        cells = []
        for column in columns:
            here = [
                row
                for row in found
                if (row["flavour"], row["precision"], row["batch_size"]) == key
                and (row["by"], row["mode"]) == column
            ]
            value = here[0].get("images_per_second") if here else None
            cells.append("failed" if here and value is None else f"{value:,.0f}" if here else "")
        lines.append("| " + " | ".join([f"`{key[0]}`", key[1], str(key[2]), *cells]) + " |")
    return "\n".join(lines) + "\n"


def quality(minutes: float, options: argparse.Namespace) -> None:
    """Trains for this time; SIGTERM saves the run and ends it."""
    run = options.out / "quality"
    data = ["--dataset", "cifar10", "--data-dir", str(options.data_dir)]
    channels = ["--set", f"base_channels={options.base_channels}"]
    words = ["fit", "dcgan", *data, *channels, "--steps", "1000000"]
    if options.smoke or not options.data_dir:
        words = ["fit", "dcgan", "--dataset", "digits", *channels]
        words += ["--steps", "20" if options.smoke else "1000000"]
    every = "10" if options.smoke else "2000"
    count = "100" if options.smoke else "5000"
    words += ["--evaluate-every", every, "--evaluate-count", count, "--out", str(run)]
    process = subprocess.Popen([str(Path(sys.executable).with_name("tfgan2")), *words])
    try:
        process.wait(timeout=60 * minutes)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=25.0, help="total time")
    parser.add_argument("--torch-python", help="Python with PyTorch")
    parser.add_argument("--data-dir", type=Path, help="folder with CIFAR-10, for the quality run")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"))
    parser.add_argument("--smoke", action="store_true", help="small networks on the CPU")
    parser.add_argument("--base-channels", type=int, default=64)
    parser.add_argument("--steps", type=int, default=50, help="steps per window")
    parser.add_argument("--flavours", default=",".join(FLAVOURS))
    parser.add_argument("--precisions", default=",".join(PRECISIONS))
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--mode", help=argparse.SUPPRESS)
    parser.add_argument("--precision", help=argparse.SUPPRESS)
    parser.add_argument("--batch-size", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(own_row(options)))
        return
    if options.smoke:
        options.base_channels, options.steps = 8, 2
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    options.out.mkdir(parents=True, exist_ok=True)
    started, found = time.monotonic(), []
    # Measuring takes at most half of the time.
    for row in rows(options):
        if not options.smoke and time.monotonic() - started > 30 * options.minutes:
            break
        found.append(measure(row, options))
        print(json.dumps(found[-1]), flush=True)
        (options.out / "results.json").write_text(json.dumps(found, indent=2) + "\n")
        (options.out / "table.md").write_text(table(found))
    left = options.minutes - (time.monotonic() - started) / 60
    quality(max(left, 0.5), options)
    print(table(found))
    if any("error" in row for row in found):
        sys.exit(1)


if __name__ == "__main__":
    main()
