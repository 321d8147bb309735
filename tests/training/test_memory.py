"""Memory of a step: the estimate, what was measured, and the line if there is too little."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from helpers import fit, fit_small

import tfgan2
from tfgan2 import cli, runs
from tfgan2.costs.graph import peak_bytes
from tfgan2.errors import UserError
from tfgan2.training import checkpoints, memory

LARGE = "dcgan --dataset digits --no-xla --batch-size 512 --seed 3"


def test_the_peak_of_a_graph() -> None:
    def chain(x: tf.Tensor) -> tf.Tensor:
        for _ in range(5):
            x = tf.sin(x)  # 400 bytes, two at a time
        return tf.reduce_sum(x)

    def kept(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = chain(x)
        return tape.gradient(y, x)

    spec = tf.TensorSpec((100,), tf.float32)
    peaks = [
        peak_bytes(tf.function(each, autograph=False).get_concrete_function(spec))
        for each in (chain, kept, tf.function(chain))
    ]
    assert peaks[0] == peaks[2] == 800
    assert peaks[1] >= 5 * 400  # what the gradient needs


def sizes(out: str) -> list[float]:
    """The estimated and the measured size of a step, in MB."""
    return [float(size) for size in re.findall(r"memory of a step, \w+: ([\d.]+) MB", out)]


@pytest.mark.slow
def test_a_dry_run_estimates_and_measures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measures = memory.measure(lambda: {"loss": tf.constant(0.0)}) is not None
    assert fit(tmp_path / "run", f"{LARGE} --dry-run") == 0
    estimated, *measured = sizes(capsys.readouterr().out)
    assert len(measured) == measures  # a CPU without oneDNN counts nothing
    assert all(0.4 < each / estimated < 1.3 for each in measured)
    assert fit(tmp_path / "run", f"{LARGE} --dry-run --accumulate 16") == 0
    fewer, *measured_fewer = sizes(capsys.readouterr().out)
    assert fewer < estimated / 3
    assert all(b < 0.7 * a for a, b in zip(measured, measured_fewer, strict=True))
    assert not list(tmp_path.iterdir())


GPU = (
    tf.errors.ResourceExhaustedError(
        None, None, "OOM when allocating tensor with shape[64,8,8,4] by allocator GPU_0_bfc\n[[{{x"
    ),
    tf.errors.InternalError(
        None, None, "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 68852648264 bytes."
    ),
)


@pytest.mark.slow
@pytest.mark.parametrize("error", GPU, ids=["tensorflow", "xla"])
def test_a_step_without_memory_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    def run(self: Any, chosen: Any) -> None:
        raise error

    monkeypatch.setattr(memory, "available", lambda: (900_000, "the GPU"))
    monkeypatch.setattr(memory, "check", lambda *words, **more: None)
    out = tmp_path / "run"
    assert fit_small(out, steps=4) == 0
    monkeypatch.setattr("tfgan2.training.loop.Loop.run", run)
    assert cli.run(["fit", "--resume", str(out), "--steps", "8"]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert re.fullmatch(
        r"error: not enough memory: a step of 16 images needs about \d+ (kB|MB) \(an estimate\), "
        r"the GPU has \d+ kB; step-0000004.npz is kept: give --accumulate \d+, which keeps the "
        r"batch\n",
        message,
    ), message
    assert checkpoints.newest(out).step == 4
    with pytest.raises(UserError, match="not enough memory"):
        tfgan2.open_run(out).resume(steps=8, quiet=True)


@pytest.mark.slow
def test_a_batch_that_this_machine_can_never_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(memory, "available", lambda: (20_000_000, "this machine"))
    assert fit(tmp_path / "run", f"{LARGE} --steps 1") == 2
    message = capsys.readouterr().err
    found = re.search(r"give --batch-size (\d+), .* or --accumulate (\d+), which", message)
    assert found and "a step of 512 images needs about" in message
    batch, count = map(int, found.groups())
    assert batch == 512 // count  # the variables are small
    assert not list(tmp_path.iterdir())
    # What it advises, it accepts.
    assert fit(tmp_path / "parts", f"{LARGE} --dry-run --accumulate {count}") == 0


def test_a_resumed_run_is_advised_only_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    config = runs.RunConfig.create("gan", "digits", batch_size=2)
    config.hyperparameters["image_shape"] = (8, 8, 1)
    for limit, advice in ((10**9, "give --accumulate 2, which keeps the batch"), (1, "where")):
        monkeypatch.setattr(memory, "available", lambda limit=limit: (limit, "the GPU"))
        with (
            pytest.raises(UserError, match=advice) as raised,
            memory.telling_what_fits(config, 1, None, resumes=True),
        ):
            raise MemoryError
        assert "--batch-size" not in str(raised.value)


def test_other_errors_pass() -> None:
    config = runs.RunConfig.create("dcgan", "digits")
    for error in (
        tf.errors.InvalidArgumentError(None, None, "shapes"),
        UserError("no more data"),
        ValueError("x"),
    ):
        with pytest.raises(type(error)) as raised, memory.telling_what_fits(config, 1, None):
            raise error
        assert raised.value is error
