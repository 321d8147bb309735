"""One training of a run, from its configuration to its last step."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import warnings
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import keras

from tfgan2 import runs
from tfgan2.distributed.strategies import Worker
from tfgan2.errors import DataWarning, TrainingInterrupted, UserError, writing
from tfgan2.training import callbacks as called
from tfgan2.training import checkpoints, memory
from tfgan2.training.building import (
    build_model,
    determinism_errors,
    load_data,
    make_deterministic,
)
from tfgan2.training.compiled import CompiledSteps
from tfgan2.training.initial import take_weights
from tfgan2.training.loop import Loop
from tfgan2.training.progress import Display

if TYPE_CHECKING:
    import tensorflow as tf

    from tfgan2.remote import Mirror

_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO, errno.ESTALE)

_SHARED = ("steps", "batch_size", "accumulate", "seed", "precision", "sync_batch_norm")
"""Options of training that workers with different values would train different weights with."""


class Session:
    """A run that is ready to train.

    Attributes:
        config: its configuration, resolved.
        is_new: False if it resumes.
        model: the model, compiled, with fresh weights.
        images_per_step: number of real images that one step takes.
        taken: a line on the weights that came from another run, "" if none did.
    """

    run_dir: Path
    mirror: Mirror | None
    statistics: called.Statistics
    saving: called.Checkpoints

    def __init__(
        self,
        config: runs.RunConfig,
        display: Display,
        epochs: float | None,
        run_dir: Path,
        pipeline: tf.data.Dataset | None = None,
    ) -> None:
        """Connects the workers, loads the data, builds the model and resolves the configuration.

        `epochs`, passes over the data, stand in place of the configuration's steps. `pipeline` is
        that of a run on one. Raises a
        UserError if data, flavour and devices do not fit each other.
        """
        training = config.training
        self.is_new = new = not config.dataset
        self.config, self.display = config, display
        if training.deterministic:
            make_deterministic()
        self.worker = worker = Worker.start(training.strategy, display.say)
        display.console.quiet |= not worker.chief
        with warnings.catch_warnings():
            if not worker.chief:
                warnings.simplefilter("ignore", DataWarning)
            self.dataset = load_data(config, display, run_dir, pipeline)
        lost = "before the first step: start all workers again"
        with worker.detecting_lost_workers(lambda: lost):
            self._check_same_training(epochs, is_pipeline=pipeline is not None)
        size = training.batch_size
        assert size is not None
        with _advising(resumes=not new):
            worker.check_batch_size(size)
        with (
            worker.detecting_lost_workers(lambda: lost),
            memory.telling_what_fits(config, worker.replicas, None, resumes=not new),
            worker.strategy.scope(),
        ):
            self.model = model = build_model(
                config.flavour,
                config.hyperparameters,
                training.precision,
                sync_batch_norm=training.sync_batch_norm,
                accumulate=training.accumulate,
            )
            if dict(model.config).get("freeze_d") and not training.init_from:
                raise UserError("freeze_d keeps random weights: give --init-from, too")
            packed = dict(model.config).get("packing", 1) > 1
            if new and self.dataset.balance and packed and not model.labels_are_classes:
                raise UserError(
                    "--balance would put no two images of a class into one of D's packs, by which "
                    "it could tell real ones",
                    ": leave --balance out, or give --set packing=1",
                )
            model.is_fine_tuned = training.init_from is not None
            self.taken = ""
            # A new run's number may be taken by now, with the checkpoints of another process.
            if training.init_from and (new or not checkpoints.paths(run_dir)):
                self.taken = take_weights(model, training.init_from)
        self.images_per_step = size * model.batches_per_step
        with _advising(resumes=not new):
            model.check_batch_size(size, worker.replicas)
        self.dataset.check_batch_size(size, model.batches_per_step)
        if epochs is not None:
            needed = int(-(-epochs * self.dataset.num_images // self.images_per_step))
            if not new and needed < training.steps:
                raise UserError(
                    f"{run_dir} is planned for {training.steps} steps, and {epochs:g} epochs are "
                    f"{needed}: give at least as many"
                )
            training.steps = max(1, needed)
        model.plan(training.steps)
        config.hyperparameters = dict(model.config)
        memory.check(config, model, worker.replicas, resumes=not new)

    def train(
        self, run_dir: Path, callbacks: Sequence[keras.callbacks.Callback], mirror: Mirror | None
    ) -> None:
        """Trains to the last step, from the newest checkpoint if there is one.

        The run directory holds `config.json`. The callbacks are called in the process that writes,
        before checkpoints are saved. The errors are those of `tfgan2.fit`.
        """
        options, worker, say = self.config.training, self.worker, self.display.say
        self.run_dir, self.mirror = run_dir, mirror
        loop = Loop(self.model, self.dataset, worker, options)
        chosen = self._callbacks(callbacks)

        def when_lost() -> str:
            good = checkpoints.paths(run_dir)
            start = f"continue from {good[0].name}" if good else "begin again"
            return f"after step {loop.step}: resume the run with all workers, they {start}"

        with _writing_errors(run_dir), worker.detecting_lost_workers(when_lost):
            if worker.chief:
                checkpoints.remove_partial_files(run_dir)
            with worker.strategy.scope():
                loop.step = self.saving.restore(self.model, say)
            self._check_same_folder(loop.step)
            resumes = {"resumes": not self.is_new}
            with (
                memory.telling_what_fits(self.config, worker.replicas, run_dir, **resumes),
                determinism_errors(**resumes),
            ):
                number = loop.run(chosen)  # callbacks may have work left after the last step
        if number is not None:
            location = str(run_dir) if mirror is None else mirror.url
            raise TrainingInterrupted(location, number, loop.step, options.steps)
        say(f"done: {loop.step:,} steps, {self.statistics.seconds:,.0f} s")
        if grids := sorted((run_dir / "samples").glob("*.png")):
            say(f"samples: {grids[-1]}")

    def _callbacks(
        self, callbacks: Sequence[keras.callbacks.Callback]
    ) -> list[keras.callbacks.Callback]:
        """Returns all callbacks in the order in which they are called."""
        options, display, run_dir = self.config.training, self.display, self.run_dir
        self.statistics = statistics = called.Statistics(
            run_dir, every=options.log_every, images_per_step=self.images_per_step
        )
        previews = called.Previews(
            run_dir,
            self.dataset,
            every=options.sample_every,
            count=options.sample_count,
            seed=options.seed,
            statistics=statistics,
            location=None if self.mirror is None else self.mirror.url,
        )
        alarm = called.CollapseAlarm(previews, statistics, display.say)
        stateful = [statistics, alarm, *(each for each in callbacks if hasattr(each, "state"))]
        every, keep = options.checkpoint_every, options.keep_checkpoints
        self.saving = called.Checkpoints(run_dir, every=every, keep=keep, stateful=stateful)
        stopping = called.StopOnDivergence(self.saving)
        if not self.worker.chief:  # the other processes only compute
            return [stopping]
        progress = called.Progress(display, statistics)
        compiling = called.Compiling(display, self._compiled_steps())
        own = [stopping, compiling, alarm, statistics, progress, previews]
        chosen = [*own, *callbacks, self.saving]
        if self.mirror is not None:
            writing = (statistics.background, self.saving.background)
            chosen.append(called.Publishing(self.mirror, options, display.say, writing))
        return chosen

    def _compiled_steps(self) -> CompiledSteps | None:
        """Returns the steps that XLA compiles; it compiles for one replica only."""
        options = self.config.training
        if not (options.xla and self.model.supports_jit) or self.worker.replicas > 1:
            return None
        names = ("batch_size", "precision", "winograd")
        return CompiledSteps(
            {
                "flavour": self.config.flavour,
                "hyperparameters": self.config.hyperparameters,
                **{name: getattr(options, name) for name in names},
            }
        )

    def _check_same_training(self, epochs: float | None, *, is_pipeline: bool) -> None:
        """Raises a UserError unless all workers train the same model on the same data."""
        config, training = self.config, self.config.training
        shared = {
            "flavour": config.flavour,
            "hyperparameters": config.hyperparameters,
            "init_from": training.init_from is None,  # may lie elsewhere on another machine
            "epochs": epochs,
            **{name: getattr(training, name) for name in _SHARED},
            # A pipeline may draw other samples each time.
            "data": config.dataset | ({"fingerprint": ""} if is_pipeline else {}),
        }
        texts = (json.dumps(value, sort_keys=True, default=str) for value in shared.values())
        same = self.worker.agree_on(*(zlib.crc32(text.encode()) for text in texts))
        if different := [name for name, each in zip(shared, same, strict=True) if not each]:
            raise UserError(
                f"the workers differ in {', '.join(different)}: start all with the same command "
                "and the same data"
            )

    def _check_same_folder(self, step: int) -> None:
        """Raises a UserError unless all workers read and write one run directory."""
        worker, mirror = self.worker, self.mirror
        if worker.part.of == 1:
            return
        seen = 0
        if mirror is None:  # else each worker has a copy of its own
            path = self.run_dir / ".workers"
            if worker.chief:
                path.write_text(str(secrets.randbelow(2**31) + 1), encoding="ascii")
            worker.agree_on(0)  # it is written once this returns
            seen = int(path.read_text(encoding="ascii")) if path.exists() else 0
        if not all(worker.agree_on(seen, step)):
            raise UserError(
                f"the workers do not see the same {mirror.url if mirror else self.run_dir}: "
                "choose a folder that all machines share"
            )


@contextlib.contextmanager
def _advising(*, resumes: bool) -> Iterator[None]:
    """Advises on what a run that resumes does not keep."""
    try:
        yield
    except UserError as error:
        if not resumes:
            raise
        advice = ": resume with the --strategy and --accumulate that the run began with"
        raise UserError(error.args[0], advice) from None


@contextlib.contextmanager
def _writing_errors(run_dir: Path) -> Iterator[None]:
    """Makes a UserError of errors of the disk and of files in the run directory.

    Others come from a callback: a connection that failed, a file of its own.
    """
    try:
        yield
    except OSError as error:
        is_inside = False
        if isinstance(error.filename, str | bytes | os.PathLike):
            path = Path(os.path.realpath(os.fsdecode(error.filename)))
            is_inside = path.is_relative_to(os.path.realpath(run_dir))
        if not is_inside and error.errno not in _DISK_ERRORS:
            raise
        with writing(run_dir):
            raise
