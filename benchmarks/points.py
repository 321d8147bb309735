"""Measures which flavours find all modes of ring8 and grid25, and how good their samples are.

python benchmarks/points.py --out runs/points
python benchmarks/points.py --out docs/results/points --table    # prints the published figures

Five seeds per flavour, 2,500 samples each. A sample is good within three standard deviations of its
mode; a mode is found if it has a good sample. A finished cell, which is a flavour on one of the
datasets, is kept (`OUT/ring8-gan.json`), so the table can be made in several sittings. `--jobs 2`
works on two cells at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean

from command_line import errors_in_one_line, some_of

DATA = ("ring8", "grid25")
SEEDS = 5
SAMPLES = 2_500
RATES = "generator_learning_rate=1e-3 discriminator_learning_rate=1e-3"
LABELLED = "generator_learning_rate=5e-4 discriminator_learning_rate=5e-4"
# Flavour, and its hyperparameters besides latent_dim=2.
ROWS = {
    "gan": ("gan", RATES),
    "gan, packing 2": ("gan", f"{RATES} packing=2"),
    "gan, packing 4": ("gan", f"{RATES} packing=4"),
    "gan, packing 2, longer": ("gan", f"{RATES} packing=2"),
    "dcgan": ("dcgan", RATES),
    "cgan": ("cgan", LABELLED),
    "acgan": ("acgan", LABELLED),
    "infogan": ("infogan", f"{RATES} codes=1"),
    "lsgan": ("lsgan", RATES),
    "wgan": ("wgan", f"{RATES} clip=0.1"),
    "wgan-gp": ("wgan-gp", f"{RATES} penalty_weight=0.1 beta_1=0.5"),
    "dragan": ("dragan", f"{RATES} penalty_weight=0.1"),
    "began": ("began", f"{RATES} gamma=0.75 lambda_k=0.001"),
    "sngan": ("sngan", RATES),
    "vae": ("vae", ""),
}
STEPS = 12_000
OTHER_STEPS = {
    "wgan": 4_000,  # with five critic steps each
    "wgan-gp": 4_000,
    "gan, packing 2, longer": 36_000,
}
# Lin et al. 2018 (PacGAN), tables 1 and 2: modes of 8 and of 25, share of good samples.
PUBLISHED = {
    "published: GAN": (6.3, 0.98, 17.3, 0.948),
    "published: PacGAN2": (7.9, 0.956, 23.8, 0.913),
    "published: PacGAN4": (7.8, 0.959, 24.8, 0.936),
}


def command(row: str, data: str, seed: int) -> list[str]:
    """Returns the arguments of `tfgan2`."""
    flavour, settings = ROWS[row]
    words = ["fit", flavour, "--dataset", data, "--steps", str(OTHER_STEPS.get(row, STEPS))]
    words += ["--batch-size", "256", "--no-xla", "--seed", str(seed)]
    for setting in ["latent_dim=2", *settings.split()]:
        words += ["--set", setting]
    return words


def cell(row: str, data: str) -> dict[str, object]:
    """Trains the flavour of a row with every seed in this process, one after the other."""
    import numpy as np

    from tfgan2 import cli
    from tfgan2.data.points import quality

    results = []
    start = time.perf_counter()
    for seed in range(SEEDS):
        with tempfile.TemporaryDirectory() as folder:
            run, npz = Path(folder) / "run", Path(folder) / "samples.npz"
            rare = ["--log-every", "1000", "--sample-every", "100000"]
            if cli.run([*command(row, data, seed), *rare, "--out", str(run)]):
                sys.exit(f"{row} on {data}, seed {seed}: training failed")
            words = ["sample", run, "--count", SAMPLES, "--seed", seed, "--out", npz]
            if cli.run([str(word) for word in words]):
                sys.exit(f"{row} on {data}, seed {seed}: sampling failed")
            result = quality(np.load(npz)["points"], data)
            results.append({"modes": result.modes_found, "good": round(result.good, 4)})
    return {
        "row": row,
        "data": data,
        "command": " ".join(["tfgan2", *command(row, data, 0)]),
        "seconds": round((time.perf_counter() - start) / SEEDS),
        "modes": mean(item["modes"] for item in results),
        "good": round(mean(item["good"] for item in results), 4),
        "seeds": results,
    }


def path_of(out: Path, row: str, data: str) -> Path:
    return out / f"{data}-{row.replace(', ', '-').replace(' ', '')}.json"


def table(out: Path) -> str:
    """Returns a table in Markdown with the finished cells and the published rows."""
    lines = [
        "| | ring8 modes | ring8 good | grid25 modes | grid25 good | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for row in ROWS:
        paths = [path_of(out, row, data) for data in DATA]
        if not all(path.exists() for path in paths):
            continue
        ring, grid = (json.loads(path.read_text()) for path in paths)
        lines.append(
            f"| `{row}` | {ring['modes']:.1f} | {ring['good']:.1%} | {grid['modes']:.1f} "
            f"| {grid['good']:.1%} | {(ring['seconds'] + grid['seconds']) / 2:.0f} |"
        )
    for row, (ring_modes, ring_good, grid_modes, grid_good) in PUBLISHED.items():
        lines.append(
            f"| {row} | {ring_modes} | {ring_good:.1%} | {grid_modes} | {grid_good:.1%} | |"
        )
    return "\n".join(lines)


@errors_in_one_line()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/points"))
    parser.add_argument("--rows", type=some_of(ROWS, "|"), default=list(ROWS), help="A|B|…")
    parser.add_argument("--data", choices=DATA, help="default: both")
    parser.add_argument("--jobs", type=int, default=1, help="cells at a time")
    parser.add_argument("--table", action="store_true", help="only print the table")
    parser.add_argument("--cell", nargs=2, metavar=("ROW", "DATA"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cell:
        row, data = options.cell
        result = cell(row, data)
        path_of(options.out, row, data).write_text(json.dumps(result, indent=2) + "\n")
        return
    options.out.mkdir(parents=True, exist_ok=True)
    datasets = [options.data] if options.data else DATA
    todo = [(row, data) for row in options.rows for data in datasets]

    def work(item: tuple[str, str]) -> None:
        row, data = item
        path = path_of(options.out, row, data)
        if path.exists() or options.table:
            return
        # Operations this small do not gain from more threads.
        environment = {**os.environ, "TF_NUM_INTRAOP_THREADS": "1", "OMP_NUM_THREADS": "1"}
        words = [sys.executable, __file__, "--out", options.out, "--cell", row, data]
        subprocess.run(words, check=True, env=environment, stdout=subprocess.DEVNULL)
        result = json.loads(path.read_text())
        print(f"{row} on {data}: {result['modes']} modes, {result['good']:.1%} good", flush=True)

    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(work, todo))
    print(table(options.out))


if __name__ == "__main__":
    main()
