"""Runs from start to end: interrupted, resumed, diverging; in this process if possible."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from helpers import PLAIN_SGD, SMALL, eagerly, fit_small, poison
from PIL import Image

from tfgan2 import cli
from tfgan2.data import sources
from tfgan2.data.dataset import Order
from tfgan2.errors import UserError
from tfgan2.report import REPORT
from tfgan2.runs import RunConfig, check_new, held
from tfgan2.training import checkpoints, stats
from tfgan2.training.callbacks import Progress

ROOT = Path(__file__).parents[2]


def without_times(run: Path) -> list[dict]:
    return [{k: v for k, v in x.items() if k not in stats.TIMES} for x in stats.read(run)]


def assert_same_end(first: Path, second: Path) -> None:
    ours, theirs = checkpoints.newest(first), checkpoints.newest(second)
    assert ours is not None and theirs is not None and ours.step == theirs.step
    assert ours.arrays.keys() == theirs.arrays.keys() and len(ours.arrays) > 50
    for name, array in ours.arrays.items():
        assert array.tobytes() == theirs.arrays[name].tobytes(), name
    assert without_times(first) == without_times(second)


def test_run_directory(finished_run: Path) -> None:
    names = {path.name.split(".")[0] for path in finished_run.iterdir()}
    assert names >= {"config", "stats", "losses", "reals", "samples", "checkpoints", "events"}
    assert [path.name for path in sorted((finished_run / "samples").iterdir())] == [
        "step-0000004.png",
        "step-0000006.png",
    ]
    with Image.open(finished_run / "reals.png") as reals:
        assert reals.size[0] > 400
    lines = stats.read(finished_run)
    assert [line["step"] for line in lines] == [2, 4, 6]
    assert [line["images"] for line in lines] == [32, 64, 96]
    assert lines[-1].keys() >= {"seconds", "images_per_second", "generator_loss", "real_score"}
    assert all(0 <= line["input_share"] <= 1 for line in lines)
    config = json.loads((finished_run / "config.json").read_text())
    assert config["hyperparameters"]["base_channels"] == 4
    assert config["hyperparameters"]["generator_learning_rate"] == 2e-4  # resolved
    assert config["dataset"]["num_images"] == 1797
    assert config["versions"].keys() >= {"tensorflow", "keras", "tfgan2"}


def test_resumed_in_the_middle_ends_the_same(finished_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    # Planned for 3 steps, then extended: the checkpoint lies within a log interval.
    assert fit_small(run, steps=3) == 0
    assert cli.run(["fit", "--resume", str(run), "--steps", "6"]) == 0
    # The run of 3 steps has a last line of its own.
    ours = [line for line in without_times(run) if line["step"] != 3]
    theirs = without_times(finished_run)
    assert ours[0] == theirs[0] and ours[-1] == theirs[-1]
    a, b = checkpoints.newest(run), checkpoints.newest(finished_run)
    assert a is not None and b is not None
    assert all(a.arrays[name].tobytes() == b.arrays[name].tobytes() for name in b.arrays)


def test_data_is_read_no_more_often_than_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    shuffled = sources.shuffled_indices

    def counted(count: int, order: Order, **labels: Any) -> tf.data.Dataset:
        sizes.append(order.batch_size)
        return shuffled(count, order, **labels)

    monkeypatch.setattr(sources, "shuffled_indices", counted)
    with eagerly():
        assert fit_small(tmp_path / "run", steps=1) == 0
    assert sorted(sizes) == [16, 64]  # to train on, and to show


@pytest.mark.slow
def test_an_extended_run_keeps_its_phases(tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = "fit srgan --dataset digits --set blocks=1 --set base_channels=4 --log-every 1 --no-xla"
    assert cli.run([*words.split(), "--steps", "4", "--out", str(run)]) == 0
    assert cli.run(["fit", "--resume", str(run), "--steps", "6"]) == 0
    config = json.loads((run / "config.json").read_text())
    assert config["hyperparameters"]["pretrain_steps"] == 2
    assert (config["training"]["batch_size"], config["data"]["hold_out"]) == (16, 16)
    assert ["real_score" in line for line in stats.read(run)] == [False] * 2 + [True] * 4


def test_after_a_damaged_newest_checkpoint_steps_are_repeated(
    finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    newest = checkpoints.paths(run)[0]
    newest.write_bytes(newest.read_bytes()[:-100])
    (newest.parent / ".step-0000008.partial-1.npz").write_bytes(b"half")
    (run / "samples" / "view").mkdir()
    (run / "samples" / "view" / ".step-0000008.partial-1.png").write_bytes(b"half")
    capsys.readouterr()
    assert cli.run(["fit", "--resume", str(run)]) == 0
    printed = capsys.readouterr()
    assert f"warning: checkpoint {newest} is damaged" in printed.out
    assert_same_end(run, finished_run)
    assert not list(run.rglob(".*partial*"))


def test_resuming_a_finished_run_writes_what_is_missing(
    finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    # The process may have been killed after its last checkpoint, before it wrote these.
    grid = Path("samples", "step-0000006.png")
    (run / grid).unlink()
    (run / REPORT).unlink()
    assert cli.run(["fit", "--resume", str(run)]) == 0
    assert "done: 6 steps" in capsys.readouterr().out
    assert_same_end(run, finished_run)
    assert "step 6 of 6" in (run / REPORT).read_text("utf-8")
    assert (run / grid).read_bytes() == (finished_run / grid).read_bytes()


@pytest.mark.slow
def test_streamed_run_equals_the_one_in_memory(finished_run: Path, tmp_path: Path) -> None:
    """A streamed folder ends the same with and without a resume."""
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for index in range(40):
        pixels = rng.integers(0, 256, (12, 12), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{index}.png")
    words = f"fit dcgan --dataset folder:{tmp_path}/images --image-size 8 {SMALL} --log-every 2"
    words = f"{words} {PLAIN_SGD}"
    ends = []
    for name, cache, interrupted in (("a", "stream", False), ("b", "stream", True)):
        run = tmp_path / name
        steps = "3" if interrupted else "6"
        start = [*words.split(), "--cache", cache, "--steps", steps, "--out", str(run)]
        assert cli.run(start) == 0
        if interrupted:
            assert cli.run(["fit", "--resume", str(run), "--steps", "6"]) == 0
        end = checkpoints.newest(run)
        assert end is not None
        ends.append(end.arrays)
    assert all(ends[0][name].tobytes() == ends[1][name].tobytes() for name in ends[0])


def test_first_non_finite_loss_stops_and_keeps_the_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    poison(monkeypatch, 5)
    run = tmp_path / "run"
    assert fit_small(run) == 1
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert "generator_loss became nan at step 5" in message
    assert "step-0000004.npz: begin another run with its weights and lower" in message
    newest = checkpoints.newest(run)
    assert newest is not None and newest.step == 4
    assert [line["step"] for line in stats.read(run)] == [2, 4]


def test_a_learning_rate_that_explodes_never_saves_broken_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    code = fit_small(
        run,
        "--set generator_optimizer=sgd --set generator_learning_rate=1e38 "
        "--set discriminator_optimizer=sgd --set discriminator_learning_rate=1e38",
        steps=30,
    )
    assert code == 1
    assert "lower the learning rates, or try another seed" in capsys.readouterr().err
    for path in checkpoints.paths(run):
        arrays = checkpoints.read(path).arrays
        assert all(np.isfinite(array).all() for array in arrays.values())


def test_a_full_disk_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, **arrays: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(np, "savez", full)
    assert fit_small(tmp_path / "run") == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: cannot write to") and "No space left" in error
    assert "\n" not in error
    assert not checkpoints.paths(tmp_path / "run")


def test_a_missing_file_is_one_line_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images").mkdir()
    for index in range(200):
        Image.new("L", (8, 8), index).save(tmp_path / "images" / f"{index}.png")
    show = Progress.on_train_batch_end

    def then_remove(self: Progress, batch: int, logs: dict[str, float]) -> None:
        show(self, batch, logs)
        if batch == 1:
            for path in (tmp_path / "images").iterdir():
                path.unlink()

    monkeypatch.setattr(Progress, "on_train_batch_end", then_remove)
    run = tmp_path / "run"
    words = f"fit dcgan --dataset folder:{tmp_path}/images --image-size 8 --cache stream {SMALL}"
    options = ["--steps", "100", "--checkpoint-every", "1", "--out", str(run)]
    assert cli.run([*words.split(), *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "no more data could be read: cannot read" in error
    assert ".png" in error and "node" not in error and "which is saved" not in error
    assert error.endswith(": --resume uses the newest checkpoint, if any\n")
    newest = checkpoints.newest(run)
    # The failing step may have changed variables that do not depend on its batch.
    assert newest is not None and f"after step {newest.step}," in error
    assert int(newest.arrays["model/000/step"]) == newest.step


def start(run: Path, *more: str) -> subprocess.Popen[str]:
    words = f"fit dcgan --dataset digits {SMALL} --log-every 5 --checkpoint-every 20".split()
    # If `nohup` started the tests, the child would ignore closed terminals, too.
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL); "
    code += "from tfgan2.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *words, *more, "--out", str(run)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def wait_for_line(run: Path, process: subprocess.Popen[str], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not stats.read(run):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
    ],
)
def test_a_signal_saves_and_prints_the_command_that_resumes(
    tmp_path: Path, number: signal.Signals, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before, a second process is refused."""
    run = tmp_path / "run"
    process = start(run, "--steps", "100000", "--checkpoint-every", "100000")
    wait_for_line(run, process)
    before = (run / "config.json").read_bytes()
    assert cli.run(["fit", "--resume", str(run), "--steps", "200000"]) == 2
    assert "another process is training" in capsys.readouterr().err
    assert (run / "config.json").read_bytes() == before
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Traceback" not in err
    newest = checkpoints.newest(run)
    assert newest is not None and newest.step >= 5
    assert f"saved at step {newest.step} of 100000" in out
    assert f"tfgan2 fit --resume {run}" in out
    step = stats.read(run)[-1]["step"]
    assert f"step {step:,} of 100,000" in (run / REPORT).read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_saves_after_the_reader_of_the_output_is_gone(
    tmp_path: Path, number: signal.Signals
) -> None:
    run = tmp_path / "run"
    process = start(run, "--steps", "100000", "--checkpoint-every", "100000")
    wait_for_line(run, process)
    for pipe in (process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()
    before = len(stats.read(run))
    while len(stats.read(run)) < before + 2:  # trains on in silence
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, number)
    assert process.wait(timeout=60) == 128 + number
    newest = checkpoints.newest(run)
    assert newest is not None and newest.step >= 5


