"""One training of a run, from its configuration to its last step."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import keras

from tfgan2 import registry, runs
from tfgan2.data import KINDS, POINTS, kind_of, load_dataset
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


@dataclass
class Session:
    """A run that is ready to train.

    Attributes:
        config: its configuration, resolved.
        dataset: the real images.
        model: the model, compiled, with fresh weights.
        worker: the devices that train, and which of several processes this is.
        display: shows the progress.
        run_dir: the run directory; `train` sets it and those below.
        statistics: writes the statistics.
        saving: saves checkpoints.
    """

    config: runs.RunConfig
    dataset: ImageDataset
    model: GenerativeModel
    worker: Worker
    display: Display
    run_dir: Path = field(init=False)
    statistics: called.Statistics = field(init=False)
    saving: called.Checkpoints = field(init=False)

    @property
    def images_per_step(self) -> int:
        """Number of real images that one step takes."""
        assert self.config.training.batch_size is not None
        return self.config.training.batch_size * self.model.batches_per_step

    @classmethod
    def prepare(
        cls, config: runs.RunConfig, worker: Worker, display: Display, epochs: float | None
    ) -> Session:
        """Loads the data, builds the model and resolves the configuration.

        Args:
            config: what the user chose; the rest is resolved in it.
            worker: the devices that train.
            display: shows the progress.
            epochs: passes over the data, in place of the configuration's steps.

        Raises:
            UserError: data, flavour and devices do not fit each other.
        """
        flavour, training = registry.load_class(config.flavour), config.training
        _check_kind(flavour, config)
        new = not config.dataset
        if config.data.hold_out is None:
            config.data.hold_out = flavour.hold_out
        size = training.batch_size = training.batch_size or flavour.batch_size
        dataset = _load_data(config, display)
        try:
            config.hyperparameters.update(flavour.data_hyperparameters(config.dataset))
        except UserError as error:
            raise UserError(f"{config.flavour} {error}, {config.data.name} has none") from error
        worker.check_batch_size(size)
        lost = "before the first step: start all workers again"
        with worker.detecting_lost_workers(lambda: lost), worker.strategy.scope():
            model = build_model(config)
        model.check_batch_size(size, worker.replicas)
        dataset.check_batch_size(size, model.batches_per_step)
        if epochs is not None:
            needed = int(-(-epochs * dataset.num_images // (size * model.batches_per_step)))
            training.steps = max(1 if new else training.steps, needed)
        model.plan(training.steps)
        config.hyperparameters = model.get_config()
        return cls(config, dataset, model, worker, display)

    def train(
        self, run_dir: Path, callbacks: Sequence[keras.callbacks.Callback], mirror: Mirror | None
    ) -> None:
        """Trains to the last step, from the newest checkpoint if there is one.

        Args:
            run_dir: the run directory; it holds `config.json`.
            callbacks: called in the process that writes, before checkpoints are saved.
            mirror: copies the run directory to a remote one.

        Raises:
            TrainingInterrupted: a signal came; a checkpoint was saved.
            TrainingDivergedError: a loss or a weight is no longer finite.
            UserError: the disk is full, or data can no longer be read.
        """
        options, worker, say = self.config.training, self.worker, self.display.say
        loop: Loop | None = None

        def when_lost() -> str:
            good = checkpoints.paths(run_dir)
            start = f"continue from {good[0].name}" if good else "begin again"
            done = loop.step if loop else 0
            return f"after step {done}: resume the run with all workers, they {start}"

        chosen = self._callbacks(run_dir, callbacks, mirror)
        try:
            if worker.chief:
                checkpoints.remove_partial_files(run_dir)
            with worker.detecting_lost_workers(when_lost):
                with worker.strategy.scope():
                    step = self.saving.restore(self.model, say)
                self._check_same_folder(step, mirror)
                loop = Loop(self.model, self.dataset, worker, options)
                number = loop.run(chosen) if step < options.steps else None
        except OSError as error:
            raise cannot_write(run_dir, error) from error
        if number is not None:
            location = str(run_dir) if mirror is None else mirror.url
            raise TrainingInterrupted(location, number, loop.step, options.steps)
        say(f"done: {loop.step:,} steps, {self.statistics.seconds:,.0f} s")
        if grids := sorted((run_dir / "samples").glob("*.png")):
            say(f"samples: {grids[-1]}")

    def _callbacks(
        self, run_dir: Path, callbacks: Sequence[keras.callbacks.Callback], mirror: Mirror | None
    ) -> list[keras.callbacks.Callback]:
        """Returns all callbacks in the order in which they are called."""
        options, say = self.config.training, self.display.say
        self.run_dir = run_dir
        self.statistics = statistics = called.Statistics(
            run_dir, every=options.log_every, images_per_step=self.images_per_step
        )
        stateful = [statistics, *(each for each in callbacks if hasattr(each, "state"))]
        every, keep = options.checkpoint_every, options.keep_checkpoints
        self.saving = called.Checkpoints(run_dir, every=every, keep=keep, stateful=stateful)
        stopping = called.StopOnDivergence(run_dir)
        if not self.worker.chief:  # the other processes only compute
            return [stopping]
        progress = called.Progress(self.display, statistics)
        previews = called.Previews(
            run_dir,
            self.dataset,
            every=options.sample_every,
            count=options.sample_count,
            seed=options.seed,
            statistics=statistics,
        )
        publishing = [called.Publishing(mirror, options, say)] if mirror is not None else []
        return [stopping, statistics, progress, previews, *callbacks, self.saving, *publishing]

    def _check_same_folder(self, step: int, mirror: Mirror | None) -> None:
        """Raises a UserError unless all workers read and write one run directory."""
        worker = self.worker
        if worker.part.of == 1:
            return
        seen = 0
        if mirror is None:  # else each worker has a copy of its own
            path = self.run_dir / ".workers"
            if worker.chief:
                path.write_text(str(secrets.randbelow(2**31) + 1), encoding="ascii")
            worker.agree_on(0)  # it is written once this returns
            seen = int(path.read_text(encoding="ascii")) if path.exists() else 0
        if not worker.agree_on(seen) or not worker.agree_on(step):
            raise UserError(
                f"the workers do not see the same {mirror.url if mirror else self.run_dir}: "
                "choose a folder that all machines share"
            )


def _check_kind(flavour: type[GenerativeModel], config: runs.RunConfig) -> None:
    name = config.data.name
    points = name in POINTS and not hasattr(flavour, "draw_latents")
    if points or kind_of(name) != flavour.data_kind:
        reason = ", which holds points" if points else ""
        raise UserError(
            f"{config.flavour} cannot train on {name!r}{reason}: give "
            f"{KINDS[flavour.data_kind].give}"
        )


def _load_data(config: runs.RunConfig, display: Display) -> ImageDataset:
    """Loads the data, and compares them and the versions with those that a run began with."""
    name, before = config.data.name, config.dataset
    try:
        dataset = load_dataset(**vars(config.data), progress=display.loading)
    finally:
        display.close()
    if left_out := dataset.skipped:
        display.say(f"left out {len(left_out):,} unreadable files, the first: {left_out[0]}")
    if before and before["fingerprint"] != dataset.fingerprint:
        raise UserError(
            f"the dataset {name} has changed since the run began, from "
            f"{before['num_images']:,} images to {dataset.num_images:,}: start a new run"
        )
    now = runs.versions()
    if config.versions and config.versions != now:
        display.say(
            f"warning: the run began with {config.versions}, this is {now}: "
            "the last digits of the weights may differ"
        )
    config.dataset, config.versions = dataset.facts, now
    return dataset
