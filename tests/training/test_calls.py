"""Calls that train several steps: the same weights, cut where something happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import SGD, assert_refused, make_small, poison

import tfgan2
from tfgan2.data import load_dataset
from tfgan2.data.dataset import Order
from tfgan2.errors import TrainingDivergedError, TrainingInterrupted
from tfgan2.options import TrainingOptions
from tfgan2.training import checkpoints, stats
from tfgan2.training.callbacks import StepCallback
from tfgan2.training.calls import DeviceCalls

TINY = {"base_channels": 4, **SGD}
EVERY = {"log_every": 4, "sample_every": 6, "checkpoint_every": 6}
OPTIONS = {**EVERY, "batch_size": 16, "seed": 3, "xla": False, "quiet": True}


def fit(out: Path, flavour: str = "dcgan", **options: Any) -> tfgan2.Run:
    chosen = {**OPTIONS, "hyperparameters": TINY, **options}
    return tfgan2.fit(flavour, "digits", out=out, **chosen)


class Seen(StepCallback):
    """Keeps the number of steps at the end of each call."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[int] = []

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        super().on_train_batch_end(batch, logs)
        self.ends.append(self.step)


def losses(run: tfgan2.Run) -> list[dict[str, Any]]:
    lines = stats.read(run.directory)
    return [{k: v for k, v in line.items() if k not in stats.TIMES} for line in lines]


def assert_equal_runs(run: tfgan2.Run, other: tfgan2.Run) -> None:
    ours, theirs = (checkpoints.newest(each.directory) for each in (run, other))
    assert ours is not None and theirs is not None and ours.step == theirs.step
    for name, array in ours.arrays.items():
        assert array.tobytes() == theirs.arrays[name].tobytes(), name
    lines = [
        [
            {k: v for k, v in line.items() if k not in stats.TIMES}
            for line in stats.read(each.directory)
        ]
        for each in (run, other)
    ]
    assert lines[0] == lines[1]
    grids = [sorted((each.directory / "samples").glob("*.png")) for each in (run, other)]
    assert [path.name for path in grids[0]] == [path.name for path in grids[1]]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(*grids, strict=True))


@pytest.mark.parametrize(
    ("flavour", "xla"),
    [
        ("lsgan", False),
        pytest.param("gan", False, marks=pytest.mark.slow),
        pytest.param("dcgan", True, marks=pytest.mark.slow),
        pytest.param("srgan", False, marks=pytest.mark.slow),
        pytest.param("wgan-gp", False, marks=pytest.mark.slow),
    ],
)
def test_the_weights_do_not_depend_on_the_steps_per_call(
    tmp_path: Path, flavour: str, xla: bool
) -> None:
    """Also after a resume within a log interval; srgan trains in two phases."""
    one, all_, five = Seen(), Seen(), Seen()
    options: dict[str, Any] = {"steps": 14, "xla": xla, "hyperparameters": {"base_channels": 4}}
    if flavour == "lsgan":
        options["hyperparameters"] = {**TINY, "network": "mlp"}
    elif flavour == "srgan":
        options["hyperparameters"] |= {"blocks": 1, "pretrain_steps": 5}
    single = fit(tmp_path / "1", flavour, steps_per_call=1, callbacks=[one], **options)
    several = fit(tmp_path / "100", flavour, steps_per_call=100, callbacks=[all_], **options)
    assert one.ends == list(range(1, 15))
    phase = [5] if flavour == "srgan" else []
    assert all_.ends == sorted([4, 6, 8, 12, 14, *phase])
    assert_equal_runs(single, several)
    options["steps"] = 7
    resumed = fit(tmp_path / "5", flavour, steps_per_call=5, callbacks=[five], **options)
    resumed = resumed.resume(steps=14, quiet=True)
    lines = [line["step"] for line in stats.read(resumed.directory)]
    assert lines == [4, 7, 8, 12, 14]
    ours, theirs = (checkpoints.newest(each.directory) for each in (resumed, single))
    assert ours is not None and theirs is not None
    assert ours.step == theirs.step
    assert not [k for k, v in theirs.arrays.items() if ours.arrays[k].tobytes() != v.tobytes()]
    for line in stats.read(single.directory)[-2:]:
        (same,) = (each for each in stats.read(resumed.directory) if each["step"] == line["step"])
        assert same["generator_loss"] == line["generator_loss"]