def test_runs_that_begin_at_the_same_time_get_different_folders(tmp_path: Path) -> None:
    config = RunConfig.create("gan", "digits")
    first = tmp_path / "runs" / "00000-gan-digits"
    with (
        held(first, config, new=True, numbered=True) as one,
        held(first, config, new=True, numbered=True) as two,
    ):
        assert (one, two) == (first, first.with_name("00001-gan-digits"))
    with (
        pytest.raises(UserError, match="another process has just started a run in"),
        held(first, config, new=True, numbered=False),
    ):
        pass


def test_a_start_that_failed_before_its_configuration_can_be_repeated(tmp_path: Path) -> None:
    run, config = tmp_path / "run", RunConfig.create("gan", "digits")
    run.mkdir()
    for name in (".lock", ".config.partial-123.json"):
        (run / name).touch()
    check_new(run)
    with held(run, config, new=True, numbered=False):
        pass
    with pytest.raises(UserError, match="choose another folder, or resume the run in it"):
        check_new(run)
    (run / "config.json").rename(run / "other.json")
    with pytest.raises(UserError, match=r"not empty: choose another folder$"):
        check_new(run)


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path: Path) -> None:
    """A shorter version of the benchmark of the same name."""
    words = "--kills 2 --steps 4000 --shortest 5 -- --set base_channels=4 --batch-size 16"
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "kill_resume.py"), *words.split()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 kills" in done.stdout and "bitwise equal" in done.stdout
