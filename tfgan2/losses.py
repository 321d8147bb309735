"""Losses of the adversarial game: pure functions of logits.

Logits may have any shape: (B,), (B, 1), or patches (B, H, W, 1). Every function returns a float32
scalar, the mean over all elements, whatever the precision of its inputs.
"""

from __future__ import annotations

import tensorflow as tf


def sigmoid_cross_entropy(logits: tf.Tensor, targets: tf.Tensor | float) -> tf.Tensor:
    """Mean of -t log(sigmoid(l)) - (1 - t) log(1 - sigmoid(l)), finite at any logit.

    Args:
        logits: any shape, any floating type.
        targets: a number, or a tensor that broadcasts to the logits' shape.

    Returns:
        A float32 scalar.
    """
    logits = tf.cast(logits, tf.float32)
    targets = tf.broadcast_to(tf.cast(targets, tf.float32), tf.shape(logits))
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(targets, logits))


def minimax_discriminator_loss(
    real_logits: tf.Tensor, fake_logits: tf.Tensor, label_smoothing: float = 0.0
) -> tf.Tensor:
    """-mean log D(x) - mean log(1 - D(G(z))), Goodfellow et al. 2014.

    Args:
        real_logits: D's logits on real samples.
        fake_logits: D's logits on generated samples.
        label_smoothing: the real target is 1 - label_smoothing, the fake one stays 0 (one-sided,
            Salimans et al. 2016).

    Returns:
        A float32 scalar, the sum of the two means.
    """
    return sigmoid_cross_entropy(real_logits, 1.0 - label_smoothing) + sigmoid_cross_entropy(
        fake_logits, 0.0
    )


def non_saturating_generator_loss(fake_logits: tf.Tensor) -> tf.Tensor:
    """-mean log D(G(z)): the heuristic of Goodfellow et al. 2014 that keeps G's gradient alive.

    Args:
        fake_logits: D's logits on generated samples.

    Returns:
        A float32 scalar.
    """
    return sigmoid_cross_entropy(fake_logits, 1.0)
