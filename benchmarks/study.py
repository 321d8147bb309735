"""Trains and evaluates every flavour on noise with one budget and protocol: docs/results.md.

python benchmarks/study.py --data-dir DIR --faces DIR --work runs/study

The budget is ten minutes of training on 2 cores for each cell, which is a flavour, a dataset and a
seed; the steps below fit into it. A finished cell is kept (`OUT/mnist/dcgan-1.json` and its grid),
so the study can be done in several sittings, and an interrupted run is resumed. `--datasets`,
`--flavours` and `--seeds` select cells. `--table` only writes the page from the finished cells.
`--jobs 2` works on two cells at a time, each with its share of the cores: on 2 cores that gives 1.4
times as many cells an hour, each at 0.7 of the speed (Linux).
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

# Generator updates of 64 images each; the time of one differs by a factor of 20.
STEPS = {
    "mnist": {
        "gan": 15_000,
        "dcgan": 8_000,
        "dcgan-plain": 8_000,
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
        "dcgan-plain": 6_500,
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
    "stacked_mnist": {"dcgan-plain": 7_000, "dcgan-plain-packing-2": 7_000},
}
# Twice the budget, in batches of 16, 32, 8 and 16 images.
MODERN = {"r3gan-cpu": 5_000, "stylegan2-cpu": 4_000, "fastgan-cpu": 4_500, "projected-cpu": 5_000}
STEPS["cifar10"] |= MODERN
# Twice the budget, in batches of 32.
LADDER = ("projection-cpu", "sagan-cpu", "biggan-cpu", "reacgan-cpu")
STEPS["mnist"] |= dict.fromkeys(LADDER, 9_000)
STEPS["faces"] = {k: v for k, v in STEPS["cifar10"].items() if k not in ("cgan", "acgan")}
# Rows with other options: their flavour and options. The paper's DCGAN has no noise on D's inputs
# and no smoothed labels.
PLAIN = ("dcgan", "--set", "label_smoothing=0", "--set", "instance_noise=0")
VARIANTS = {
    "dcgan-plain": PLAIN,
    "dcgan-plain-packing-2": (*PLAIN, "--set", "packing=2"),
    **{
        name: (name.removesuffix("-cpu"), "--preset", "cpu")
        for steps in list(STEPS.values())
        for name in steps
        if name.endswith("-cpu")
    },
}
# Samples to evaluate; the authors of PacGAN take 26,000 of stacked MNIST.
COUNTS = {"mnist": 10_000, "cifar10": 10_000, "stacked_mnist": 26_000, "faces": 5_000}
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


def fit_words(dataset: str, flavour: str, seed: int, faces: str = "FACES") -> list[str]:
    """Returns the arguments of `tfgan2 fit`; `faces` is the folder of these."""
    name, *settings = VARIANTS.get(flavour, (flavour,))
    data = [f"folder:{faces}", "--image-size", "32"] if dataset == "faces" else [dataset]
    steps = str(STEPS[dataset][flavour])
    return [name, *settings, "--dataset", *data, "--steps", steps, "--seed", str(seed)]


def cell(dataset: str, flavour: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Trains and evaluates one cell; copies its grid to the results."""
    run = options.work / dataset / f"{flavour}-{seed}"
    for folder in (run.parent, options.out / dataset):
        folder.mkdir(parents=True, exist_ok=True)
    if (run / "config.json").exists():
        tfgan2("fit", "--resume", run)
    else:
        every = str(max(100, STEPS[dataset][flavour] // 10))
        shown = ["--log-every", every, "--sample-every", every, "--checkpoint-every", every]
        words = fit_words(dataset, flavour, seed, options.faces)
        tfgan2("fit", *words, *shown, "--data-dir", options.data_dir, "--out", run)
    evaluation = options.work / dataset / f"{flavour}-{seed}-evaluation"
    measured = ["--features", options.features, "--count", str(COUNTS[dataset]), "--seed", "0"]
    tfgan2("evaluate", run, *measured, "--out", evaluation)
    result = json.loads((evaluation / "result.json").read_text())
    shutil.copy(evaluation / "samples.png", options.out / dataset / f"{flavour}-{seed}.png")
    for view in (run / "samples").glob("*/"):  # views of this flavour, such as codes
        newest = max(view.glob("*.png"))
        shutil.copy(newest, options.out / dataset / f"{flavour}-{seed}-{view.name}.png")
    lines = (run / "stats.jsonl").read_text().splitlines()
    config = json.loads((run / "config.json").read_text())
    omitted = ("image_shape", "seed", "num_classes")
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
        "hyperparameters": {key: value for key, value in hyperparameters if key not in omitted},
        "figures": result["figures"],
        "protocol_id": result["protocol_id"],
        "protocol": result["protocol"],
        "weights": result["who"]["weights"],
    }


def cells_of(out: Path, dataset: str) -> dict[str, list[dict[str, Any]]]:
    """Reads the finished cells of a dataset, by flavour."""
    results: dict[str, list[dict[str, Any]]] = {}
    for flavour in STEPS[dataset]:
        paths = sorted((out / dataset).glob(f"{flavour}-[0-9]*.json"))
        if paths:
            results[flavour] = [json.loads(path.read_text()) for path in paths]
    return results


def table(cells: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Returns a table with median and spread of each flavour, for one protocol."""
    known = {name for results in cells.values() for item in results for name in item["figures"]}
    names = [name for name in COLUMNS if name in known]
    heads = ["flavour", "seeds", "kimg", "core minutes", *(COLUMNS[name][0] for name in names)]
    lines = [
        "| " + " | ".join(heads) + " |",
        "|---" * len(heads) + "|",
    ]
    for flavour, results in cells.items():
        texts = [spread(name, results) for name in names]
        minutes = median(item["seconds"] * item["cores"] / 60 for item in results)
        kimg = f"{results[0]['kimg']:,.0f}"
        lines.append(
            f"| `{flavour}` | {len(results)} | {kimg} | {minutes:.0f} | " + " | ".join(texts) + " |"
        )
    return lines


def spread(name: str, results: list[dict[str, Any]]) -> str:
    """Formats the median and, for several seeds, the smallest and largest value."""
    scale = 1000 if name == "kid" else 1
    values = sorted(item["figures"][name] * scale for item in results if name in item["figures"])
    if not values:
        return ""
    form = COLUMNS[name][1].format
    if len(values) == 1 or form(values[0]) == form(values[-1]):
        return form(median(values))
    return f"{form(median(values))} ({form(values[0])}…{form(values[-1])})"


# --- the page ------------------------------------------------------------------------------------

INTRODUCTION = """# Results

Every flavour that generates images from noise, at its defaults, under one protocol. Rows that end
in `-cpu` have the preset `cpu`. `dcgan-plain` has, as its paper, no noise on the discriminator's
inputs and no smoothed labels, which are defaults of `dcgan`:

```
python benchmarks/study.py --data-dir DIR --faces DIR
```

This keeps finished cells and writes this page. `--datasets mnist --seeds 1` computes a part of it.
The command beside each image trained that cell. `tfgan2 evaluate RUN` evaluated it with 10,000
samples, on stacked MNIST with 26,000, on the faces with 5,000. [evaluate.md](evaluate.md) explains
the figures. With several seeds, a figure is the median, followed by the smallest and the largest in
brackets.

Cells by `efficientnet-lite0`, the default, replace those by other features one by one. Those by
`classifier` came from `--features classifier`, whose version was 2. After its first epoch it may
have been trained on its test images, so its accuracy may be too high; version 3 mends this and
gives other protocols.

The budget is about ten minutes of training on 2 virtual cores of an Intel Xeon or an AMD EPYC,
without a GPU. That is 20 core minutes: minutes times cores. The steps were fixed beforehand, so
some flavours take less, and other work on the machine adds core minutes. With `--jobs 2`, two cells
share the machine, each on one core. A different number of cores changes the order of sums: figures
then vary as between seeds and do not repeat to all digits. The budget is small. It ranks what a
flavour reaches in this time on this machine, not what it can reach. Presets `cpu` have twice the
budget.

`projected` is trained on features of `efficientnet-lite0`, by which it is also judged: its FID says
less than that of others. Compare its grid and recall.
"""

PUBLISHED = """## Beside published figures

CIFAR-10: the papers and StudioGAN report FID on Inception features of the 2015 graph, for 50,000
images, networks ten times as large and days on a GPU: DCGAN 48.3, LSGAN 40.2, WGAN 107.7, WGAN-GP
54.0, DRAGAN 34.7, conditional SNGAN 9.0. The figures above use features of a small classifier, in
other units. **They cannot be compared with the published ones, neither in size nor in rank.** To
measure under the published protocol, give `--features inception-tf:FILE --count 50000` with that
graph. Ten minutes on two cores give textures in the colours of CIFAR-10, and with
`dcgan-plain` and `lsgan` shapes in front of a background.

Stacked MNIST: how many of 1,000 modes do 26,000 samples show, if a classifier of digits labels each
channel? Lin et al. 2018 report 99 modes for DCGAN and 1,000 for PacDCGAN2, with a KL divergence of
0.06. Their networks, training and classifier differ, and the discriminator of their DCGAN misses
modes easily. `dcgan-plain` here has no such weakness that packing could remove.
"""


def page(out: Path, to: Path) -> str:
    """Returns the page in Markdown, from the finished cells."""
    parts = [INTRODUCTION]
    for dataset in STEPS:
        cells = cells_of(out, dataset)
        if not cells:
            continue
        parts.append(f"## {dataset}\n")
        by_protocol: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for flavour, results in cells.items():
            for item in results:
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
    quality = f" (accuracy {accuracy:.1%} on unseen images)" if accuracy else ""
    scores = f"IS over {protocol['is']['splits']} splits; " if "is" in protocol else ""
    return (
        f"Protocol `{identifier}`: features `{features['name']}`{quality}, weights "
        f"`{features.get('weights', '')}`; {reference['images']:,} real images, "
        f"split {reference.get('split') or 'train'}; {protocol['samples']['images']:,} samples, "
        f"seed {protocol['samples']['seed']}; {scores}KID over "
        f"{protocol['kid']['subsets']} subsets of {protocol['kid']['subset_size']}; "
        f"{protocol['prdc']['nearest']} nearest of the first {protocol['prdc']['samples']:,}."
    )


def details(cells: dict[str, list[dict[str, Any]]], out: Path, to: Path, dataset: str) -> str:
    """Returns command, hyperparameters and grid of each flavour."""
    lines = []
    for flavour, results in cells.items():
        first = results[0]
        values = " ".join(f"{key}={value}" for key, value in first["hyperparameters"].items())
        grid = Path(os.path.relpath(out / dataset / f"{flavour}-{first['seed']}.png", to.parent))
        lines += [
            f"### {flavour} on {dataset}",
            "",
            f"`{first['command']}`, {first['weights']} weights; {values}",
            "",
            f"![64 samples of {flavour} on {dataset}]({grid.as_posix()})",
            "",
        ]
    return "\n".join(lines)


def cores_here() -> list[int]:
    """Returns the numbers of the cores that this thread may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def shares_of_cores(jobs: int) -> SimpleQueue[list[int]]:
    """Divides the cores of this process among jobs."""
    cores = cores_here()
    if not 1 <= jobs <= len(cores):
        sys.exit(f"--jobs {jobs} is not possible: this machine has {len(cores)} cores")
    shares: SimpleQueue[list[int]] = SimpleQueue()
    for job in range(jobs):
        shares.put(cores[job::jobs])
    return shares


def pin(shares: SimpleQueue[list[int]]) -> None:
    """Restricts a thread, and the programs that it starts, to a share of the cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, shares.get())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="directory of tensorflow-datasets")
    parser.add_argument("--faces", help="directory of face images, for --datasets faces")
    parser.add_argument("--features", default="efficientnet-lite0", help="of `tfgan2 evaluate`")
    parser.add_argument("--work", type=Path, default=Path("runs/study"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/study"))
    parser.add_argument("--page", type=Path, default=Path("docs/results.md"))
    parser.add_argument("--datasets", default=",".join(STEPS))
    parser.add_argument("--flavours", help="default: all")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--table", action="store_true", help="only write the page")
    parser.add_argument("--jobs", type=int, default=1, help="cells at a time")
    options = parser.parse_args()
    if "faces" in options.datasets.split(",") and not (options.faces or options.table):
        parser.error("give --faces DIR, or --datasets without faces")

    def result_path(dataset: str, flavour: str, seed: int) -> Path:
        return Path(options.out) / dataset / f"{flavour}-{seed}.json"

    def is_finished(*words: Any) -> bool:
        """Whether a cell has a result by the features asked for."""
        path = result_path(*words)
        if not path.exists():
            return False
        name: str = json.loads(path.read_text())["protocol"]["features"]["name"]
        return name == options.features

    cells = [
        (dataset, flavour, int(seed))
        for dataset in options.datasets.split(",")
        for seed in options.seeds.split(",")
        for flavour in STEPS[dataset]
        if options.flavours is None or flavour in options.flavours.split(",")
    ]
    cells = [] if options.table else [words for words in cells if not is_finished(*words)]
    shares = shares_of_cores(options.jobs)
    with ThreadPoolExecutor(options.jobs, initializer=pin, initargs=(shares,)) as pool:
        try:
            futures = {pool.submit(cell, *words, options): words for words in cells}
            for future in as_completed(futures):
                dataset, flavour, seed = futures[future]
                try:
                    results = future.result()
                except subprocess.CalledProcessError as error:  # a run diverged
                    print(f"{flavour} on {dataset}, seed {seed}: {error}", file=sys.stderr)
                    continue
                with written_atomically(result_path(dataset, flavour, seed)) as partial:
                    partial.write_text(json.dumps(results, indent=2) + "\n")
                options.page.write_text(page(options.out, options.page))
                shown = ("dataset", "flavour", "seed", "seconds", "figures")
                print(json.dumps({key: results[key] for key in shown}), flush=True)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    options.page.write_text(page(options.out, options.page))


if __name__ == "__main__":
    main()
