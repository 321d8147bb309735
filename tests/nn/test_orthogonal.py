"""Orthogonal regularization against NumPy."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgan2.nn.orthogonal import orthogonal_penalty


def test_orthogonal_penalty_by_hand() -> None:
    rng = np.random.default_rng(0)
    kernels = [rng.normal(size=shape).astype(np.float32) for shape in ((3, 3, 2, 4), (5, 3))]
    expected = 0.0
    for kernel in kernels:
        matrix = kernel.reshape(-1, kernel.shape[-1]).astype(np.float64)
        products = matrix.T @ matrix
        expected += np.sum((products * (1 - np.eye(len(products)))) ** 2)
    penalty = orthogonal_penalty([tf.constant(kernel) for kernel in kernels])
    assert float(penalty) == pytest.approx(expected, rel=1e-6)
    orthogonal = keras.initializers.Orthogonal(seed=0)((3, 3, 2, 4))
    assert float(orthogonal_penalty([5 * orthogonal])) < 1e-8
