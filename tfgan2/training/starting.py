"""A run, from its configuration to its end, and what is shown of it."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfgan2 import registry, runs
from tfgan2.data import KINDS, POINTS, kind_of
from tfgan2.distributed.strategies import Worker
from tfgan2.errors import UserError, cannot_write
from tfgan2.models.base import GenerativeModel
from tfgan2.models.translation import TranslationModel
from tfgan2.training.loop import Trainer, build_model
from tfgan2.training.progress import Display

if TYPE_CHECKING:
    from tfgan2.data import ImageDataset
    from tfgan2.evaluation.during import Evaluator
    from tfgan2.remote import Mirror


def start(
    run: Path,
    config: runs.RunConfig,
    place: Worker,
    display: Display,
    *,
    devices: str,
    epochs: float | None = None,
    dry_run: bool = False,
    new: bool = True,
    numbered: bool = False,
    mirror: Mirror | None = None,
) -> int | None:
    """Loads the data, builds the model and trains.

    Args:
        run: the run directory; it is made where it is not there.
        config: what was asked for; what it leaves open is resolved in it.
        place: the devices that train.
        display: shows the progress.
        devices: their names, to be shown.
        epochs: how long to train, instead of the configuration's steps.
        dry_run: show what would be trained, and write nothing.
        new: whether the run begins, and does not go on.
        numbered: the name was proposed: if it is taken meanwhile, it is the next one.
        mirror: of a run that is to lie elsewhere.

    Returns:
        The number of the signal that ended it, or None.

    Raises:
        UserError: data and flavour do not fit, or the place refuses.
        TrainingDivergedError: a loss or a weight is no longer finite.
    """
    cls = registry.load_class(config.flavour)
    _check_kind(cls, config)
    if config.data.hold_out is None:
        config.data.hold_out = cls.hold_out
    batch_size = config.training.batch_size = config.training.batch_size or cls.batch_size
    dataset = _load_data(config.data, display)
    _check_same_data(config, dataset)
    config.dataset = dataset.facts
    now = runs.versions()
    if config.versions and config.versions != now:
        display.say(
            f"warning: this run was made with {config.versions}, this is {now}: "
            "the weights may come out different in the last digits"
        )
    config.versions = now
    try:
        config.hyperparameters.update(cls.data_hyperparameters(config.dataset))
    except UserError as error:
        raise UserError(f"{config.flavour} {error}, {config.data.name} has none") from error
    place.check_batch_size(batch_size)
    lost = "before the first step; start all again"
    with place.detecting_lost_workers(lambda: lost), place.strategy.scope():
        model = build_model(config)
    model.check_batch_size(batch_size, place.replicas)
    images_per_step = batch_size * model.batches_per_step
    dataset.check_batch_size(batch_size, model.batches_per_step)
    if epochs is not None:
        needed = -(-epochs * dataset.num_images // images_per_step)
        config.training.steps = max(1 if new else config.training.steps, int(needed))
    model.plan(config.training.steps)
    config.hyperparameters = model.get_config()
    _describe(config, dataset, model, devices, display)
    if dry_run:
        display.say(f"run: {run}")
        batch = next(iter(dataset.batches(images_per_step, seed=config.training.seed)))
        _show_dry_run(config, model, batch, display)
        return None
    evaluator = None
    with contextlib.ExitStack() as stack:
        if place.chief:
            evaluator = _evaluator(config, model, dataset, display)
            run = stack.enter_context(_held(run, config, new=new, numbered=numbered))
            if mirror is not None:
                mirror.push()  # to know now rather than later whether the place takes it
        display.say(f"run: {run}")
        trainer = Trainer(run, config, model, dataset, display, evaluator, place, mirror)
        return _train(trainer)


_PARTS = {
    "images": ("images", "labels"),
    "pairs": ("inputs", "targets"),
    "unpaired": ("images A", "images B"),
    "captions": ("images", "words"),
}


def _check_kind(cls: type[GenerativeModel], config: runs.RunConfig) -> None:
    name = config.data.name
    points = name in POINTS and issubclass(cls, TranslationModel)
    if points or kind_of(name) != cls.data_kind:
        why = ", which holds points" if points else ""
        raise UserError(
            f"{config.flavour} cannot train on {name!r}{why}: give --dataset "
            f"{KINDS[cls.data_kind].give}"
        )


def _load_data(options: runs.DataOptions, display: Display) -> ImageDataset:
    try:
        dataset = options.load(display.loading)
    finally:
        display.loaded()
    if dataset.skipped:
        display.say(
            f"left out {len(dataset.skipped):,} unreadable files, the first: {dataset.skipped[0]}"
        )
    return dataset


def _check_same_data(config: runs.RunConfig, dataset: ImageDataset) -> None:
    """A resumed run must meet the data that it was started with."""
    before = config.dataset
    if before and before["fingerprint"] != dataset.fingerprint:
        raise UserError(
            f"the dataset {config.data.name} has changed since the run began: it had "
            f"{before['num_images']:,} images, now {dataset.num_images:,}; start a new run"
        )


def _describe(
    config: runs.RunConfig,
    dataset: ImageDataset,
    model: GenerativeModel,
    devices: str,
    display: Display,
) -> None:
    shape = "x".join(map(str, dataset.image_shape))
    kept = "in memory" if dataset.in_memory else "streamed"
    sizes = ", ".join(f"{k} {v.count_params():,}" for k, v in model.networks().items())
    held_out = f", {dataset.held_out.num_images:,} held out" if dataset.held_out else ""
    noun = "pairs" if dataset.kind == "pairs" else "images"
    display.say(
        f"data: {config.data.name}, {dataset.num_images:,} {noun} of {shape}{held_out}, {kept}"
    )
    display.say(f"model: {config.flavour}, weights: {sizes}")
    training = config.training
    display.say(
        f"training: {training.steps:,} steps of {training.batch_size} images, "
        f"{training.precision}, on {devices}"
    )


def _show_dry_run(
    config: runs.RunConfig, model: GenerativeModel, batch: Any, display: Display
) -> None:
    display.say(config.to_json().rstrip())
    for name, network in model.networks().items():
        megabytes = network.count_params() * 4 / 1e6
        display.say(
            f"{name}: {network.input_shape} -> {network.output_shape}, "
            f"{network.count_params():,} weights, {megabytes:.1f} MB in float32"
        )
    parts = batch if isinstance(batch, tuple) else (batch,)
    for name, part in zip(_PARTS[config.dataset["kind"]], parts, strict=False):
        low, high = part.numpy().min(), part.numpy().max()
        display.say(f"a batch's {name}: {part.dtype.name} {tuple(part.shape)}, {low:g} to {high:g}")
    display.say("dry run: nothing was written")


def _evaluator(
    config: runs.RunConfig,
    model: GenerativeModel,
    dataset: ImageDataset,
    display: Display,
) -> Evaluator | None:
    """What judges the run while it trains, where that was asked for."""
    if not config.training.evaluate_every:
        return None
    from tfgan2.evaluation.during import Evaluator

    try:
        return Evaluator(config, model, dataset, display.loading)
    finally:
        display.loaded()


@contextlib.contextmanager
def _held(run: Path, config: runs.RunConfig, *, new: bool, numbered: bool) -> Iterator[Path]:
    """The run's folder, made where it is not there, with its configuration; no one else trains it.

    Raises:
        UserError: another process does, or has begun it; or the disk refuses.
    """
    with contextlib.ExitStack() as stack:
        try:
            while True:
                try:
                    run.mkdir(parents=True, exist_ok=not numbered)
                    break
                except FileExistsError:
                    if not numbered:
                        raise
                    run = runs.propose(run.parent, config.flavour, config.data.name)
            stack.enter_context(runs.locked(run))
            if new and runs.is_run(run):
                raise UserError(f"another process has begun {run} meanwhile: choose another --out")
            config.write(run)
        except OSError as error:
            raise cannot_write(run, error) from error
        yield run


def _train(trainer: Trainer) -> int | None:
    run, config, model, display = trainer.run, trainer.config, trainer.model, trainer.display
    signal = trainer.train()
    quoted = shlex.quote(str(run))
    if signal is not None:
        display.say(
            f"saved at step {trainer.step} of {config.training.steps}; go on with:\n"
            f"  tfgan2 fit --resume {quoted}"
        )
        return signal
    grids = sorted((run / "samples").glob("*.png"))
    display.say(f"done: {trainer.step:,} steps, {trainer.seconds:,.0f} s")
    if grids:
        display.say(f"samples: {grids[-1]}")
    use = f"sample {quoted} --count 64 --out grid.png"
    if not hasattr(model, "draw_latents"):
        use = f"translate {quoted} --input PICTURES --out made --compare"
    out = "" if trainer.mirror is None else " --out export"
    display.say(f"next:\n  tfgan2 {use}\n  tfgan2 export {quoted}{out}")
    return None
