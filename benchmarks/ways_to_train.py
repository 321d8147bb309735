"""Trains every flavour in half precision, on two replicas and in two processes.

python benchmarks/ways_to_train.py --work runs/ways

Trains each flavour for --steps steps in every way, and compares the mean of each loss with that of
float32 on one device. A second seed in float32 shows the effect of chance. The images are the
embedded digits; pairs are digits and their negatives. Finished runs in --work are kept, so the
script can be interrupted and restarted. `--flavours` and `--ways` select some; the table in --out
keeps the figures that --work lacks. `--table` trains nothing.

Exit code 1 if a run fails, or if the error of a loss is above both a fifth of its size (of 1, if
that is larger) and three times the error of the second seed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from command_line import errors_in_one_line, some_of
from PIL import Image

from tfgan2 import registry
from tfgan2.errors import UserError
from tfgan2.files import written_atomically
from tfgan2.training import stats

START = "from tfgan2.cli import main; main()"
# TensorFlow treats one CPU as two devices if it is configured before it starts.
TWO_DEVICES = (
    "import tensorflow as tf; "
    "tf.config.set_logical_device_configuration(tf.config.list_physical_devices('CPU')[0], "
    "[tf.config.LogicalDeviceConfiguration()] * 2); " + START
)


@dataclass(frozen=True)
class Way:
    """How to start a run: Python code, arguments before `fit`, and arguments at the end."""

    title: str
    code: str = START
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ("--strategy", "none")


WAYS = {
    "float32": Way("float32"),
    "seed": Way("another seed", after=("--strategy", "none", "--seed", "2")),
    "float16": Way("float16", after=("--strategy", "none", "--precision", "mixed_float16")),
    "bfloat16": Way("bfloat16", after=("--strategy", "none", "--precision", "mixed_bfloat16")),
    "replicas": Way("2 replicas", code=TWO_DEVICES, after=("--strategy", "mirrored")),
    "half-replicas": Way(
        "float16, 2 replicas",
        code=TWO_DEVICES,
        after=("--strategy", "mirrored", "--precision", "mixed_float16"),
    ),
    "processes": Way("2 processes", before=("launch", "--workers", "2", "--"), after=()),
}
ALLOWED = 0.2
# Small networks, and phases of equal length.
SMALL = {"base_channels": 16, "latent_dim": 32, "blocks": 2, "pool_size": 10}
PHASES = ("text_steps", "stage_one_steps", "pretrain_steps")


def dataset(kind: str, folder: Path) -> str:
    """Returns a value of `--dataset` for a kind of samples; creates the images if needed."""
    if kind in ("images", "captions"):
        return {"images": "digits", "captions": "digits-captions"}[kind]
    if not folder.exists():
        from sklearn.datasets import load_digits

        with written_atomically(folder) as partial:
            for side in "AB":
                (partial / side).mkdir(parents=True)
            for number, digit in enumerate(load_digits().images[:500]):
                pixels = (digit * 255 / 16).astype(np.uint8)
                Image.fromarray(pixels).resize((16, 16)).save(partial / "A" / f"{number}.png")
                Image.fromarray(255 - pixels).resize((16, 16)).save(partial / "B" / f"{number}.png")
    return f"pairs:{folder}" if kind == "pairs" else f"unpaired:{folder / 'A'},{folder / 'B'}"


def settings(flavour: str, steps: int) -> list[str]:
    """Options for a small network and phases of equal length."""
    known = registry.hyperparameters(flavour)
    phases = [name for name in PHASES if name in known]
    values = {key: value for key, value in SMALL.items() if key in known}
    values |= dict.fromkeys(phases, steps // (len(phases) + 1))
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


def train(flavour: str, way: str, options: argparse.Namespace) -> str | None:
    """Trains what is not finished yet; returns the last lines of its output if that fails."""
    run = options.work / f"{flavour}-{way}"
    lines = stats.read(run) if run.exists() else []
    if lines and lines[-1]["step"] == options.steps:
        return None
    how = WAYS[way]
    words = ["--resume", str(run)]
    if not (run / "config.json").exists():
        kind = registry.outline(flavour).data_kind
        words = [flavour, "--dataset", dataset(kind, options.work / "digits")]
        words += ["--image-size", "16", "--batch-size", "32", "--seed", "1", "--no-xla"]
        words += ["--steps", str(options.steps), "--log-every", "10"]
        words += ["--sample-every", str(options.steps), "--checkpoint-every", str(options.steps)]
        words += [*settings(flavour, options.steps), "--out", str(run), *how.after]
    done = subprocess.run(
        [sys.executable, "-c", how.code, *how.before, "fit", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return "\n".join(done.stdout.splitlines()[-3:]) if done.returncode else None


def losses(run: Path) -> dict[str, float]:
    """The mean of each loss over the run, or over its phase if it has one."""
    values: dict[str, list[float]] = {}
    for line in stats.read(run):
        for key in line:
            if key.endswith("loss"):
                values.setdefault(key, []).append(line[key])
    return {key: float(np.mean(each)) for key, each in values.items()}


def error(value: float, reference: float) -> float:
    """The distance, as a fraction of the reference or of 1, whichever is larger."""
    return abs(value - reference) / max(1.0, abs(reference))


Rows = dict[tuple[str, str], dict[str, str]]
"""Figures by flavour and loss, then by way; "" where there is none."""


def kept_rows(page: str) -> Rows:
    """Returns the figures of an earlier page."""
    rows = {}
    for line in page.splitlines():
        if line.startswith("| `"):
            flavour, loss, *figures = (cell.strip() for cell in line[1:-1].split("|"))
            rows[flavour.strip("`"), loss] = dict(zip(WAYS, figures, strict=True))
    return rows


def add_figures(rows: Rows, work: Path) -> list[str]:
    """Adds the figures of the runs in a folder; returns descriptions of the losses that are off."""
    wrong = []
    for flavour in registry.flavours():
        runs = {way: work / f"{flavour}-{way}" for way in WAYS}
        means = {way: losses(run) for way, run in runs.items() if run.exists()}
        for loss, reference in means.get("float32", {}).items():
            row = rows.setdefault((flavour, loss), dict.fromkeys(WAYS, ""))
            row["float32"] = f"{reference:.4g}"
            chance = error(means.get("seed", {}).get(loss, reference), reference)
            for way in list(WAYS)[1:]:
                if loss not in means.get(way, {}):
                    continue
                value = means[way][loss]
                row[way] = f"{value:.4g}"
                if not np.isfinite(value) or error(value, reference) > max(ALLOWED, 3 * chance):
                    wrong.append(f"{flavour}, {way}: {loss} {value:.4g}, float32 {reference:.4g}")
    return wrong


def table(rows: Rows) -> str:
    """Returns the rows in Markdown, in the order of the flavours."""
    order = list(registry.flavours())
    return "".join(
        f"| `{flavour}` | {loss} | {' | '.join(rows[flavour, loss].values())} |\n"
        for flavour, loss in sorted(rows, key=lambda row: order.index(row[0]))
    )


@errors_in_one_line()
def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("runs/ways"))
    parser.add_argument("--out", type=Path, default=Path("runs/ways.md"))
    parser.add_argument("--steps", type=int, default=200)
    # A student needs a teacher's run.
    every = [name for name in registry.flavours() if registry.outline(name).data_kind != "taught"]
    parser.add_argument("--flavours", type=some_of(every), default=every)
    parser.add_argument("--ways", type=some_of(WAYS), default=list(WAYS))
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--table", action="store_true", help="write the page without training")
    options = parser.parse_args()
    head = INTRODUCTION.format(steps=options.steps) + HEAD
    page = options.out.read_text("utf-8") if options.out.exists() else head
    if not page.startswith(head):
        raise UserError(f"'{options.out}' is of other steps or ways: give another --out")
    options.work.mkdir(parents=True, exist_ok=True)
    cases = [(flavour, way) for flavour in options.flavours for way in options.ways]
    failed = []
    if not options.table:
        dataset("pairs", options.work / "digits")
        with ThreadPoolExecutor(options.jobs) as pool:
            failures = pool.map(lambda names: train(*names, options), cases)
            for names, failure in zip(cases, failures, strict=True):
                print(*names, failure or "finished", flush=True)
                failed += [" ".join(names)] if failure else []
    rows = kept_rows(page)
    wrong = add_figures(rows, options.work)
    with written_atomically(options.out, parents=True) as partial:
        partial.write_text(head + table(rows), encoding="utf-8")
    for line in (*failed, *wrong):
        print(f"wrong: {line}", file=sys.stderr)
    return 1 if failed or wrong else 0


INTRODUCTION = """# Every flavour in every way

Mean of each loss over {steps} steps: float32 on one device, half precision, two replicas
(`MirroredStrategy`) and two processes (`tfgan2 launch`). Made by

```
python benchmarks/ways_to_train.py
```

with small networks on the embedded digits, 16x16, and batches of 32 shared by all devices. "Another
seed" shows the effect of chance. Each replica has its own noise and batch statistics, so these
games differ from the first step on.

"""
HEAD = (
    f"| flavour | loss | {' | '.join(way.title for way in WAYS.values())} |\n"
    f"{'|---' * (len(WAYS) + 2)}|\n"
)


if __name__ == "__main__":
    sys.exit(main())
