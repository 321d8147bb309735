"""Two processes over loopback, one of which is killed or interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import SMALL

from tfgan2.distributed.launcher import addresses
from tfgan2.training import checkpoints, stats

START = [sys.executable, "-c", "from tfgan2.cli import main; main()"]
FIT = f"fit dcgan --dataset digits {SMALL} --log-every 10 --sample-every 200 --checkpoint-every 10"


def launch(*words: str) -> subprocess.Popen[str]:
    environment = {key: value for key, value in os.environ.items() if key != "TF_CONFIG"}
    command = [*START, "launch", "--workers", "2", "--", *words]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def finished(*words: str) -> None:
    process = launch(*words)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, output + errors


def worker(launcher: subprocess.Popen[str], index: int) -> int:
    """Returns the id of a worker's process."""
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text("utf-8").split()
    for child in children:
        for entry in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            if entry.startswith(b"TF_CONFIG="):
                config = json.loads(entry.removeprefix(b"TF_CONFIG="))
                if config["task"]["index"] == index:
                    return int(child)
    raise AssertionError(f"no worker {index}")


def wait_for_step(run: Path, step: int) -> None:
    deadline = time.monotonic() + 120
    while not any(int(path.stem[5:]) >= step for path in checkpoints.paths(run)):
        assert time.monotonic() < deadline, "no checkpoint in time"
        time.sleep(0.05)


def assert_same_end(one: Path, other: Path) -> None:
    first, second = checkpoints.newest(one), checkpoints.newest(other)
    assert first is not None and second is not None and first.step == second.step
    for name, array in first.arrays.items():
        assert array.tobytes() == second.arrays[name].tobytes(), name
    lines = [
        [{k: v for k, v in line.items() if k not in stats.TIMES} for line in stats.read(run)]
        for run in (one, other)
    ]
    assert lines[0] == lines[1]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns an uninterrupted run of 400 steps with two workers."""
    run = tmp_path_factory.mktemp("workers") / "whole"
    finished(*FIT.split(), "--steps", "400", "--out", str(run))
    return run


def run_with_a_lost_worker(run: Path, killed: int) -> None:
    """Kills a worker while it trains; the others must end."""
    process = launch(*FIT.split(), "--steps", "400", "--out", str(run))
    wait_for_step(run, 20)
    os.kill(worker(process, killed), signal.SIGKILL)
    lost = time.monotonic()
    _, errors = process.communicate(timeout=120)
    assert time.monotonic() - lost < 60
    assert process.returncode == 128 + signal.SIGKILL
    assert f"worker {killed} failed with SIGKILL" in errors
    assert f"[worker {1 - killed}] error: another worker was lost after step" in errors
    assert "Traceback" not in errors
    newest = checkpoints.newest(run)
    assert newest is not None and 20 <= newest.step < 400


@pytest.mark.slow
def test_a_lost_worker_ends_all(tmp_path: Path) -> None:
    run_with_a_lost_worker(tmp_path / "run", killed=1)
    lines = stats.read(tmp_path / "run")
    assert [line["step"] for line in lines[:2]] == [10, 20]
    assert len(list((tmp_path / "run").glob("events.*"))) == 1  # only the chief writes


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_after_a_lost_worker_nothing_is_lost(killed: int, whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run_with_a_lost_worker(run, killed)
    finished("fit", "--resume", str(run))
    assert_same_end(run, whole)
    # Only the chief writes.
    assert len(list(whole.glob("events.*"))) == 1
    written = stats.read(whole)
    assert [line["step"] for line in written] == list(range(10, 401, 10))
    assert [line["images"] for line in written[:3]] == [160, 320, 480]
    assert np.isfinite([line["generator_loss"] for line in written]).all()


@pytest.mark.slow
def test_a_signal_to_one_ends_all_after_the_same_step(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = launch(*FIT.split(), "--steps", "400", "--out", str(run))
    wait_for_step(run, 20)
    os.kill(worker(process, 1), signal.SIGTERM)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM, output + errors
    newest = checkpoints.newest(run)
    assert newest is not None and 20 <= newest.step < 400
    assert f"saved at step {newest.step} of 400" in output
    finished("fit", "--resume", str(run))
    assert_same_end(run, whole)


@pytest.mark.slow
def test_workers_with_other_options_are_refused(tmp_path: Path) -> None:
    cluster = {"worker": addresses(2, None)}
    processes = []
    for index, seed in enumerate(("1", "2")):
        task = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        words = [*START, *FIT.split(), "--seed", seed, "--out", str(tmp_path / "run")]
        environment = {**os.environ, "TF_CONFIG": json.dumps(task)}
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        processes.append(subprocess.Popen(words, env=environment, **pipes))
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 2
        assert "error: the workers differ in hyperparameters, seed: start all with" in errors
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_workers_train_a_remote_run(whole: Path, tmp_path: Path) -> None:
    """The URL has TensorFlow's scheme for local files, which all processes can read."""
    url = f"file://{tmp_path}/run"
    finished(*FIT.split(), "--steps", "200", "--out", url)
    finished("fit", "--resume", url, "--steps", "400")
    assert_same_end(tmp_path / "run", whole)


@pytest.mark.slow
def test_statistics_are_shared_in_every_phase(tmp_path: Path) -> None:
    """`stackgan` averages batch statistics of its first stage, which are variables."""
    run = tmp_path / "run"
    words = "fit stackgan --dataset digits-captions --image-size 16 --batch-size 8 --steps 3"
    words += " --set base_channels=4 --set latent_dim=4 --set blocks=1 --set text_steps=1"
    finished(*words.split(), "--set", "stage_one_steps=1", "--log-every", "1", "--out", str(run))
    lines = stats.read(run)
    assert [line["step"] for line in lines] == [1, 2, 3]
    losses = [value for line in lines for key, value in line.items() if key.endswith("loss")]
    assert losses and np.isfinite(losses).all()
