from __future__ import annotations

import numpy as np
import pytest

from tfgan2.errors import UserError
from tfgan2.inputs.labels import check_weights, class_walk, in_proportion


def test_a_walk_between_classes() -> None:
    walk = class_walk([2, 0, 1], 4, 4)
    assert walk.shape == (9, 4) and walk.dtype == np.float32
    np.testing.assert_array_equal(walk.sum(axis=1), 1.0)
    np.testing.assert_array_equal(walk[:5, 2], [1, 0.75, 0.5, 0.25, 0])
    np.testing.assert_array_equal(walk[:5, 0], [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_array_equal(walk[-1], [0, 1, 0, 0])
    assert not walk[:, 3].any()


def test_labels_in_proportion() -> None:
    assert in_proportion([900, 100], 10).tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert in_proportion([1, 0, 1], 5).tolist() == [0, 2, 0, 2, 0]
    labels = in_proportion([3, 2, 1], 7)
    assert labels.dtype == np.int32 and np.bincount(labels).tolist() == [4, 2, 1]


@pytest.mark.parametrize(
    ("weights", "labels", "message"),
    [
        (np.ones((2, 4)), 3, r"weights of shape \(2, 3\), not \(2, 4\)"),
        (np.full((2, 3), np.nan), 3, "finite"),
        (np.full((2, 3), "a"), 3, "weights of shape"),
        (np.ones((2, 3)), 0, "takes no labels"),
    ],
)
def test_weights_that_are_refused(weights: np.ndarray, labels: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_weights(weights, 2, labels)
