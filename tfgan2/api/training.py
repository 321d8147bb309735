"""One training, of a new run or of one that resumes."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING

from tfgan2 import runs, startup
from tfgan2.errors import UserError
from tfgan2.options import TrainingOptions

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from tfgan2.remote import Mirror


def check_length(steps: int | None, epochs: float | None) -> None:
    """Raises a UserError unless the length of the training is possible, given in one way."""
    if steps is not None and epochs is not None:
        raise UserError("give steps or epochs, not both")
    if epochs is not None and not (isinstance(epochs, Real) and 0 < epochs < math.inf):
        raise UserError(f"epochs must be above 0 and finite, not {epochs!r}")


def check_evaluation(options: TrainingOptions) -> None:
    """Raises a UserError for what is wrong whatever the data are."""
    others = (options.evaluate_features, options.evaluate_metrics, options.best_metric)
    if not options.evaluate_every:
        if any(others) or options.evaluate_count != TrainingOptions.evaluate_count:
            raise UserError("evaluate_every is missing: give the steps between evaluations")
        return
    from tfgan2.evaluation import EvaluationRequest, check_best

    EvaluationRequest(options.evaluate_metrics or None, options.evaluate_features)  # checks them
    if options.best_metric is not None:
        check_best(options.best_metric)


def checked(
    callbacks: keras.callbacks.Callback | Sequence[keras.callbacks.Callback] | None,
) -> list[keras.callbacks.Callback]:
    """Returns the callbacks as a list; a UserError if one is none, or would have no effect."""
    import keras

    kinds = keras.callbacks
    by_epoch = (kinds.EarlyStopping, kinds.LearningRateScheduler, kinds.ReduceLROnPlateau)
    chosen = [] if callbacks is None else keras.tree.flatten(callbacks)
    for each in chosen:
        if not isinstance(each, kinds.Callback):
            raise UserError(f"callbacks must be Keras callbacks, not {each!r}")
        if type(each) in by_epoch:
            raise UserError(
                f"{type(each).__name__} acts after an epoch, and a training is one epoch: give a "
                "callback with a method on_train_batch_end"
            )
    return chosen


def train(
    config: runs.RunConfig,
    run_dir: Path,
    mirror: Mirror | None,
    epochs: float | None,
    callbacks: keras.callbacks.Callback | Sequence[keras.callbacks.Callback] | None,
    dry_run: bool,
    quiet: bool,
    *,
    numbered: bool = False,
    pipeline: tf.data.Dataset | None = None,
) -> Path:
    """Trains a run, new if its configuration says nothing about the dataset yet.

    The arguments are those of `fit`, `remote.staged` and `runs.held`; `pipeline` is the dataset
    where it has no name. Returns the run directory,
    which may have got another number.
    """
    from tfgan2.training.compiled import folder_of_process
    from tfgan2.training.progress import Display

    display = Display(quiet=quiet)
    if mirror is not None:
        display.alias = (str(run_dir), mirror.url)
    devices = startup.load(folder_of_process(), display.say)
    chosen = checked(callbacks)
    from tfgan2.data import changes
    from tfgan2.training.description import describe, describe_fully
    from tfgan2.training.session import Session

    new = not config.dataset
    session = Session(config, display, epochs, run_dir, pipeline)
    describe(session, devices)
    if dry_run:
        display.say(f"run: {run_dir}")
        describe_fully(session)
        return run_dir
    with contextlib.ExitStack() as stack:
        if session.worker.chief:
            if config.training.evaluate_every:
                from tfgan2.api.evaluating import Evaluation

                chosen = [Evaluation(session), *chosen]
            run_dir = stack.enter_context(runs.held(run_dir, config, new=new, numbered=numbered))
            changes.keep(run_dir, session.dataset)
            if mirror is not None:
                mirror.push()  # a directory that refuses is an error now, not later
        display.say(f"run: {run_dir}")
        session.train(run_dir, chosen, mirror)
    return run_dir
