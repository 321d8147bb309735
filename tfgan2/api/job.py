"""One training, of a new run or of one that resumes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tfgan2 import remote, runs, startup
from tfgan2.distributed.cluster import find_cluster
from tfgan2.errors import UserError, cannot_write
from tfgan2.options import TrainingOptions

if TYPE_CHECKING:
    import keras

    from tfgan2.remote import Mirror
    from tfgan2.training.session import MakeEvaluation, Session


def check_epochs(epochs: float | None) -> None:
    if epochs is not None and epochs <= 0:
        raise UserError(f"epochs must be above 0, not {epochs:g}")


def check_evaluation(options: TrainingOptions) -> None:
    """Raises a UserError for what is wrong whatever the data are."""
    others = (options.evaluate_features, options.evaluate_metrics, options.best_metric)
    if not options.evaluate_every:
        if any(others):
            raise UserError("evaluate_every is missing: give the steps between evaluations")
        return
    from tfgan2.evaluation import check_features, check_metrics
    from tfgan2.evaluation.during import check_best

    check_metrics(options.evaluate_metrics or [])
    if options.evaluate_features is not None:
        check_features(options.evaluate_features)
    if options.best_metric is not None:
        check_best(options.best_metric)


def worker_index(strategy: str) -> int | None:
    """The number of this process among several that train; None if it is alone."""
    cluster = find_cluster(strategy)
    return None if cluster is None or len(cluster.workers) < 2 else cluster.index


@contextlib.contextmanager
def local_run_dir(location: str, *, fetch: bool) -> Iterator[tuple[Path, Mirror | None]]:
    """Yields a run directory on this machine, and what copies it if `location` is remote.

    Args:
        location: the run directory, local or remote.
        fetch: the run exists.
    """
    if not remote.is_remote(location):
        yield Path(location), None
        return
    startup.load()
    with remote.staged(location, fetch=fetch) as staged:
        yield staged


@dataclass
class Job:
    """One training, of a new run or one that resumes; the attributes are arguments of `fit`."""

    config: runs.RunConfig
    callbacks: Sequence[keras.callbacks.Callback]
    epochs: float | None
    dry_run: bool
    quiet: bool
    mirror: Mirror | None

    def train(self, run_dir: Path, *, new: bool, numbered: bool = False) -> Path:
        """Trains; returns the run directory, which may have got another number."""
        from tfgan2.training.progress import Display

        display = Display(quiet=self.quiet)
        if self.mirror is not None:
            display.show_as(run_dir, self.mirror.url)
        display.say("loading TensorFlow")
        devices = startup.load()
        from tfgan2.distributed.strategies import Worker
        from tfgan2.training.building import make_deterministic
        from tfgan2.training.session import Session
        from tfgan2.training.summary import describe, describe_fully

        make_deterministic()
        worker = Worker.start(self.config.training.strategy, display.say)
        display.console.quiet = self.quiet or not worker.chief
        session = Session.prepare(self.config, worker, display, new=new, epochs=self.epochs)
        describe(session, devices)
        if self.dry_run:
            display.say(f"run: {run_dir}")
            describe_fully(session)
            return run_dir
        evaluation = _evaluation(session) if worker.chief else None
        with contextlib.ExitStack() as stack:
            if worker.chief:
                held = runs.held(run_dir, self.config, new=new, numbered=numbered)
                try:
                    run_dir = stack.enter_context(held)
                except OSError as error:
                    raise cannot_write(run_dir, error) from error
                if self.mirror is not None:
                    self.mirror.push()  # a directory that refuses is an error now, not later
            display.say(f"run: {run_dir}")
            session.train(
                run_dir, callbacks=self.callbacks, evaluation=evaluation, mirror=self.mirror
            )
        return run_dir


def _evaluation(session: Session) -> MakeEvaluation | None:
    """What makes the callback that evaluates while training; None if it is not to."""
    training = session.config.training
    if not training.evaluate_every:
        return None
    from tfgan2.evaluation.during import Evaluator, is_better
    from tfgan2.training.callbacks import Checkpoints, Evaluation, Statistics

    try:
        evaluator = Evaluator(
            session.config, session.model, session.dataset, session.display.loading
        )
    finally:
        session.display.close()
    every = training.evaluate_every

    def make(run_dir: Path, statistics: Statistics, checkpoints: Checkpoints) -> Evaluation:
        return Evaluation(
            lambda step, images: evaluator(run_dir, step, images),
            every=every,
            statistics=statistics,
            checkpoints=checkpoints,
            best_metric=evaluator.best_metric,
            is_better=partial(is_better, evaluator.best_metric),
            prefix=evaluator.prefix,
            say=session.display.say,
        )

    return make
