"""The run directory: its name, its configuration, and the model in it; docs/fit.md lists its files.

Imports no TensorFlow until a model is loaded.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfgan2 import registry, remote, startup
from tfgan2.errors import UserError, unknown, writing
from tfgan2.files import written_atomically
from tfgan2.options import DataOptions, TrainingOptions

if TYPE_CHECKING:
    from tfgan2.models.base import GenerativeModel

FORMAT = 1
NEWEST = "newest"
_GRID = re.compile(r"step-(\d+)\.png")


@dataclass
class RunConfig:
    """The configuration of a run, stored in `config.json`; resolved once the run has begun.

    Attributes:
        hyperparameters: the constructor's arguments.
        dataset: facts about the images, see `ImageDataset.facts`.
        versions: versions of the packages that influence the numbers.
    """

    flavour: str
    hyperparameters: dict[str, Any]
    data: DataOptions
    training: TrainingOptions
    dataset: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def create(
        cls,
        flavour: str,
        dataset: str,
        hyperparameters: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> RunConfig:
        """Makes and checks the configuration of a new run; the arguments are those of `fit`.

        A pipeline has the name that `tfgan2.data.catalogue.PIPELINES` gives it.
        """
        from tfgan2.data import absolute_name  # slow to import

        values = dict(hyperparameters or {})
        if options.get("preset") is not None:
            registry.apply_preset(flavour, options["preset"], values, options)
        of_data = {item.name for item in DataOptions.declared()}
        known = {*of_data, *(item.name for item in TrainingOptions.declared())}
        for kind, names, possible in (
            (f"hyperparameter of {flavour}", values, registry.hyperparameters(flavour)),
            ("option", options, sorted(known)),
        ):
            for name in names:
                if name not in possible:
                    raise unknown(kind, name, possible)
        given = {name: options.pop(name) for name in of_data & options.keys()}
        data, training = DataOptions(absolute_name(dataset), **given), TrainingOptions(**options)
        data.check()
        training.check()
        if data.data_dir:
            data.data_dir = remote.absolute(data.data_dir)
        if training.init_from:
            training.init_from = remote.absolute(training.init_from)
        values["seed"] = training.seed
        return cls(flavour, values, data, training)

    @property
    def source(self) -> str:
        """The dataset's name; of a student, that of its teacher's."""
        return self.dataset.get("teacher", {}).get("dataset", self.data.name)

    def to_json(self) -> str:
        return json.dumps({"tfgan2_run": FORMAT, **asdict(self)}, indent=2) + "\n"

    @classmethod
    def read(cls, run_dir: Path) -> RunConfig:
        """Reads a run's `config.json`; raises a UserError unless the folder is a run."""
        if not run_dir.is_dir():
            from tfgan2.runtime.shipped import PREFIX

            if run_dir.is_file() or str(run_dir).startswith(PREFIX):
                raise UserError(
                    f"{run_dir} is no run directory: `tfgan2 generate`, `serve` and `evaluate` "
                    "take exported files"
                )
            raise UserError(f"no such run directory: {run_dir}")
        path = run_dir / "config.json"
        if not path.is_file():
            raise UserError(f"{run_dir} is not a run directory: it has no config.json")
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.pop("tfgan2_run") != FORMAT:
                raise UserError(f"{path} was written by another version of tfgan2")
            content["data"] = DataOptions(**content["data"])
            content["training"] = TrainingOptions(**content["training"])
            return cls(**content)
        except UserError:  # a ValueError, too
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path} is damaged or not written by tfgan2: {error}") from error


def versions() -> dict[str, str]:
    """Versions of the packages that influence the numbers."""
    from importlib.metadata import version

    return {name: version(name) for name in ("tfgan2", "tensorflow", "keras", "numpy")}


def propose(root: Path, flavour: str, dataset: str) -> Path:
    """The next free numbered name below `root`, for example runs/00003-dcgan-cifar10."""
    short = re.sub(r"[^A-Za-z0-9_]+", "-", Path(dataset.partition(":")[2] or dataset).stem)
    short = short.strip("-")
    names = [path.name for path in root.iterdir()] if root.is_dir() else []
    numbers = [int(match[1]) for name in names if (match := re.match(r"(\d{5})-", name))]
    return root / f"{max(numbers, default=-1) + 1:05d}-{flavour}-{short or 'data'}"


