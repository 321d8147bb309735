"""The run directory: what is in it, found and written here alone.

    runs/00003-dcgan-cifar10/
        config.json    everything resolved: flavour, hyperparameters, data, seed, versions
        stats.jsonl    a line per log interval
        losses.png  reals.png  samples/step-0001000.png  events.*  checkpoints/  evaluation/
        export/

Imports no TensorFlow until a model is asked for.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfgan2.errors import UserError
from tfgan2.files import written_atomically

if TYPE_CHECKING:
    from tfgan2.data import ImageDataset, Progress
    from tfgan2.models.base import GenerativeModel

FORMAT = 1
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
STRATEGIES = ("auto", "none", "mirrored", "multiworker")
NEWEST, BEST = "newest", "best"


@dataclass
class DataOptions:
    """Which images; see `tfgan2.data.load_dataset`.

    `hold_out` of None is what the flavour has; `config.json` holds the number.
    """

    name: str
    image_size: int | None = None
    channels: int | None = None
    classes: list[str] | None = None
    split: str | None = None
    data_dir: str | None = None
    cache: str = "auto"
    skip_unreadable: bool = False
    hold_out: int | None = None
    direction: str = "AtoB"

    def load(self, progress: Progress | None = None) -> ImageDataset:
        """The images.

        Args:
            progress: as for `load_dataset`.

        Raises:
            UserError: likewise.
        """
        from tfgan2.data import load_dataset

        asked = {**asdict(self), "hold_out": self.hold_out or 0}
        return load_dataset(asked.pop("name"), **asked, progress=progress)


@dataclass
class TrainingOptions:
    """How to train.

    Attributes:
        steps: updates of the generator, in all.
        batch_size: images per update, over all replicas; None is what the flavour has,
            `config.json` holds the number.
        seed: of weights, noise and the order of the data.
        precision: one of `PRECISIONS`.
        xla: compile the step with XLA (one device only).
        winograd: convolutions by Winograd's filtering, of small images by patches; on the CPU with
            XLA in float32.
        strategy: which devices train, one of `STRATEGIES`.
        sync_batch_norm: whether batch norm sees the batches of all replicas together.
        log_every: steps between two lines of statistics.
        sample_every: steps between two grids of samples.
        checkpoint_every: steps between two checkpoints.
        keep_checkpoints: how many of the newest stay.
        sample_count: images in a grid of samples.
        evaluate_every: steps between two evaluations; 0 for none.
        evaluate_count: images that an evaluation makes.
        evaluate_features: see `tfgan2.evaluation`; None is what the data allow.
        evaluate_metrics: likewise.
        best_metric: the checkpoint that is best by this figure is kept.
    """

    steps: int = 5000
    batch_size: int | None = None
    seed: int = 0
    precision: str = "float32"
    xla: bool = True
    winograd: bool = True
    strategy: str = "auto"
    sync_batch_norm: bool = False
    log_every: int = 50
    sample_every: int = 250
    checkpoint_every: int = 500
    keep_checkpoints: int = 3
    sample_count: int = 64
    evaluate_every: int = 0
    evaluate_count: int = 2000
    evaluate_features: str | None = None
    evaluate_metrics: list[str] | None = None
    best_metric: str | None = None

    def check(self) -> None:
        """Raises a UserError for a value that is not possible."""
        names = ("steps", "batch_size", "log_every", "sample_every", "checkpoint_every")
        for name in (*names, "keep_checkpoints"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"--{name.replace('_', '-')} must be at least 1")
        if self.evaluate_count < 2:
            raise UserError("--evaluate-count must be at least 2")
        if not 0 <= self.seed < 2**31:
            raise UserError(f"--seed must be from 0 to {2**31 - 1}, not {self.seed}")


@dataclass
class RunConfig:
    """Everything that a run is made of; `config.json` holds it.

    Attributes:
        flavour: its name in the registry.
        hyperparameters: the constructor's arguments, resolved.
        data: what was asked for.
        training: how to train.
        dataset: what was found, see `ImageDataset.facts`.
        versions: of the packages that decide the numbers.
    """

    flavour: str
    hyperparameters: dict[str, Any]
    data: DataOptions
    training: TrainingOptions
    dataset: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps({"tfgan2_run": FORMAT, **asdict(self)}, indent=2) + "\n"

    def write(self, run: Path) -> None:
        """Writes `config.json` atomically."""
        with written_atomically(run / "config.json") as partial:
            partial.write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def read(cls, run: Path) -> RunConfig:
        """Reads a run's `config.json`.

        Raises:
            UserError: there is no such folder, it is not a run, or the file is damaged.
        """
        if not run.is_dir():
            raise UserError(f"no such run directory: {run}")
        path = run / "config.json"
        if not path.is_file():
            raise UserError(f"{run} is not a run directory: it has no config.json")
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.pop("tfgan2_run") != FORMAT:
                raise UserError(f"{path} was written by another version of tfgan2")
            content["data"] = DataOptions(**content["data"])
            content["training"] = TrainingOptions(**content["training"])
            return cls(**content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"{path} is damaged or no configuration of tfgan2: {error}") from error


def versions() -> dict[str, str]:
    """The versions that decide the numbers."""
    from importlib.metadata import version

    from tfgan2 import __version__

    return {
        "tfgan2": __version__,
        **{name: version(name) for name in ("tensorflow", "keras", "numpy")},
    }


def propose(root: Path, flavour: str, dataset: str) -> Path:
    """The next free name below `root`, for example runs/00003-dcgan-cifar10."""
    short = re.sub(r"[^A-Za-z0-9_]+", "-", Path(dataset.partition(":")[2] or dataset).stem)
    short = short.strip("-")
    numbers = [
        int(found[1])
        for path in (root.iterdir() if root.is_dir() else [])
        if (found := re.match(r"(\d{5})-", path.name))
    ]
    return root / f"{max(numbers, default=-1) + 1:05d}-{flavour}-{short or 'data'}"


def check_new(out: Path) -> None:
    """Raises a UserError unless a run can be made at `out`; writes nothing."""
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file; give a folder's name")
    if out.is_dir() and any(out.iterdir()):
        hint = f"; `tfgan2 fit --resume {out}` goes on with it" if is_run(out) else ""
        raise UserError(f"--out {out} exists and is not empty: choose another name{hint}")


def is_run(path: Path) -> bool:
    return (path / "config.json").is_file()


@contextlib.contextmanager
def locked(run: Path) -> Iterator[None]:
    """Keeps a second process from training the same run.

    Raises:
        UserError: another process trains it now.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(run / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"another process is training {run} right now") from None
    try:
        yield
    finally:
        lock.release()


def load_model(run: Path, which: str = NEWEST) -> tuple[GenerativeModel, dict[str, Any]]:
    """A run's model with the weights of a checkpoint, in float32.

    Args:
        run: the run directory.
        which: "newest", the newest that can be read; "best", of the metric that the run kept the
            best by; or the number of a step.

    Returns:
        The model, not compiled, and what is known about it: flavour, dataset, data (which part of
        that: classes, split, hold_out, as far as they were given), class_names (of the
        generator's labels, empty if it takes none), step, seed.

    Raises:
        UserError: not a run, or no such checkpoint that can be read.
    """
    from tfgan2 import registry
    from tfgan2.training import checkpoints

    config = RunConfig.read(run)
    checkpoint = checkpoints.choose(run, which)
    model = registry.create(config.flavour, **config.hyperparameters)
    checkpoints.restore(checkpoint, model.weights_by_name())
    return model, {
        "flavour": config.flavour,
        "dataset": config.data.name,
        "data": {
            name: value
            for name in ("classes", "split", "hold_out")
            if (value := getattr(config.data, name))
        },
        "class_names": model.label_names(config.dataset.get("class_names", [])),
        "step": checkpoint.step,
        "seed": config.training.seed,
    }
