"""Which errors of the operating system are those of writing the run."""

from __future__ import annotations

import errno
from pathlib import Path

import keras
import pytest
from helpers import SGD

import tfgan2
from tfgan2.errors import UserError
from tfgan2.training.session import _writing_errors


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