def check_new(out: Path) -> None:
    """Raises a UserError unless a run can be made at `out`; writes nothing."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file: choose a folder for the run")
    # What is left of a start that failed before its configuration was written.
    left = re.compile(r"\.lock|\.config\.partial-.*")
    if out.is_dir() and not all(left.fullmatch(path.name) for path in out.iterdir()):
        hint = ", or resume the run in it" if is_run(out) else ""
        raise UserError(f"{out} exists and is not empty: choose another folder{hint}")


def is_run(path: Path) -> bool:
    return (path / "config.json").is_file()


def sample_grids(run_dir: Path) -> dict[int, Path]:
    """Returns the sample grids of a run by step, in order; other files are left out."""
    grids = {
        int(match[1]): path
        for path in (run_dir / "samples").glob("step-*.png")
        if (match := _GRID.fullmatch(path.name)) and path.is_file()
    }
    return dict(sorted(grids.items()))


@contextlib.contextmanager
def held(run_dir: Path, config: RunConfig, *, new: bool, numbered: bool) -> Iterator[Path]:
    """Makes and locks a run directory, writes its configuration, and yields the directory.

    A `new` run has not begun yet; if it is `numbered` and another process has taken the name, it
    takes the next number. Raises a UserError if another process trains or has just begun this run.
    """
    from filelock import FileLock, Timeout

    with contextlib.ExitStack() as stack:
        with writing(run_dir):
            while numbered:
                try:
                    run_dir.mkdir(parents=True)
                    break
                except FileExistsError:
                    run_dir = propose(run_dir.parent, config.flavour, config.data.name)
            run_dir.mkdir(parents=True, exist_ok=True)
            try:
                stack.enter_context(FileLock(run_dir / ".lock").acquire(timeout=0))
            except Timeout:
                raise UserError(f"another process is training {run_dir} right now") from None
        if new and is_run(run_dir):
            raise UserError(
                f"another process has just started a run in {run_dir}: choose another folder"
            )
        with written_atomically(run_dir / "config.json") as partial:
            partial.write_text(config.to_json(), encoding="utf-8")
        yield run_dir


def load_model(run_dir: Path, which: str = NEWEST) -> tuple[GenerativeModel, dict[str, Any]]:
    """Loads a run's model with the weights of a checkpoint, in float32, not compiled.

    `which` is "newest", the newest that is not damaged; "best", the one with the best value of the
    run's metric; or a step.

    Returns:
        The model, and facts about it: flavour, dataset (of a student, its teacher's), data
        (classes, split and hold_out, if they were set; value_ranges, if files were scaled by some),
        class_names (of the generator's labels; empty if it takes none), labels_are_classes (those
        of the dataset), step, seed.
    """
    from tfgan2.training import checkpoints

    config = RunConfig.read(run_dir)
    startup.load()
    from tfgan2.nn.precision import precision

    checkpoint = checkpoints.choose(run_dir, which)
    with precision("float32"):
        model = registry.create(config.flavour, **config.hyperparameters)
    checkpoints.restore(checkpoint, model.weights_by_name())
    data = {name: getattr(config.data, name) for name in ("classes", "split", "hold_out")}
    if any(ranges := config.dataset.get("value_ranges", ())):
        data["value_ranges"] = ranges
    return model, {
        "flavour": config.flavour,
        "dataset": config.source,
        "data": {name: value for name, value in data.items() if value},
        "class_names": model.label_names(config.dataset.get("class_names", [])),
        "labels_are_classes": getattr(model, "labels_are_classes", False),
        "step": checkpoint.step,
        "seed": config.training.seed,
    }


def input_ranges(about: Mapping[str, Any], network: str) -> dict[str, tuple[float, float]]:
    """Returns the values that become black and white in the images that a network takes.

    By kind of file, see `tfgan2.images.ranges`. `about` is from `load_model`.
    """
    sides = about.get("data", {}).get("value_ranges") or [{}]
    chosen = sides[-1 if network == "b_to_a" else 0]
    return {kind: (low, high) for kind, (low, high) in chosen.items()}
