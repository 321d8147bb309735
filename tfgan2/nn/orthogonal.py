"""Orthogonal regularization of kernels."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf


def orthogonal_penalty(kernels: Sequence[tf.Tensor]) -> tf.Tensor:
    """Sum of |W^T W * (1 - I)|² over kernels, Brock et al. 2019 (arXiv:1809.11096, equation 3).

    The columns of W, shape (N, channels), are the filters of the output channels: it pushes them
    towards being orthogonal, and leaves their lengths alone.
    """
    total = tf.constant(0.0)
    for kernel in kernels:
        matrix = tf.reshape(tf.cast(kernel, tf.float32), (-1, kernel.shape[-1]))
        products = tf.matmul(matrix, matrix, transpose_a=True)
        total += tf.reduce_sum(tf.square(products - tf.linalg.diag(tf.linalg.diag_part(products))))
    return total
