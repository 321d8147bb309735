"""Losses of classes, as pure functions."""

from __future__ import annotations

import tensorflow as tf


def data_to_data_cross_entropy(
    embeddings: tf.Tensor,
    proxies: tf.Tensor,
    labels: tf.Tensor,
    *,
    temperature: float = 0.5,
    margin: float = 0.98,
) -> tf.Tensor:
    """The data-to-data cross-entropy (D2D-CE) of Kang et al. 2021 (arXiv:2111.01118, equation 9).

    With p_i = min(f_i v_i - margin, 0) and n_ij = max(f_i f_j - (1 - margin), 0), the mean over the
    samples i of -log(exp(p_i / t) / (exp(p_i / t) + sum exp(n_ij / t))), where j are all samples of
    other classes.

    Args:
        embeddings: f, of length 1, any floating type, shape (B, N).
        proxies: v, those of the samples' classes, the same.
        labels: int, shape (B,).
        temperature: t, above 0.
        margin: similarity to its class that is enough; 1 minus it is the similarity to samples of
            other classes that is allowed.

    Returns:
        A float32 scalar.
    """
    embeddings, proxies = (tf.cast(each, tf.float32) for each in (embeddings, proxies))
    similarities = tf.reduce_sum(embeddings * proxies, axis=1, keepdims=True)
    positives = tf.minimum(similarities - margin, 0.0) / temperature
    products = tf.matmul(embeddings, embeddings, transpose_b=True)
    negatives = tf.maximum(products - (1.0 - margin), 0.0) / temperature
    same = labels[:, None] == labels[None, :]
    negatives = tf.where(same, -float("inf"), negatives)
    totals = tf.reduce_logsumexp(tf.concat([positives, negatives], axis=1), axis=1)
    return tf.reduce_mean(totals - positives[:, 0])
