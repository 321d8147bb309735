"""Errors while a model is built or trained that a user can mend."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from tfgan2 import runs
from tfgan2.errors import UserError
from tfgan2.training.building import determinism_errors, load_data
from tfgan2.training.progress import Display


def test_an_operation_without_a_deterministic_kernel_names_the_option() -> None:
    message = (
        "Graph execution error:\n\nDetected at node Segment defined at (most recent call last):\n"
        "Deterministic GPU implementation of unsorted segment reduction op not available.\n"
        "\t [[{{node Segment}}]]"
    )
    with pytest.raises(UserError, match="give --no-deterministic") as error, determinism_errors():
        raise tf.errors.UnimplementedError(None, None, message)
    text = str(error.value)
    assert "unsorted segment reduction op not available" in text and "\n" not in text
    with pytest.raises(UserError) as error, determinism_errors(resumes=True):
        raise tf.errors.UnimplementedError(None, None, message)
    assert str(error.value).endswith(": resume it on the kind that it began on")


def test_other_errors_stay_as_they_are() -> None:
    with pytest.raises(tf.errors.InvalidArgumentError), determinism_errors():
        raise tf.errors.InvalidArgumentError(None, None, "shapes do not match")


def test_the_versions_that_changed_since_the_run_began(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = runs.RunConfig.create("gan", "digits", batch_size=8)
    config.versions = {**runs.versions(), "keras": "3.0.0", "numpy": "1.26.4"}
    del config.versions["tensorflow"]
    load_data(config, Display(), tmp_path)
    now = runs.versions()
    expected = (
        f"warning: the run began with keras 3.0.0, now {now['keras']}; numpy 1.26.4, now "
        f"{now['numpy']}; tensorflow none, now {now['tensorflow']}: the last digits"
    )
    assert expected in capsys.readouterr().out
    assert config.versions == now
