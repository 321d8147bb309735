"""The callbacks in plain `model.fit`, and those of users in the loop."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from helpers import SGD

import tfgan2
from tfgan2.training import checkpoints, stats
from tfgan2.training.callbacks import Checkpoints, Previews, Statistics, StopOnDivergence

OPTIONS = {"batch_size": 16, "seed": 3, "xla": False, "log_every": 2, "quiet": True}
TINY = {"base_channels": 4, "latent_dim": 8}
PLAIN = {"augment": "none"}
QUICK = {"base_channels": 4, **SGD}


def fit_plainly(run_dir: Path, epochs: int) -> keras.Model:
    run_dir.mkdir(exist_ok=True)
    dataset = tfgan2.load_dataset("digits")
    model = tfgan2.create("dcgan", image_shape=dataset.image_shape, seed=3, **TINY, **PLAIN)
    model.compile()
    statistics = Statistics(run_dir, every=2, images_per_step=16)
    saving = Checkpoints(run_dir, every=4, stateful=[statistics])
    step = saving.restore(model, print)
    callbacks = [
        StopOnDivergence(saving),
        statistics,
        Previews(run_dir, dataset, every=4, count=16, statistics=statistics),
        saving,
    ]
    batches = dataset.batches(16, seed=3, start=step * 16)
    model.fit(batches, steps_per_epoch=3, epochs=epochs, callbacks=callbacks, verbose=0)
    return model


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 6 steps. Tests must not change it."""
    run_dir = tmp_path_factory.mktemp("runs") / "plain"
    fit_plainly(run_dir, epochs=2)
    return run_dir


def test_plain_fit_writes_statistics_grids_and_checkpoints(
    plain_run: Path, finished_run: Path
) -> None:
    lines = stats.read(plain_run)
    assert [line["step"] for line in lines] == [2, 4, 6]
    assert [line["images"] for line in lines] == [32, 64, 96]
    # Keras hides how long it waits for images; the losses are those of `tfgan2 fit`.
    assert "input_share" not in lines[-1]
    for line, same in zip(lines, stats.read(finished_run), strict=True):
        assert line["generator_loss"] == pytest.approx(same["generator_loss"], rel=1e-5)
    names = sorted(path.name for path in (plain_run / "samples").iterdir())
    assert names == ["step-0000004.png", "step-0000006.png"]
    assert (plain_run / "reals.png").exists() and (plain_run / "losses.png").exists()
    assert [path.stem for path in checkpoints.paths(plain_run)] == ["step-0000006", "step-0000004"]


@pytest.mark.slow
def test_plain_fit_goes_on_from_a_checkpoint(plain_run: Path, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    fit_plainly(parts, epochs=1)  # 3 steps: within a log interval
    fit_plainly(parts, epochs=1)
    one, other = checkpoints.newest(plain_run), checkpoints.newest(parts)
    assert one is not None and other is not None and one.step == other.step == 6
    assert all(other.arrays[k].tobytes() == v.tobytes() for k, v in one.arrays.items())
    drop = (*stats.TIMES,)
    ends = [
        {k: v for k, v in stats.read(run)[-1].items() if k not in drop}
        for run in (plain_run, parts)
    ]
    assert ends[0] == ends[1]


class Counting(keras.callbacks.Callback):
    """A user's callback with a state of its own."""

    def __init__(self, stop_at: int = 0) -> None:
        super().__init__()
        self.total, self.stop_at = 0.0, stop_at
        self.calls: list[str] = []

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.calls.append("begin")

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.calls.append(str(batch))
        self.total += (logs or {})["generator_loss"]
        if batch + 1 == self.stop_at:
            self.model.stop_training = True

    def on_train_end(self, logs: dict | None = None) -> None:
        self.calls.append("end")

    def state(self) -> dict[str, float]:
        return {"total": self.total}

    def restore(self, state: dict[str, float]) -> None:
        self.total = state["total"]


@pytest.mark.slow
def test_users_pass_callbacks_whose_state_is_saved(tmp_path: Path) -> None:
    whole, first, second = Counting(), Counting(stop_at=3), Counting()
    options = {**OPTIONS, "steps": 6, "hyperparameters": QUICK}
    tfgan2.fit("dcgan", "digits", out=tmp_path / "whole", callbacks=[whole], **options)
    run = tfgan2.fit("dcgan", "digits", out=tmp_path / "parts", callbacks=[first], **options)
    assert whole.calls == ["begin", "0", "1", "2", "3", "4", "5", "end"]
    assert first.calls == ["begin", "0", "1", "2", "end"] and run.step == 3  # saved, though early
    run = run.resume(callbacks=[second], quiet=True)
    assert run.step == 6 and second.calls[1] == "3" and second.total == whole.total


def test_keras_callbacks_work(tmp_path: Path) -> None:
    seen: list[int] = []
    log = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch))
    csv = keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))
    options = {**OPTIONS, "steps": 2, "hyperparameters": QUICK}
    tfgan2.fit("dcgan", "digits", out=tmp_path / "run", callbacks=[log, csv], **options)
    assert seen == [0, 1]
    assert "generator_loss" in (tmp_path / "log.csv").read_text()


def test_a_callback_that_fails_at_the_end_costs_no_checkpoint(tmp_path: Path) -> None:
    def gone(logs: dict | None = None) -> None:
        raise ConnectionError("gone")

    options = {**OPTIONS, "steps": 2, "hyperparameters": QUICK}
    failing = keras.callbacks.LambdaCallback(on_train_end=gone)
    with pytest.raises(ConnectionError):
        tfgan2.fit("dcgan", "digits", out=tmp_path / "run", callbacks=[failing], **options)
    assert checkpoints.choose(tmp_path / "run", "newest").step == 2


def test_an_api_run_equals_one_of_the_command_line(finished_run: Path, tmp_path: Path) -> None:
    """The same weights, statistics and configuration."""
    options = {**OPTIONS, "steps": 6, "sample_every": 4, "checkpoint_every": 2}
    options["hyperparameters"] = {**TINY, **PLAIN}
    run = tfgan2.fit("dcgan", "digits", out=tmp_path / "api", **options)
    one, other = checkpoints.newest(finished_run), checkpoints.newest(run.directory)
    assert one is not None and other is not None
    assert all(np.array_equal(other.arrays[k], v) for k, v in one.arrays.items())
    first, second = (
        json.loads((path / "config.json").read_text()) for path in (finished_run, run.directory)
    )
    assert first == second


def test_a_checkpoint_has_the_state_of_its_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the thread that writes it is slow."""
    save = checkpoints.save

    def slowly(*args: Any, **kwargs: Any) -> Path:
        time.sleep(0.5)
        return save(*args, **kwargs)

    monkeypatch.setattr(checkpoints, "save", slowly)
    options = {**OPTIONS, "log_every": 100, "checkpoint_every": 2, "keep_checkpoints": 9}
    run = tfgan2.fit(
        "gan",
        "digits",
        out=tmp_path / "run",
        steps=8,
        hyperparameters=QUICK,
        **options,
    )
    found = [checkpoints.read(path) for path in reversed(checkpoints.paths(run.directory))]
    assert [each.step for each in found] == [2, 4, 6, 8]
    counts = [each.extra["averages"]["counts"]["generator_loss"] for each in found[:3]]
    assert counts == [2, 4, 6]
    assert [int(each.arrays["model/000/step"]) for each in found] == [2, 4, 6, 8]
