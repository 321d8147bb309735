"""Penalties on the gradient of the discriminator with respect to its input, without a weight.

A critic is a callable from images, float32, to logits, shape (B,), (B, 1) or patches (B, H, W, 1).
A penalty takes the gradient of the sum of a sample's logits with respect to that sample, so the
critic must not mix samples: no batch norm. Every function takes images of shape (B, ...) and any
floating type, and returns a float32 scalar, the mean over the samples. Gradients reach the critic's
weights, not the images. A seed is int32, shape (2,); None draws other points in every call.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from tfgan2.distributed import microbatches, replicas

Critic = Callable[[tf.Tensor], tf.Tensor]

# A scale of the logits in the inner gradient, divided out in float32: a critic in float16 loses
# small gradients without it. Measured with a small DCGAN in mixed_float16: for gradients with
# elements near 1e-8 the norm was off by 11 to 20 %, with 64 by less than 1 %. 256 was no better: a
# norm of 1000 could overflow, which no loss scale repairs, and without a loss scale the gradients
# of the weights had twice the error.
_SCALE = 64.0
# Far below the square of any norm that matters. The gradient of a maximum with it is zero at zero,
# where that of the square root is infinite.
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
    """mean (|gradient| - target)² at a random point between each real and generated sample.

    Gulrajani et al. 2017 (arXiv:1704.00028). `one_sided` penalizes only norms above the target.
    """
    points = _interpolate(tf.cast(real, tf.float32), tf.cast(fake, tf.float32), seed)
    return _norm_penalty(critic, points, target, one_sided)


def dragan_penalty(
    critic: Critic, real: tf.Tensor, *, target: float = 1.0, seed: tf.Tensor | None = None
) -> tf.Tensor:
    """mean (|gradient| - target)² near real samples, Kodali et al. 2017 (arXiv:1705.07215).

    As in the authors' code, the points lie between each sample x and x + std / 2 * U(0, 1), with
    noise for each element; std is that of the whole batch of all replicas.
    """
    real = tf.cast(real, tf.float32)
    seeds = [None, None]
    if seed is not None:
        seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    noise = 0.5 * replicas.std(real) * _uniform(tf.shape(real), seeds[0])
    return _norm_penalty(critic, _interpolate(real, real + noise, seeds[1]), target)


def r1_penalty(critic: Critic, real: tf.Tensor) -> tf.Tensor:
    """mean |gradient|² at real samples, without the paper's factor 1/2, Mescheder et al. 2018."""
    return logits_and_penalty(critic, real)[1]


def logits_and_penalty(critic: Critic, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The critic's logits for images, and mean |gradient|² there, of one forward pass.

    At real samples this is `r1_penalty`, at generated ones the R2 of the same paper.
    """
    logits, squares = _logits_and_squared_norms(critic, tf.cast(images, tf.float32))
    return logits, tf.reduce_mean(squares)


def _uniform(shape: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
    """U(0, 1), float32."""
    return tf.random.uniform(shape) if seed is None else microbatches.uniform(shape, seed)


def _interpolate(start: tf.Tensor, end: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
    """A random point between start and end for each sample."""
    shape = tf.concat([tf.shape(start)[:1], tf.ones(len(start.shape) - 1, tf.int32)], axis=0)
    return start + _uniform(shape, seed) * (end - start)


def _norm_penalty(
    critic: Critic, images: tf.Tensor, target: float, one_sided: bool = False
) -> tf.Tensor:
    _, squares = _logits_and_squared_norms(critic, images)
    excess = tf.sqrt(tf.maximum(squares, _TINY)) - target
    return tf.reduce_mean(tf.square(tf.nn.relu(excess) if one_sided else excess))


def _logits_and_squared_norms(critic: Critic, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The logits, and the squared norm of each sample's gradient, float32, shape (B,)."""
    images = tf.stop_gradient(images)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        logits = critic(images)
        scaled = _SCALE * tf.reduce_sum(tf.cast(logits, tf.float32))
    gradients = tape.gradient(scaled, images, unconnected_gradients="zero") / _SCALE
    return logits, tf.reduce_sum(tf.square(gradients), axis=list(range(1, len(images.shape))))
