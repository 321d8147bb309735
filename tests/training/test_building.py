"""Errors while a model is built or trained that a user can mend."""

from __future__ import annotations

import pytest
import tensorflow as tf

from tfgan2.errors import UserError
from tfgan2.training.building import determinism_errors


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
