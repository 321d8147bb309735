"""Trains and evaluates every flavour on noise under one protocol: docs/results.md.

python benchmarks/study.py --data-dir DIR --faces DIR                    # ten minutes on 2 cores
python benchmarks/study.py --tier gpu --data-dir DIR --faces DIR --jobs 4 --minutes 25
python benchmarks/study.py --smoke --data-dir DIR --faces DIR            # every cell in small
python benchmarks/study.py --table                                       # only writes the page
python benchmarks/study.py --out runs/results --data-dir DIR --faces DIR # writes runs/results.md

A cell is a row of study_cells.py, a dataset and a seed. A finished cell is kept
(`OUT/study/mnist/dcgan-1.json` and its grid) and an interrupted run is resumed, so the study can be
done in several sittings: `--minutes` ends one, with all runs saved. `--datasets`, `--flavours`
(names of rows) and `--seeds` select cells. `--jobs N` works on N cells at a time, each with its
share of the cores (Linux), and all on one card. On 2 cores, 2 jobs give 1.4 times as many cells an
hour. `--again` trains finished cells once more from the beginning and adds what they reach to them.
`--peers DIR` evaluates folders of other people's samples, see docs/results.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from command_line import errors_in_one_line
from study_cells import FACES_SIZE, TIERS, Row, Tier, fit_words
from study_page import DEFAULT_FEATURES, PEER, page

from tfgan2.files import written_atomically

JUDGED = {"mnist": "classes", "cifar10": "classes", "stacked_mnist": "modes"}
"""Data whose classes a classifier finds in the samples, and the metric of `tfgan2 evaluate`."""
KEPT = ("figures", "protocol_id", "protocol", "judge")
"""Parts of a result that a cell has, too; `judge` is the classifier that the classes come from."""
PEER_FACTS = ("name", "dataset", "source", "licence", "minutes", "machine")
SMALL = ("--batch-size", "8")
_SAVING_SECONDS = 60.0


class SittingOver(Exception):
    """The time of this sitting is over; what ran has been saved."""


class Study:
    """The cells that options select, and their folders."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.tier = options, in_small(TIERS[options.tier], options.smoke)
        self.folder = options.out / self.tier.folder
        self.deadline = time.monotonic() + 60 * options.minutes if options.minutes else None
        self.card = card()

    def cells(self) -> list[tuple[str, str, int]]:
        """Dataset, row and seed of the cells to do, all rows before the next seed.

        With `--again` these are the finished ones that have been trained once.
        """
        options = self.options
        every = [
            (dataset, name, seed)
            for seed in options.seeds
            for dataset in options.datasets
            for name in self.tier.rows[dataset]
            if options.flavours is None or name in options.flavours
        ]
        if options.again:
            finished = (words for words in every if self.is_finished(self.path(*words)))
            return [words for words in finished if "again" not in read(self.path(*words))]
        return [words for words in every if not self.is_finished(self.path(*words))]

    def path(self, dataset: str, name: str, seed: int) -> Path:
        return Path(self.folder / dataset / f"{name}-{seed}.json")

    def is_finished(self, path: Path) -> bool:
        """Returns True if a cell has figures by the features in use."""
        if not path.exists():
            return False
        name, *_ = self.options.features.split(":")  # inception-tf:FILE
        return bool(read(path)["protocol"]["features"]["name"] == name)

    def tfgan2(self, *words: str | Path) -> None:
        """Runs a command of tfgan2; after the deadline it saves and exits.

        Raises:
            SittingOver: the deadline has passed.
            CalledProcessError: the command failed.
        """
        program = Path(sys.executable).with_name("tfgan2")
        left = None if self.deadline is None else self.deadline - time.monotonic()
        if left is not None and left <= 0:
            raise SittingOver
        # Several trainings share a card only if none takes all of its memory.
        growing = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}
        process = subprocess.Popen([program, *map(str, words)], env={**os.environ, **growing})
        try:
            code = process.wait(left)
        except subprocess.TimeoutExpired:
            process.terminate()
            try:
                process.wait(_SAVING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            raise SittingOver from None
        if code:
            raise subprocess.CalledProcessError(code, ["tfgan2", *map(str, words)])

    def do_cell(self, dataset: str, name: str, seed: int) -> dict[str, Any]:
        """Trains and evaluates a cell, or once more a finished one; returns its content."""
        options, to = self.options, self.path(dataset, name, seed)
        run = options.work / self.tier.folder / dataset / to.stem
        run = run.with_name(f"{run.name}-again") if options.again else run
        self.train(run, dataset, name, seed)
        result = self.evaluate(run, dataset, run.with_name(f"{run.name}-evaluation"))
        lines = (run / "stats.jsonl").read_text("utf-8").splitlines()
        seconds = round(json.loads(lines[-1])["seconds"])
        if options.again:
            return read(to) | {"again": {"seconds": seconds, "figures": result["figures"]}}
        copy_images(run, to)
        row = self.tier.rows[dataset][name]
        hyperparameters = read(run / "config.json")["hyperparameters"].items()
        omitted = ("image_shape", "seed", "num_classes")
        return {
            "flavour": name,
            "dataset": dataset,
            "seed": seed,
            "command": " ".join(["tfgan2 fit", *fit_words(row, dataset, seed, self.tier)]),
            "steps": row.steps,
            "kimg": result["who"]["kimg"],
            "seconds": seconds,
            "cores": len(cores_here()),
            "card": self.card,
            "commit": commit(),
            "jobs": options.jobs,
            "hyperparameters": {key: value for key, value in hyperparameters if key not in omitted},
            **{key: result[key] for key in KEPT if key in result},
            "weights": result["who"]["weights"],
        }

    def train(self, run: Path, dataset: str, name: str, seed: int) -> None:
        """Begins a run, or goes on with it."""
        row = self.tier.rows[dataset][name]
        run.parent.mkdir(parents=True, exist_ok=True)
        if (run / "config.json").exists():
            self.tfgan2("fit", "--resume", run)
            return
        every = str(max(10, row.steps // 10))
        shown = ["--log-every", every, "--sample-every", every, "--checkpoint-every", every]
        words = fit_words(row, dataset, seed, self.tier, self.options.faces)
        self.tfgan2("fit", *words, *shown, *self.data_words(dataset), "--out", run)

    def data_words(self, dataset: str) -> list[str]:
        where = self.options.data_dir
        return ["--data-dir", where] if where and dataset != "faces" else []

    def evaluate(self, source: Path, dataset: str, out: Path, *words: str | Path) -> dict[str, Any]:
        """Evaluates a run or a folder; figures of classes come from a classifier of the dataset."""
        options = self.options
        count = ["--count", str(self.tier.counts[dataset]), "--seed", "0"]
        measured = [source, *words, *count, "--features"]
        self.tfgan2("evaluate", *measured, options.features, "--out", out)
        result = read(out / "result.json")
        if dataset in JUDGED and options.features != "classifier":
            classes = out.with_name(f"{out.name}-classes")
            metrics = ["--metrics", JUDGED[dataset]]
            self.tfgan2("evaluate", *measured, "classifier", *metrics, "--out", classes)
            judged = read(classes / "result.json")
            result["figures"] |= judged["figures"]
            features = judged["protocol"]["features"]
            result["judge"] = {key: features[key] for key in ("version", "weights", "accuracy")}
        return result

    def peers(self) -> list[tuple[Path, dict[str, Any]]]:
        """The folders of other people's samples that are to be evaluated, with their facts."""
        found = []
        for path in sorted(self.options.peers.glob("*/peer.json")):
            try:
                facts = json.loads(path.read_text("utf-8"))
                missing = [name for name in PEER_FACTS if name not in facts]
            except (ValueError, TypeError):
                sys.exit(f"'{path}' is not JSON")
            if missing:
                sys.exit(f"'{path}' lacks {', '.join(missing)}")
            if facts["dataset"] not in self.tier.rows:
                sys.exit(f"'{path}': dataset must be one of {', '.join(self.tier.rows)}")
            to = self.folder / facts["dataset"] / f"{PEER}{path.parent.name}.json"
            if not self.is_finished(to):
                found.append((path.parent, facts))
        if not found and not list(self.options.peers.glob("*/peer.json")):
            sys.exit(f"--peers '{self.options.peers}' holds no folder with a peer.json")
        return found

    def evaluate_peer(self, samples: Path, facts: dict[str, Any]) -> dict[str, Any]:
        """Evaluates other people's samples of a dataset."""
        dataset = facts["dataset"]
        size = str(FACES_SIZE)
        faces = ["--dataset", f"folder:{self.options.faces}", "--image-size", size]
        data = faces if dataset == "faces" else ["--dataset", dataset, *self.data_words(dataset)]
        work = self.options.work / self.tier.folder / dataset / f"{PEER}{samples.name}"
        work.parent.mkdir(parents=True, exist_ok=True)
        result = self.evaluate(samples, dataset, work, *data)
        return {"peer": facts, "dataset": dataset} | {k: result[k] for k in KEPT if k in result}

    def do_peers(self) -> int:
        """Evaluates all samples of others; returns an exit code."""
        failed = 0
        for samples, facts in self.peers():
            path = self.folder / facts["dataset"] / f"{PEER}{samples.name}.json"
            try:
                self.keep(path, self.evaluate_peer(samples, facts))
            except SittingOver:
                break
            except subprocess.CalledProcessError as error:  # it has said why
                print(f"{samples}: {error}", file=sys.stderr, flush=True)
                failed += 1
        return min(failed, 1)

    def keep(self, path: Path, cell: dict[str, Any]) -> None:
        """Writes a finished cell and renews the page."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_atomically(path) as partial:
            partial.write_text(json.dumps(cell, indent=2) + "\n", encoding="utf-8")
        self.write_page()
        shown = ("dataset", "flavour", "peer", "seed", "seconds", "figures")
        print(json.dumps({key: cell[key] for key in shown if key in cell}), flush=True)

    def write_page(self) -> None:
        to = self.options.page
        with written_atomically(to, parents=True) as partial:
            partial.write_text(page(self.options.out, to), encoding="utf-8")

    def do(self) -> int:
        """Does what is left, as far as the time of this sitting goes; returns an exit code."""
        cells, failed, over = self.cells(), 0, False
        shares = shares_of_cores(self.options.jobs)
        with ThreadPoolExecutor(self.options.jobs, initializer=pin, initargs=(shares,)) as pool:
            try:
                futures = {pool.submit(self.do_cell, *words): words for words in cells}
                for future in as_completed(futures):
                    words = futures[future]
                    try:
                        self.keep(self.path(*words), future.result())
                    except SittingOver:
                        over = True
                    except subprocess.CalledProcessError as error:  # a run diverged
                        print(f"{words}: {error}", file=sys.stderr, flush=True)
                        failed += 1
            except KeyboardInterrupt:
                pool.shutdown(cancel_futures=True)
                raise
        if over:
            left = len(self.cells())
            print(f"{left} cells are left: the same command goes on with them", flush=True)
        return min(failed, 1)


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return content


def copy_images(run: Path, to: Path) -> None:
    """Copies the grids of a run, and of its views such as codes, beside its cell."""
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(run.with_name(f"{run.name}-evaluation") / "samples.png", to.with_suffix(".png"))
    for view in (run / "samples").glob("*/"):
        newest = max(view.glob("*.png"))
        shutil.copy(newest, to.with_name(f"{to.stem}-{view.name}.png"))


def in_small(tier: Tier, smoke: bool) -> Tier:
    """Every cell of a tier with 20 small steps, 64 samples and a folder of its own."""
    if not smoke:
        return tier
    rows = {
        dataset: {name: Row((*row.words, *SMALL), 20) for name, row in rows.items()}
        for dataset, rows in tier.rows.items()
    }
    counts = dict.fromkeys(tier.counts, 64)
    return tier._replace(folder=f"smoke-{tier.folder}", rows=rows, counts=counts)


def card() -> str | None:
    """The name of the first NVIDIA GPU of this machine."""
    if not shutil.which("nvidia-smi"):
        return None
    words = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    names = subprocess.run(words, capture_output=True, text=True).stdout.splitlines()
    return re.sub(r"^NVIDIA ", "", names[0]) if names else None


def commit() -> str | None:
    """The commit of this checkout that is measured, `+` if changed since; None without git."""
    if not shutil.which("git"):
        return None
    words = ["git", "describe", "--always", "--abbrev=10", "--exclude=*", "--dirty=+"]
    found = subprocess.run(words, capture_output=True, text=True, cwd=Path(__file__).parent)
    return found.stdout.strip() or None


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


def names(text: str) -> list[str]:
    return text.split(",")


def seeds(text: str) -> list[int]:
    try:
        return [int(seed) for seed in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"give numbers such as 1,2, not {text!r}") from None


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tier", choices=TIERS, default="cpu")
    parser.add_argument("--data-dir", help="directory of tensorflow-datasets")
    parser.add_argument("--faces", help="directory of face images, for --datasets faces")
    parser.add_argument("--features", default=DEFAULT_FEATURES, help="of `tfgan2 evaluate`")
    parser.add_argument("--work", type=Path, default=Path("runs"), help="for the runs")
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    parser.add_argument("--page", type=Path, help="default: OUT.md")
    parser.add_argument("--datasets", type=names, help="default: all")
    parser.add_argument("--flavours", type=names, help="rows; default: all")
    parser.add_argument("--seeds", type=seeds, default=[1, 2, 3])
    parser.add_argument("--jobs", type=int, default=1, help="cells at a time")
    parser.add_argument("--minutes", type=float, help="of this sitting; default: until all is done")
    parser.add_argument("--again", action="store_true", help="train finished cells once more")
    parser.add_argument("--peers", type=Path, help="directory of folders of samples")
    parser.add_argument("--smoke", action="store_true", help="every cell in small")
    parser.add_argument("--table", action="store_true", help="only write the page")
    options = parser.parse_args(arguments)
    out = options.out.absolute()
    options.page = options.page or out.with_name(f"{out.name}.md")
    rows = TIERS[options.tier].rows
    options.datasets = options.datasets or list(rows)
    for dataset in options.datasets:
        if dataset not in rows:
            parser.error(f"--datasets {dataset}: give some of {', '.join(rows)}")
        if dataset == "faces" and not (options.faces or options.table):
            parser.error("give --faces DIR, or --datasets without faces")
    known = {name for dataset in options.datasets for name in rows[dataset]}
    for name in options.flavours or ():
        if name not in known:
            parser.error(f"--flavours {name}: give some of {', '.join(sorted(known))}")
    return options


@errors_in_one_line()
def main(arguments: list[str] | None = None) -> None:
    options = parsed(arguments)
    study = Study(options)
    code = 0
    if options.peers and not options.table:
        code = study.do_peers()
    elif not options.table:
        code = study.do()
    study.write_page()
    sys.exit(code)


if __name__ == "__main__":
    main()