@pytest.mark.slow
def test_auto_makes_calls_longer(tmp_path: Path) -> None:
    seen = Seen()
    fit(
        tmp_path / "run",
        "gan",
        steps=2000,
        log_every=2000,
        sample_every=2000,
        callbacks=[seen],
        checkpoint_every=2000,
    )
    lengths = np.diff([0, *seen.ends])
    assert lengths[:2].tolist() == [1, 1] and lengths.sum() == 2000
    assert lengths.max() > 20 and len(lengths) < 200


def test_callbacks_of_keras_see_every_step_unless_asked_for_more(tmp_path: Path) -> None:
    class Batches(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[tuple[int, int]] = []

        def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
            self.first = batch

        def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
            self.seen.append((self.first, batch))

    each, several = Batches(), Batches()
    fit(tmp_path / "auto", steps=8, callbacks=[each])
    assert each.seen == [(i, i) for i in range(8)]
    fit(tmp_path / "3", steps=8, callbacks=[several], steps_per_call=3)
    assert several.seen == [(0, 2), (3, 3), (4, 5), (6, 7)]


def test_a_loss_that_is_not_finite_is_told_with_its_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, 9)
    with pytest.raises(TrainingDivergedError, match=r"nan at step 9, .*step-0000006\.npz"):
        fit(tmp_path / "run", steps=20, steps_per_call=100)
    newest = checkpoints.newest(tmp_path / "run")
    assert newest is not None and newest.step == 6


def test_a_signal_is_answered_after_the_call(tmp_path: Path) -> None:
    class Interrupt(StepCallback):
        def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
            super().on_train_batch_begin(batch, logs)
            if batch == 4:
                os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(TrainingInterrupted, match="saved at step 6 of 20"):
        fit(tmp_path / "run", steps=20, steps_per_call=100, callbacks=[Interrupt()])
    newest = checkpoints.newest(tmp_path / "run")
    assert newest is not None and newest.step == 6


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", 0])
def test_what_steps_per_call_may_be(
    tmp_path: Path, value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["fit", "gan", "--dataset", "digits", "--out", str(tmp_path / "run")]
    message = f"steps_per_call must be auto or a number from 1, not '{value}'"
    assert_refused([*words, f"--steps-per-call={value}"], message, capsys)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["digits", "ring8", "digits-captions"])
def test_samples_looked_up_in_a_call_are_those_of_the_pipeline(name: str) -> None:
    """The step reports its batch."""
    flavour = {"ring8": "gan", "digits-captions": "stackgan"}.get(name, "cgan")
    dataset = load_dataset(name, **({} if name == "ring8" else {"image_size": 8}))
    model = make_small(flavour)
    sums: list[list[float]] = []
    model.train_step = lambda batch: {
        str(i): tf.reduce_sum(tf.cast(part, tf.float32) ** 2)
        for i, part in enumerate(tf.nest.flatten(batch))
    }
    options = TrainingOptions(batch_size=12, seed=2, xla=False)
    start = dataset.num_images // 12 - 1  # the calls cross into the next epoch
    size = 12 * model.batches_per_step
    calls = DeviceCalls(model, options, dataset, Order(size, 2, start * size))
    for count in (1, 3):
        sums += [list(each.values()) for each in calls.train(count, (False, False)).metrics]
    batches = dataset.batches(size, seed=2, start=start * size).take(4)
    expected = [
        [float(tf.reduce_sum(tf.cast(part, tf.float32) ** 2)) for part in tf.nest.flatten(batch)]
        for batch in batches
    ]
    np.testing.assert_allclose(sums, expected, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_on_one_core_training_does_not_count_as_waiting(tmp_path: Path) -> None:
    """With one thread, time that nothing waits for is read only after the update."""
    words = ["dcgan", "--dataset", "digits", "--steps", "40", "--log-every", "10", "--out", "run"]
    command = [sys.executable, "-c", "from tfgan2.cli import main; main()", "fit", *words]
    subprocess.run(
        command,
        cwd=tmp_path,
        check=True,
        capture_output=True,
        preexec_fn=lambda: os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1]),
    )
    shares = [line["input_share"] for line in stats.read(tmp_path / "run")]
    assert np.median(shares) < 0.2
