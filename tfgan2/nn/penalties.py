"""Penalties on the discriminator's gradient with respect to its input, without a weight.

A critic is a callable from images to logits of shape (B,), (B, 1) or patches (B, H, W, 1). What
counts is the gradient of the sum of a sample's logits with respect to that sample, so a critic must
not mix samples: no batch norm. Every function returns a float32 scalar whatever the precision of
the images and the critic, and gradients flow to the critic's weights, not to the images.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from tfgan2.distributed import replicas

Critic = Callable[[tf.Tensor], tf.Tensor]

# Logits are multiplied by this before the inner gradient is taken, and the gradient is divided by
# it in float32; without it a critic that computes in float16 loses small gradients. Measured with a
# small DCGAN in mixed_float16: at gradients whose elements are near 1e-8 the norm was off by 11 to
# 20 %, with 64 by less than 1 %. With 256 it was no better, norms of 1000 could overflow, which no
# loss scale undoes, and without a loss scale the weights' gradients were twice as wrong.
_SCALE = 64.0
# Below the square of any norm that matters; a maximum with it has a zero gradient at zero, where
# the root's is infinite.
_TINY = 1e-30


def gradient_penalty(
    critic: Critic,
    real: tf.Tensor,
    fake: tf.Tensor,
    *,
    target: float = 1.0,
    one_sided: bool = False,
    seed: tf.Tensor | None = None,
) -> tf.Tensor:
    """mean (|gradient| - target)² between real and generated samples, Gulrajani et al. 2017.

    Args:
        critic: see above.
        real: shape (B, ...), any floating type; the critic sees float32.
        fake: generated samples, the same shape.
        target: the norm that costs nothing.
        one_sided: only norms above the target cost.
        seed: int32, shape (2,), of the places between real and fake, one per sample; None: other
            places at every call.

    Returns:
        A float32 scalar, the mean over the samples.
    """
    real = tf.cast(real, tf.float32)
    return _norm_penalty(
        critic, _interpolated(real, tf.cast(fake, tf.float32), seed), target, one_sided
    )


def dragan_penalty(
    critic: Critic, real: tf.Tensor, *, target: float = 1.0, seed: tf.Tensor | None = None
) -> tf.Tensor:
    """mean (|gradient| - target)² near real samples, Kodali et al. 2017 (arXiv:1705.07215).

    As in the authors' code a sample moves a random part of the way to itself plus
    std / 2 * U(0, 1), where the noise is drawn by element, and std is that of the whole
    batch, of all replicas together.

    Args:
        critic: see above.
        real: shape (B, ...), any floating type; the critic sees float32.
        target: the norm that costs nothing.
        seed: int32, shape (2,), of the noise and of the part of the way; None: other ones at every
            call.

    Returns:
        A float32 scalar, the mean over the samples.
    """
    real = tf.cast(real, tf.float32)
    noise_seed, place_seed = (
        (None, None)
        if seed is None
        else tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    )
    noise = 0.5 * replicas.std(real) * _uniform(tf.shape(real), noise_seed)
    return _norm_penalty(critic, _interpolated(real, real + noise, place_seed), target)


def r1_penalty(critic: Critic, real: tf.Tensor) -> tf.Tensor:
    """mean |gradient|² at real samples, without the paper's factor 1/2, Mescheder et al. 2018.

    Args:
        critic: see above.
        real: shape (B, ...), any floating type; the critic sees float32.

    Returns:
        A float32 scalar, the mean over the samples.
    """
    return tf.reduce_mean(_squared_norms(critic, tf.cast(real, tf.float32)))


def _uniform(shape: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
    """U(0, 1), float32."""
    if seed is None:
        return tf.random.uniform(shape)
    return tf.random.stateless_uniform(shape, seed)


def _interpolated(start: tf.Tensor, end: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
    """A random point between start and end for every sample."""
    shape = tf.concat([tf.shape(start)[:1], tf.ones(len(start.shape) - 1, tf.int32)], axis=0)
    return start + _uniform(shape, seed) * (end - start)


def _norm_penalty(
    critic: Critic, images: tf.Tensor, target: float, one_sided: bool = False
) -> tf.Tensor:
    """The mean square of the gradient norms' distances to the target."""
    distances = tf.sqrt(tf.maximum(_squared_norms(critic, images), _TINY)) - target
    return tf.reduce_mean(tf.square(tf.nn.relu(distances) if one_sided else distances))


def _squared_norms(critic: Critic, images: tf.Tensor) -> tf.Tensor:
    """The squares of the gradients' norms over all of a sample's elements, float32, shape (B,)."""
    images = tf.stop_gradient(images)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        scaled = _SCALE * tf.reduce_sum(tf.cast(critic(images), tf.float32))
    gradients = tape.gradient(scaled, images, unconnected_gradients="zero") / _SCALE
    return tf.reduce_sum(tf.square(gradients), axis=list(range(1, len(images.shape))))
