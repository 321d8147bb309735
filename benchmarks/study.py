"""Every flavour from noise, one budget, one protocol, several seeds: writes docs/results.md.

python benchmarks/study.py --data-dir DIR --work runs/study

The budget is ten minutes of training on 2 cores for each cell, that is a flavour, a dataset and a
seed: the steps below are what fits. A cell is kept when it is finished (`OUT/mnist/dcgan-1.json`
and its grid), so the study can be done in several sittings; a run that was interrupted is resumed.
`--datasets`, `--flavours` and `--seeds` name some of the cells, `--table` writes the page of what
is there and trains nothing. `--jobs 2` works on two cells side by side, each with its share of the
cores: on 2 cores that is 1.4 times as many cells an hour, each at 0.7 of the speed (Linux).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue
from statistics import median
from typing import Any

from tfgan2.files import written_atomically

# Updates of the generator, 64 images each. What one takes differs by a factor of 20.
STEPS = {
    "mnist": {
        "gan": 15_000,
        "dcgan": 8_000,
        "cgan": 25_000,
        "acgan": 8_000,
        "infogan": 7_000,
        "lsgan": 8_000,
        "wgan": 3_500,
        "wgan-gp": 2_300,
        "dragan": 5_500,
        "began": 7_000,
        "sngan": 8_000,
        "vae": 15_000,
    },
    "cifar10": {
        "gan": 12_000,
        "dcgan": 6_500,
        "cgan": 11_000,
        "acgan": 5_500,
        "infogan": 5_500,
        "lsgan": 6_500,
        "wgan": 1_700,
        "wgan-gp": 1_300,
        "dragan": 4_500,
        "began": 3_700,
        "sngan": 6_500,
        "vae": 15_000,
    },
    "stacked_mnist": {"dcgan": 7_000, "dcgan-packing-2": 7_000},
}
# A row that is not a flavour: which one it is, and what it is given.
VARIANTS = {"dcgan-packing-2": ("dcgan", "--set", "packing=2")}
# Samples that are judged; PacGAN's authors took 26,000 of stacked MNIST.
COUNTS = {"mnist": 10_000, "cifar10": 10_000, "stacked_mnist": 26_000}
COLUMNS = {
    "fid": ("FID", "{:.2f}"),
    "kid": ("KID x 1000", "{:.2f}"),
    "is": ("IS", "{:.2f}"),
    "precision": ("precision", "{:.3f}"),
    "recall": ("recall", "{:.3f}"),
    "density": ("density", "{:.3f}"),
    "coverage": ("coverage", "{:.3f}"),
    "classes_found": ("classes", "{:.0f}"),
    "modes_found": ("modes of 1,000", "{:.0f}"),
    "mode_kl": ("KL of modes", "{:.2f}"),
    "label_accuracy": ("labels right", "{:.1%}"),
}


def tfgan2(*words: str | Path) -> None:
    program = Path(sys.executable).with_name("tfgan2")
    subprocess.run([str(program), *map(str, words)], check=True)


def fit_words(dataset: str, flavour: str, seed: int) -> list[str]:
    """What `tfgan2 fit` is told."""
    name, *settings = VARIANTS.get(flavour, (flavour,))
    steps = str(STEPS[dataset][flavour])
    return [name, *settings, "--dataset", dataset, "--steps", steps, "--seed", str(seed)]


def cell(dataset: str, flavour: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Trains and judges one cell; its grid goes to where the results are."""
    run = options.work / dataset / f"{flavour}-{seed}"
    for folder in (run.parent, options.out / dataset):
        folder.mkdir(parents=True, exist_ok=True)
    if (run / "config.json").exists():
        tfgan2("fit", "--resume", run)
    else:
        every = str(max(100, STEPS[dataset][flavour] // 10))
        shown = ["--log-every", every, "--sample-every", every, "--checkpoint-every", every]
        words = fit_words(dataset, flavour, seed)
        tfgan2("fit", *words, *shown, "--data-dir", options.data_dir, "--out", run)
    judged = options.work / dataset / f"{flavour}-{seed}-evaluation"
    tfgan2("evaluate", run, "--count", str(COUNTS[dataset]), "--seed", "0", "--out", judged)
    result = json.loads((judged / "result.json").read_text())
    shutil.copy(judged / "samples.png", options.out / dataset / f"{flavour}-{seed}.png")
    for view in (run / "samples").glob("*/"):  # what only this flavour shows, such as codes
        newest = max(view.glob("*.png"))
        shutil.copy(newest, options.out / dataset / f"{flavour}-{seed}-{view.name}.png")
    lines = (run / "stats.jsonl").read_text().splitlines()
    config = json.loads((run / "config.json").read_text())
    unseen = ("image_shape", "seed", "num_classes")
    hyperparameters = config["hyperparameters"].items()
    return {
        "flavour": flavour,
        "dataset": dataset,
        "seed": seed,
        "command": " ".join(["tfgan2 fit", *fit_words(dataset, flavour, seed)]),
        "steps": STEPS[dataset][flavour],
        "kimg": result["who"]["kimg"],
        "seconds": round(json.loads(lines[-1])["seconds"]),
        "cores": len(cores_here()),
        "hyperparameters": {key: value for key, value in hyperparameters if key not in unseen},
        "figures": result["figures"],
        "protocol_id": result["protocol_id"],
        "protocol": result["protocol"],
        "weights": result["who"]["weights"],
    }


def cells_of(out: Path, dataset: str) -> dict[str, list[dict[str, Any]]]:
    """The finished cells of a dataset, by flavour."""
    found: dict[str, list[dict[str, Any]]] = {}
    for flavour in STEPS[dataset]:
        paths = sorted((out / dataset).glob(f"{flavour}-[0-9]*.json"))
        if paths:
            found[flavour] = [json.loads(path.read_text()) for path in paths]
    return found


def table(cells: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Median and spread per flavour, of one protocol."""
    known = {name for found in cells.values() for item in found for name in item["figures"]}
    names = [name for name in COLUMNS if name in known]
    heads = ["flavour", "seeds", "kimg", "core minutes", *(COLUMNS[name][0] for name in names)]
    lines = [
        "| " + " | ".join(heads) + " |",
        "|---" * len(heads) + "|",
    ]
    for flavour, found in cells.items():
        texts = [spread(name, found) for name in names]
        minutes = median(item["seconds"] * item["cores"] / 60 for item in found)
        kimg = f"{found[0]['kimg']:,.0f}"
        lines.append(
            f"| `{flavour}` | {len(found)} | {kimg} | {minutes:.0f} | " + " | ".join(texts) + " |"
        )
    return lines


def spread(name: str, found: list[dict[str, Any]]) -> str:
    """The median, and in brackets the smallest and largest where there are several."""
    scale = 1000 if name == "kid" else 1
    values = sorted(item["figures"][name] * scale for item in found if name in item["figures"])
    if not values:
        return ""
    form = COLUMNS[name][1].format
    if len(values) == 1 or form(values[0]) == form(values[-1]):
        return form(median(values))
    return f"{form(median(values))} ({form(values[0])}…{form(values[-1])})"


# --- the page ------------------------------------------------------------------------------------

INTRODUCTION = """# Results

Every flavour that makes images from noise, at its defaults, under one protocol. Made by

```
python benchmarks/study.py --data-dir DIR
```

which keeps what is finished and writes this page; `--datasets mnist --seeds 1` and the like make a
part of it. Each cell was trained by the command beside it and judged by `tfgan2 evaluate RUN`,
with 10,000 samples, of stacked MNIST 26,000; [evaluate.md](evaluate.md) says what the figures mean.
Where there are several seeds, a figure is the median, with the smallest and the largest in
brackets.

The budget is at most about ten minutes of training on 2 virtual cores, of an Intel Xeon or an AMD
EPYC, without a GPU: 20 core minutes, minutes by the clock times cores, by steps that were set
beforehand. Some flavours take less, and core minutes are more where other work ran beside. With
`--jobs 2` two cells share the machine, each on one core. On another number of cores sums are taken
in another order: a figure then repeats as that of another seed would, within the spread, and not to
all digits. The budget is small: it ranks what a flavour does in such a time on such a machine, not
what it can do.
"""

PUBLISHED = """## Beside published figures

CIFAR-10: what the papers and StudioGAN report is FID on Inception features of the 2015 graph,
50,000 images, networks ten times as large and days of a GPU: DCGAN 48.3, LSGAN 40.2, WGAN 107.7,
WGAN-GP 54.0, DRAGAN 34.7, conditional SNGAN 9.0. The figures above are on features of a small
classifier, which are other numbers in other units: **they cannot be compared, neither in size nor
in rank.** To measure under the published protocol, give `--features inception-tf:FILE --count
50000` where that graph is at hand. What ten minutes of two cores give is seen above: textures in
the colours of CIFAR-10, and with `dcgan` and `lsgan` shapes before a background.

Stacked MNIST: the question is the same one, which of 1,000 modes do 26,000 samples show, as a
classifier of digits names each channel. Lin et al. 2018 report 99 modes for DCGAN and 1,000 for
PacDCGAN2, with a KL divergence of 0.06. Networks, training and classifier were others, the
discriminator of their DCGAN one that misses modes easily; `dcgan` here has no such weakness that
packing could mend.
"""


def page(out: Path, to: Path) -> str:
    """The whole page in Markdown, from the finished cells."""
    parts = [INTRODUCTION]
    for dataset in STEPS:
        cells = cells_of(out, dataset)
        if not cells:
            continue
        parts.append(f"## {dataset}\n")
        by_protocol: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for flavour, found in cells.items():
            for item in found:
                protocol = by_protocol.setdefault(item["protocol_id"], {})
                protocol.setdefault(flavour, []).append(item)
        for identifier, group in by_protocol.items():
            first = next(iter(group.values()))[0]
            parts.append(protocol_line(identifier, first["protocol"]) + "\n")
            parts.append("\n".join(table(group)) + "\n")
        parts.append(details(cells, out, to, dataset))
    parts.append(PUBLISHED)
    return "\n".join(parts)


def protocol_line(identifier: str, protocol: dict[str, Any]) -> str:
    features, reference = protocol["features"], protocol["reference"]
    accuracy = features.get("accuracy")
    judge = f" (names {accuracy:.1%} of unseen images right)" if accuracy else ""
    return (
        f"Protocol `{identifier}`: features `{features['name']}`{judge}, weights "
        f"`{features.get('weights', '')}`; {reference['images']:,} real images, "
        f"split {reference.get('split') or 'train'}; {protocol['samples']['images']:,} samples, "
        f"seed {protocol['samples']['seed']}; IS over {protocol['is']['splits']} splits; KID over "
        f"{protocol['kid']['subsets']} subsets of {protocol['kid']['subset_size']}; "
        f"{protocol['prdc']['nearest']} nearest of the first {protocol['prdc']['samples']:,}."
    )


def details(cells: dict[str, list[dict[str, Any]]], out: Path, to: Path, dataset: str) -> str:
    """Command, hyperparameters and grid of each flavour."""
    lines = []
    for flavour, found in cells.items():
        first = found[0]
        values = " ".join(f"{key}={value}" for key, value in first["hyperparameters"].items())
        grid = (out / dataset / f"{flavour}-{first['seed']}.png").relative_to(to.parent)
        lines += [
            f"### {flavour} on {dataset}",
            "",
            f"`{first['command']}`, {first['weights']} weights; {values}",
            "",
            f"![64 samples of {flavour} on {dataset}]({grid})",
            "",
        ]
    return "\n".join(lines)


def cores_here() -> list[int]:
    """The cores that this thread may use, by number."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def shares_of_cores(jobs: int) -> SimpleQueue[list[int]]:
    """The cores of this process, dealt out among so many jobs."""
    cores = cores_here()
    if not 1 <= jobs <= len(cores):
        sys.exit(f"--jobs {jobs}: there are {len(cores)} cores here")
    shares: SimpleQueue[list[int]] = SimpleQueue()
    for job in range(jobs):
        shares.put(cores[job::jobs])
    return shares


def pin(shares: SimpleQueue[list[int]]) -> None:
    """Holds a thread, and the programs that it starts, to a share of the cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, shares.get())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="where tensorflow-datasets keeps its data")
    parser.add_argument("--work", type=Path, default=Path("runs/study"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/study"))
    parser.add_argument("--page", type=Path, default=Path("docs/results.md"))
    parser.add_argument("--datasets", default=",".join(STEPS))
    parser.add_argument("--flavours", help="default: all")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--table", action="store_true", help="write the page and end")
    parser.add_argument("--jobs", type=int, default=1, help="cells at a time, each on its cores")
    options = parser.parse_args()

    def where(dataset: str, flavour: str, seed: int) -> Path:
        return Path(options.out) / dataset / f"{flavour}-{seed}.json"

    cells = [
        (dataset, flavour, int(seed))
        for dataset in options.datasets.split(",")
        for seed in options.seeds.split(",")
        for flavour in STEPS[dataset]
        if options.flavours is None or flavour in options.flavours.split(",")
    ]
    cells = [] if options.table else [words for words in cells if not where(*words).exists()]
    shares = shares_of_cores(options.jobs)
    with ThreadPoolExecutor(options.jobs, initializer=pin, initargs=(shares,)) as pool:
        try:
            futures = {pool.submit(cell, *words, options): words for words in cells}
            for future in as_completed(futures):
                dataset, flavour, seed = futures[future]
                try:
                    found = future.result()
                except subprocess.CalledProcessError as error:  # a run that diverged stops no other
                    print(f"{flavour} on {dataset}, seed {seed}: {error}", file=sys.stderr)
                    continue
                with written_atomically(where(dataset, flavour, seed)) as partial:
                    partial.write_text(json.dumps(found, indent=2) + "\n")
                options.page.write_text(page(options.out, options.page))
                shown = ("dataset", "flavour", "seed", "seconds", "figures")
                print(json.dumps({key: found[key] for key in shown}), flush=True)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    options.page.write_text(page(options.out, options.page))


if __name__ == "__main__":
    main()
