"""Evaluations of a run that a signal stops."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import keras
import pytest
from helpers import SGD, eagerly

import tfgan2
from tfgan2.errors import TrainingInterrupted
from tfgan2.evaluation.evaluate import SampleEvaluator
from tfgan2.training import checkpoints, stats
from tfgan2.training.callbacks import Statistics

EVERY = {"evaluate_every": 2, "evaluate_count": 40, "evaluate_features": "pixels"}
EVERY |= {"evaluate_metrics": ["fid"]}
FIT = {"batch_size": 8, "xla": False, "log_every": 2, "checkpoint_every": 100, "quiet": True}
FIGURE = "pixels/fid"
HYPERPARAMETERS = {"base_channels": 4, "latent_dim": 8, **SGD}


class Stopping(keras.callbacks.Callback):
    """Counts steps, and sends a signal in the second one."""

    steps = 0

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        if batch == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.steps += 1

    def state(self) -> dict[str, int]:
        return {"counted": self.steps}

    def restore(self, state: dict[str, int]) -> None:
        self.steps = state["counted"]


def fit_until_signal(run: Path) -> None:
    """Trains until a signal comes in step 2, after which the run is evaluated."""
    settings = {**FIT, **EVERY, "hyperparameters": HYPERPARAMETERS, "callbacks": [Stopping()]}
    with eagerly():
        tfgan2.fit("dcgan", "digits", out=run, steps=6, steps_per_call="1", **settings)


def resume(run: Path) -> None:
    with eagerly():
        tfgan2.open_run(run).resume(quiet=True)


def evaluated(run: Path) -> list[int]:
    return [line["step"] for line in stats.read(run) if FIGURE in line]


def test_the_best_figure_of_the_last_evaluation_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate, fids = SampleEvaluator.evaluate, iter([1.0, 3.0, 2.0])

    def scripted(self: SampleEvaluator) -> object:
        result = evaluate(self)
        return replace(result, figures={**result.figures, "fid": next(fids)})

    monkeypatch.setattr(SampleEvaluator, "evaluate", scripted)
    run = tmp_path / "run"
    with pytest.raises(TrainingInterrupted, match="saved at step 2 of 6"):
        fit_until_signal(run)
    stopped = checkpoints.choose(run, "2")
    assert stopped.extra["best"] == {"metric": "fid", "value": 1.0, "step": 2}
    assert stopped.extra["counted"] == 2  # the callback comes after the evaluation
    resume(run)
    assert evaluated(run) == [2, 4, 6]
    assert checkpoints.choose(run, "best").step == 2


@pytest.mark.parametrize("error", [None, RuntimeError])
def test_what_stops_an_evaluation_costs_no_step(
    error: type[Exception] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = SampleEvaluator.evaluate

    def stopped(self: SampleEvaluator) -> object:
        if error is not None:
            raise error
        os.kill(os.getpid(), signal.SIGTERM)
        return evaluate(self)

    settings = {**FIT, **EVERY, "hyperparameters": HYPERPARAMETERS, "steps_per_call": "1"}
    run = tmp_path / "run"
    with monkeypatch.context() as patch, pytest.raises(error or TrainingInterrupted), eagerly():
        patch.setattr(SampleEvaluator, "evaluate", stopped)
        tfgan2.fit("dcgan", "digits", out=run, steps=4, **settings)
    assert checkpoints.choose(run, "newest").step == 2
    resume(run)
    assert evaluated(run) == [2, 4]


def test_the_last_evaluation_is_made_up_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: SampleEvaluator) -> object:
        raise RuntimeError

    settings = {**FIT, **EVERY, "hyperparameters": HYPERPARAMETERS}
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(SampleEvaluator, "evaluate", fail)
        with pytest.raises(RuntimeError), eagerly():
            tfgan2.fit("dcgan", "digits", out=run, steps=2, **settings)
    assert checkpoints.choose(run, "newest").step == 2 and not evaluated(run)
    resume(run)
    assert evaluated(run) == [2] and checkpoints.choose(run, "best").step == 2
    monkeypatch.setattr(SampleEvaluator, "evaluate", fail)
    resume(run)


@pytest.mark.slow
@pytest.mark.parametrize("recorded", [False, True])
def test_an_evaluation_that_was_cut_short_is_made_up_for(
    recorded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    add = Statistics.add

    def killed(self: Statistics, figures: dict[str, float]) -> dict:
        if recorded or FIGURE not in figures:
            line = add(self, figures)
        if FIGURE in figures:
            raise Killed
        return line

    run = tmp_path / "run"
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Statistics, "add", killed)
        fit_until_signal(run)
    assert checkpoints.choose(run, "newest").step == 2
    assert evaluated(run) == [2] * recorded
    resume(run)
    assert evaluated(run) == [2, 4, 6]
    best = checkpoints.choose(run, "newest").extra["best"]
    fids = {line["step"]: line[FIGURE] for line in stats.read(run) if FIGURE in line}
    assert best["step"] == min(fids, key=fids.__getitem__)
