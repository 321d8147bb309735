"""One training of a run, from its configuration to its last step."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from tfgan2 import registry, runs
from tfgan2.data import KINDS, POINTS, kind_of
from tfgan2.distributed.strategies import Worker
from tfgan2.errors import TrainingInterrupted, UserError, cannot_write
from tfgan2.training import callbacks as called
from tfgan2.training import checkpoints
from tfgan2.training.building import build_model
from tfgan2.training.loop import Loop
from tfgan2.training.progress import Display

if TYPE_CHECKING:
    from tfgan2.data import ImageDataset
    from tfgan2.models.base import GenerativeModel
    from tfgan2.remote import Mirror

MakeEvaluation = Callable[[Path, called.Statistics, called.Checkpoints], called.Evaluation]


@dataclass
class Session:
    """A run that is ready to train.

    Attributes:
        config: its configuration, resolved.
        dataset: the real images.
        model: the model, compiled, with fresh weights.
        worker: the devices that train, and which of several processes this is.
        display: shows the progress.
    """

    config: runs.RunConfig
    dataset: ImageDataset
    model: GenerativeModel
    worker: Worker
    display: Display

    @classmethod
    def prepare(
        cls,
        config: runs.RunConfig,
        worker: Worker,
        display: Display,
        *,
        new: bool = True,
        epochs: float | None = None,
    ) -> Session:
        """Loads the data, builds the model and resolves the configuration.

        Args:
            config: what the user chose; the rest is resolved in it.
            worker: the devices that train.
            display: shows the progress.
            new: the run has not begun yet.
            epochs: passes over the data, in place of the configuration's steps.

        Raises:
            UserError: data, flavour and devices do not fit each other.
        """
        flavour = registry.load_class(config.flavour)
        _check_kind(flavour, config)
        training = config.training
        if config.data.hold_out is None:
            config.data.hold_out = flavour.hold_out
        training.batch_size = training.batch_size or flavour.batch_size
        dataset = _load_data(config.data, display)
        _check_same_data(config, dataset)
        config.dataset = dataset.facts
        _check_versions(config, display)
        try:
            config.hyperparameters.update(flavour.data_hyperparameters(config.dataset))
        except UserError as error:
            raise UserError(f"{config.flavour} {error}, {config.data.name} has none") from error
        worker.check_batch_size(training.batch_size)
        lost = "before the first step: start all workers again"
        with worker.detecting_lost_workers(lambda: lost), worker.strategy.scope():
            model = build_model(config)
        model.check_batch_size(training.batch_size, worker.replicas)
        dataset.check_batch_size(training.batch_size, model.batches_per_step)
        if epochs is not None:
            images_per_step = training.batch_size * model.batches_per_step
            needed = int(-(-epochs * dataset.num_images // images_per_step))
            training.steps = max(1 if new else training.steps, needed)
        model.plan(training.steps)
        config.hyperparameters = model.get_config()
        return cls(config, dataset, model, worker, display)

    def train(
        self,
        run_dir: Path,
        *,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        evaluation: MakeEvaluation | None = None,
        mirror: Mirror | None = None,
    ) -> None:
        """Trains to the last step, from the newest checkpoint if there is one.

        Args:
            run_dir: the run directory; it holds `config.json`.
            callbacks: the user's; called in the process that writes, before checkpoints are saved.
            evaluation: makes the callback that evaluates.
            mirror: copies the run directory to a remote one.

        Raises:
            TrainingInterrupted: a signal came; a checkpoint was saved.
            TrainingDivergedError: a loss or a weight is no longer finite.
            UserError: the disk is full, or data can no longer be read.
        """
        training, worker = self.config.training, self.worker
        assert training.batch_size is not None
        images_per_step = training.batch_size * self.model.batches_per_step
        statistics = called.Statistics(
            run_dir, every=training.log_every, images_per_step=images_per_step
        )
        saving = called.Checkpoints(
            run_dir, every=training.checkpoint_every, keep=training.keep_checkpoints
        )
        extra = [*([evaluation(run_dir, statistics, saving)] if evaluation else []), *callbacks]
        saving.stateful = [statistics, *(item for item in extra if hasattr(item, "state"))]
        chosen: list[keras.callbacks.Callback] = [called.StopOnDivergence(run_dir)]
        if worker.chief:  # the other processes only compute
            chosen += [
                statistics,
                called.Progress(self.display, statistics),
                called.Previews(
                    run_dir,
                    self.dataset,
                    every=training.sample_every,
                    count=training.sample_count,
                    seed=training.seed,
                    statistics=statistics,
                ),
                *extra,
                saving,
            ]
            if mirror is not None:
                intervals = (training.log_every, training.sample_every, training.evaluate_every)
                chosen.append(
                    called.Publishing(
                        mirror,
                        every=[every for every in intervals if every],
                        events_every=training.checkpoint_every,
                        say=self.display.say,
                    )
                )
        loop: Loop | None = None

        def when_lost() -> str:
            good = checkpoints.paths(run_dir)
            start = f"continue from {good[0].name}" if good else "begin again"
            return (
                f"after step {loop.step if loop else 0}: resume the run with all workers, "
                f"they {start}"
            )

        try:
            if worker.chief:
                checkpoints.remove_partial_files(run_dir)
            with worker.detecting_lost_workers(when_lost):
                with worker.strategy.scope():
                    warn = lambda text: self.display.say(f"warning: {text}")  # noqa: E731
                    step = saving.restore(self.model, warn)
                self._check_same_folder(run_dir, step, mirror)
                loop = Loop(
                    self.model,
                    self.dataset,
                    worker,
                    steps=training.steps,
                    batch_size=training.batch_size,
                    seed=training.seed,
                    xla=training.xla,
                    winograd=training.winograd,
                )
                number = loop.run(chosen) if step < training.steps else None
        except OSError as error:
            raise cannot_write(run_dir, error) from error
        if number is not None:
            location = str(run_dir) if mirror is None else mirror.url
            raise TrainingInterrupted(location, number, loop.step, training.steps)
        self.display.say(f"done: {loop.step:,} steps, {statistics.seconds:,.0f} s")
        grids = sorted((run_dir / "samples").glob("*.png"))
        if grids:
            self.display.say(f"samples: {grids[-1]}")

    def _check_same_folder(self, run_dir: Path, step: int, mirror: Mirror | None) -> None:
        """Raises a UserError unless all workers read and write one run directory."""
        worker = self.worker
        if worker.part.of == 1:
            return
        if mirror is not None:  # each worker has a copy of its own
            if not worker.agree_on(step):
                raise UserError(f"the workers do not see the same {mirror.url}")
            return
        path = run_dir / ".workers"
        if worker.chief:
            path.write_text(str(secrets.randbelow(2**31) + 1), encoding="ascii")
        worker.agree_on(0)  # it is written once this returns
        seen = int(path.read_text(encoding="ascii")) if path.exists() else 0
        if not worker.agree_on(seen) or not worker.agree_on(step):
            raise UserError(
                f"the workers do not see the same {run_dir}: choose a folder that all machines "
                "share"
            )


def _check_kind(flavour: type[GenerativeModel], config: runs.RunConfig) -> None:
    name = config.data.name
    points = name in POINTS and not hasattr(flavour, "draw_latents")
    if points or kind_of(name) != flavour.data_kind:
        reason = ", which holds points" if points else ""
        raise UserError(
            f"{config.flavour} cannot train on {name!r}{reason}: give --dataset "
            f"{KINDS[flavour.data_kind].give}"
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
    before: dict[str, Any] = config.dataset
    if before and before["fingerprint"] != dataset.fingerprint:
        raise UserError(
            f"the dataset {config.data.name} has changed since the run began, from "
            f"{before['num_images']:,} images to {dataset.num_images:,}: start a new run"
        )


def _check_versions(config: runs.RunConfig, display: Display) -> None:
    now = runs.versions()
    if config.versions and config.versions != now:
        display.say(
            f"warning: the run began with {config.versions}, this is {now}: "
            "the last digits of the weights may differ"
        )
    config.versions = now
