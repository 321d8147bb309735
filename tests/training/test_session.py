"""What all workers must have in common; which errors are those of writing the run."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import keras
import pytest
from helpers import SGD

import tfgan2
from tfgan2 import runs
from tfgan2.distributed.strategies import Worker
from tfgan2.errors import UserError
from tfgan2.training.progress import Display
from tfgan2.training.session import Session, _writing_errors


def test_errors_of_a_callback_pass(tmp_path: Path) -> None:
    def fail(logs: dict | None) -> None:
        raise ConnectionError("no route to the dashboard")

    callback = keras.callbacks.LambdaCallback(on_train_begin=fail)
    options = {"steps": 1, "quiet": True, "hyperparameters": {"base_channels": 4, **SGD}}
    with pytest.raises(ConnectionError, match=r"^no route to the dashboard$"):
        tfgan2.fit("dcgan", "digits", out=tmp_path / "run", callbacks=[callback], **options)


def test_errors_of_the_run_directory_and_of_a_full_disk_are_one_line(tmp_path: Path) -> None:
    run, other = tmp_path / "run", str(tmp_path / "other")
    run.mkdir()
    (tmp_path / "link").symlink_to(run)
    for error, named in (
        (PermissionError(errno.EACCES, "Permission denied", str(run / "a")), run / "a"),
        (OSError(errno.EIO, "broken", str(tmp_path / "link" / "a")), tmp_path / "link" / "a"),
        (OSError(errno.ENOSPC, "No space left on device"), run),
    ):
        with (
            pytest.raises(UserError, match=f"^cannot write to {named}: {error.strerror}$"),
            _writing_errors(run),
        ):
            raise error
    for error in (
        FileNotFoundError(errno.ENOENT, "No such file", other),
        PermissionError(errno.EACCES, "Permission denied", other),
        TimeoutError("timed out"),
    ):
        with pytest.raises(type(error)) as raised, _writing_errors(run):
            raise error
        assert raised.value is error


def session(run_dir: Path, data: str = "digits", epochs: float | None = None, **more: Any) -> None:
    rate = more.pop("rate", 1e-3)
    values = {"base_channels": 4, "generator_learning_rate": rate}
    config = runs.RunConfig.create("gan", data, values, **{"steps": 2, **more})
    Session(config, Display(quiet=True), epochs, run_dir)


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"rate": 2e-3}, "hyperparameters"),
        ({"steps": 3, "batch_size": 32}, "steps, batch_size"),
        ({"seed": 1}, "hyperparameters, seed"),
        ({"epochs": 2.0}, "epochs"),
        ({"classes": ["1", "2"]}, "data"),
        ({"sample_every": 1, "init_from": None, "log_every": 3}, ""),  # only the chief writes
    ],
)
def test_workers_that_train_something_else_are_refused(
    other: dict[str, Any], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first: list[int] = []

    def agree_on(self: Worker, *numbers: int) -> list[bool]:
        before = first or numbers
        first[:] = before
        return [a == b for a, b in zip(numbers, before, strict=True)]

    monkeypatch.setattr(Worker, "agree_on", agree_on)
    session(tmp_path / "run")
    if not named:
        session(tmp_path / "run", **other)
        return
    with pytest.raises(UserError, match=f"^the workers differ in {named}: start all with the same"):
        session(tmp_path / "run", **other)
