"""tfgan2 fit"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tfgan2 import registry, remote, runs
from tfgan2.cli.options import Direction, Precision
from tfgan2.errors import UserError

if TYPE_CHECKING:
    from tfgan2.distributed.strategies import Worker
    from tfgan2.remote import Mirror
    from tfgan2.training.progress import Display


class Strategy(str, Enum):
    auto = "auto"
    none = "none"
    mirrored = "mirrored"
    multiworker = "multiworker"


class Cache(str, Enum):
    auto = "auto"
    memory = "memory"
    stream = "stream"


DATA, TRAINING, OUTPUT, EVALUATION = "Data", "Training", "Run directory", "Evaluation"


def fit(
    flavour: Annotated[
        str | None, typer.Argument(help="What to train; `tfgan2 models` lists the flavours.")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Its name, folder:PATH, prepared:FILE, pairs:DIR, unpaired:DIR_A,DIR_B or "
            "captions:FILE.jsonl; `tfgan2 datasets` lists them.",
            rich_help_panel=DATA,
        ),
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(help="Crop to a square, resize to this.", rich_help_panel=DATA)
    ] = None,
    channels: Annotated[
        int | None,
        typer.Option(help="1 grey, 3 colour, 4 with transparency.", rich_help_panel=DATA),
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            help="Only these classes, by name or number; repeat it or use commas.",
            rich_help_panel=DATA,
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Of tensorflow-datasets, for example train+test.", rich_help_panel=DATA),
    ] = None,
    data_dir: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Where tensorflow-datasets keeps its data; gs://… works, too.",
            rich_help_panel=DATA,
        ),
    ] = None,
    hold_out: Annotated[
        int | None,
        typer.Option(
            help="Images kept out of training; default 16 where images are made from images.",
            rich_help_panel=DATA,
        ),
    ] = None,
    direction: Annotated[
        Direction,
        typer.Option(help="Of pairs and unpaired images.", rich_help_panel=DATA),
    ] = Direction.AtoB,
    cache: Annotated[
        Cache,
        typer.Option(help="Keep the images in memory, or stream them.", rich_help_panel=DATA),
    ] = Cache.auto,
    skip_unreadable: Annotated[
        bool,
        typer.Option(
            "--skip-unreadable", help="Leave out files that cannot be read.", rich_help_panel=DATA
        ),
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A hyperparameter; `tfgan2 info FLAVOUR` lists them. Repeatable.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="Updates of the generator; default 5000.", rich_help_panel=TRAINING),
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(help="Instead of --steps: passes over the data.", rich_help_panel=TRAINING),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            help="Images per update; default 64 or the paper's.", rich_help_panel=TRAINING
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Of weights, noise and data order.", rich_help_panel=TRAINING),
    ] = None,
    precision: Annotated[
        Precision | None,
        typer.Option(help="Of the computation; default float32.", rich_help_panel=TRAINING),
    ] = None,
    xla: Annotated[
        bool | None,
        typer.Option(
            "--xla/--no-xla",
            help="Compile the step with XLA; default on one device.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    winograd: Annotated[
        bool | None,
        typer.Option(
            "--winograd/--no-winograd",
            help="Convolutions in faster forms; default on the CPU with XLA in float32.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    strategy: Annotated[
        Strategy | None,
        typer.Option(
            help="One device, all of this machine, or those of all machines in TF_CONFIG; default "
            "auto: what is there.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    sync_batch_norm: Annotated[
        bool,
        typer.Option(
            "--sync-batch-norm",
            help="Batch norm sees the images of all devices together.",
            rich_help_panel=TRAINING,
        ),
    ] = False,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="The run directory, gs://… works, too; default runs/00000-FLAVOUR-DATASET.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Go on with this run; --steps or --epochs may extend it.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    log_every: Annotated[
        int | None,
        typer.Option(help="Steps between statistics; default 50.", rich_help_panel=OUTPUT),
    ] = None,
    sample_every: Annotated[
        int | None,
        typer.Option(help="Steps between sample grids; default 250.", rich_help_panel=OUTPUT),
    ] = None,
    checkpoint_every: Annotated[
        int | None,
        typer.Option(help="Steps between checkpoints; default 500.", rich_help_panel=OUTPUT),
    ] = None,
    keep_checkpoints: Annotated[
        int | None,
        typer.Option(help="How many of the newest stay; default 3.", rich_help_panel=OUTPUT),
    ] = None,
    evaluate_every: Annotated[
        int | None,
        typer.Option(
            help="Steps between evaluations, which `tfgan2 evaluate` describes; default none.",
            rich_help_panel=EVALUATION,
        ),
    ] = None,
    evaluate_count: Annotated[
        int | None, typer.Option(help="Samples of each; default 2000.", rich_help_panel=EVALUATION)
    ] = None,
    evaluate_features: Annotated[
        str | None,
        typer.Option(
            help="Default classifier where there are labels, else random-conv-112.",
            rich_help_panel=EVALUATION,
        ),
    ] = None,
    evaluate_metrics: Annotated[
        list[str] | None,
        typer.Option(
            help="Default those of fid, prdc, classes, modes, pairs that the data allow.",
            rich_help_panel=EVALUATION,
        ),
    ] = None,
    best_metric: Annotated[
        str | None,
        typer.Option(
            help="Keep the best checkpoint by this figure; default fid, of points good_samples.",
            rich_help_panel=EVALUATION,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Show configuration, network sizes and a batch's shape; train nothing.",
        ),
    ] = False,
) -> None:
    """Train a flavour on a dataset, or go on with a run."""
    if steps is not None and epochs is not None:
        raise UserError("give --steps or --epochs, not both")
    if epochs is not None and epochs <= 0:
        raise UserError("--epochs must be above 0")
    if evaluate_every is not None and evaluate_every < 1:
        raise UserError("--evaluate-every must be at least 1")
    given: dict[str, Any] = {
        "batch_size": batch_size,
        "seed": seed,
        "precision": precision.value if precision else None,
        "xla": xla,
        "winograd": winograd,
        "strategy": strategy.value if strategy else None,
        "sync_batch_norm": sync_batch_norm or None,
        "log_every": log_every,
        "sample_every": sample_every,
        "checkpoint_every": checkpoint_every,
        "keep_checkpoints": keep_checkpoints,
        "evaluate_every": evaluate_every,
        "evaluate_count": evaluate_count,
        "evaluate_features": evaluate_features,
        "evaluate_metrics": _listed(evaluate_metrics),
        "best_metric": best_metric,
    }
    given = {name: value for name, value in given.items() if value is not None}
    if resume is not None:
        data = (
            *(dataset, image_size, channels, classes, split, data_dir, settings, out, hold_out),
            None if direction is Direction.AtoB else direction,
            None if cache is Cache.auto else cache,
            skip_unreadable or None,
        )
        # The devices may be others than before.
        chosen = given.pop("strategy", None)
        if flavour or any(value is not None for value in data) or given:
            raise UserError(
                "--resume takes everything from the run; besides it only --steps or --epochs, and "
                "--strategy"
            )
        with _place(resume, fetch=True) as (run, mirror):
            _resume(run, steps, epochs, chosen, dry_run, mirror)
        return
    if flavour is None:
        raise UserError("say what to train, for example `tfgan2 fit dcgan --dataset digits`")
    registry.find(flavour)
    if dataset is None:
        raise UserError(
            "say what to train on, for example --dataset digits; `tfgan2 datasets` lists more"
        )
    from tfgan2 import hyperparameters

    values = hyperparameters.parse_settings(flavour, settings or [])
    training = runs.TrainingOptions(**given)
    if steps is not None:
        training.steps = steps
    training.check()
    _check_evaluation(training)
    if hold_out is not None and hold_out < 0:
        raise UserError("--hold-out must not be negative")
    worker = _worker(training.strategy)
    if worker is not None and out is None:
        raise UserError("several workers train one run: give --out, the same folder for all")
    data_options = runs.DataOptions(
        name=_absolute(dataset),
        image_size=image_size,
        channels=channels,
        classes=_listed(classes),
        split=split,
        data_dir=remote.absolute(data_dir) if data_dir else None,
        cache=cache.value,
        skip_unreadable=skip_unreadable,
        hold_out=hold_out,
        direction=direction.value,
    )
    config = runs.RunConfig(flavour, {**values, "seed": training.seed}, data_options, training)
    place = out or str(runs.propose(Path("runs"), flavour, dataset))
    with _place(place, fetch=False) as (run, mirror):
        if out is not None and not worker:
            if mirror is None:
                runs.check_new(run)
            else:
                mirror.check_new()
        _start(run, config, epochs, dry_run, mirror, new=True, numbered=out is None)


@contextlib.contextmanager
def _place(place: str, *, fetch: bool) -> Iterator[tuple[Path, Mirror | None]]:
    """The run's folder, and what keeps a remote place like it.

    Args:
        place: as the user gave it.
        fetch: whether a run is there already.
    """
    if not remote.is_remote(place):
        yield Path(place), None
        return
    from tfgan2.cli import tensorflow

    tensorflow.load()
    with remote.staged(place, fetch=fetch) as staged:
        yield staged


def _worker(strategy: str) -> int | None:
    """The number of this process among several that train, None where there is one."""
    if not os.environ.get("TF_CONFIG") and strategy != "multiworker":
        return None
    from tfgan2.distributed import cluster

    cluster.check_strategy(strategy)
    found = cluster.read_cluster(os.environ.get("TF_CONFIG"))
    return None if found is None or len(found.workers) < 2 else found.index


def _check_evaluation(options: runs.TrainingOptions) -> None:
    """Raises a UserError for what is wrong already without data."""
    others = (options.evaluate_features, options.evaluate_metrics, options.best_metric)
    if not options.evaluate_every:
        if any(others):
            raise UserError("to evaluate while training, give --evaluate-every STEPS, too")
        return
    from tfgan2.evaluation import check_features, check_metrics
    from tfgan2.evaluation.during import check_best

    check_metrics(options.evaluate_metrics or [])
    if options.evaluate_features is not None:
        check_features(options.evaluate_features)
    if options.best_metric is not None:
        check_best(options.best_metric)


def _listed(given: list[str] | None) -> list[str] | None:
    """What was given in several options, or with commas."""
    return [word.strip() for item in given for word in item.split(",")] if given else None


def _absolute(dataset: str) -> str:
    """Files by their absolute path, so that a run resumes from anywhere."""
    kind, colon, paths = dataset.partition(":")
    if not colon or not paths:
        return dataset
    if kind not in ("folder", "prepared", "pairs", "unpaired", "captions"):
        return dataset
    each = [path.strip() for path in paths.split(",")] if kind == "unpaired" else [paths]
    # An empty one stays empty, to be refused.
    whole = [remote.absolute(path) if path else "" for path in each]
    return f"{kind}:{','.join(whole)}"


def _resume(
    run: Path,
    steps: int | None,
    epochs: float | None,
    strategy: str | None,
    dry_run: bool,
    mirror: Mirror | None,
) -> None:
    config = runs.RunConfig.read(run)
    if strategy is not None:
        config.training.strategy = strategy
    if steps is not None:
        if steps < config.training.steps:
            raise UserError(
                f"{run} is planned for {config.training.steps} steps: give --steps more than that"
            )
        config.training.steps = steps
    _start(run, config, epochs, dry_run, mirror, new=False)


def _start(
    run: Path,
    config: runs.RunConfig,
    epochs: float | None,
    dry_run: bool,
    mirror: Mirror | None,
    *,
    new: bool,
    numbered: bool = False,
) -> None:
    from tfgan2.training.progress import Display

    display = Display()
    if mirror is not None:
        display.called(run, mirror.url)
    devices, place = _tensorflow(display, config.training.strategy)
    if not place.chief:
        display.quiet()
    from tfgan2.training.starting import start

    signal = start(
        run,
        config,
        place,
        display,
        devices=devices,
        epochs=epochs,
        dry_run=dry_run,
        new=new,
        numbered=numbered,
        mirror=mirror,
    )
    if signal is not None:
        raise typer.Exit(128 + signal)


def _tensorflow(display: Display, strategy: str) -> tuple[str, Worker]:
    """TensorFlow's devices, and this process's place among those that train."""
    from tfgan2.cli import tensorflow

    display.say("loading TensorFlow")
    devices = tensorflow.load()
    from tfgan2.training.loop import make_deterministic

    make_deterministic()
    from tfgan2.distributed.strategies import Worker

    place = Worker.start(strategy, display.say)
    if place.replicas > 1:
        processes = f" in {place.part.of} processes" if place.part.of > 1 else ""
        devices += f", {place.replicas} replicas{processes}"
    return devices, place
