"""Losses of logits, of latents and of images, as pure functions.

`real_logits` and `fake_logits` are what the discriminator D makes of real and of generated samples,
before any sigmoid, in any floating type and shape: (B,), (B, 1), or patches (B, H, W, 1). Every
function returns a float32 scalar: the mean over all elements unless noted otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import tensorflow as tf


@dataclass(frozen=True)
class GANLoss:
    """The losses of a game.

    Attributes:
        discriminator: from (real_logits, fake_logits) to a float32 scalar.
        generator: from fake_logits, or if `relativistic` from (real_logits, fake_logits), to a
            float32 scalar.
        log_odds: true if sigmoid(logits) is a probability "real".
        relativistic: true if the generator's loss depends on the logits of real samples.
        boundary: the logit between real and generated samples; None: only differences count.
    """

    discriminator: Callable[..., tf.Tensor]
    generator: Callable[..., tf.Tensor]
    log_odds: bool = False
    relativistic: bool = False
    boundary: float | None = None

    def smoothed(self, label_smoothing: float) -> GANLoss:
        """The loss with a target of 1 - label_smoothing for real samples; cross entropy only."""
        return replace(
            self, discriminator=partial(self.discriminator, label_smoothing=label_smoothing)
        )


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

    The target of real samples is 1 - label_smoothing, that of generated ones stays 0 (one-sided,
    Salimans et al. 2016).
    """
    real = sigmoid_cross_entropy(real_logits, 1.0 - label_smoothing)
    return real + sigmoid_cross_entropy(fake_logits, 0.0)


def non_saturating_generator_loss(fake_logits: tf.Tensor) -> tf.Tensor:
    """-mean log D(G(z)), Goodfellow et al. 2014: its gradient does not vanish while D wins.

    From logits of any shape and floating type to a float32 scalar.
    """
    return sigmoid_cross_entropy(fake_logits, 1.0)


def minimax_generator_loss(fake_logits: tf.Tensor) -> tf.Tensor:
    """mean log(1 - D(G(z))), never positive: the generator's loss of Goodfellow et al. 2014.

    Its gradient vanishes where D recognizes the generated samples with confidence. From logits of
    any shape and floating type to a float32 scalar.
    """
    return -sigmoid_cross_entropy(fake_logits, 0.0)


def least_squares_discriminator_loss(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """mean (D(x) - 1)² / 2 + mean D(G(z))² / 2, Mao et al. 2016 with a = 0 and b = 1.

    From logits of any shape and floating type to a float32 scalar.
    """
    real_logits = tf.cast(real_logits, tf.float32)
    fake_logits = tf.cast(fake_logits, tf.float32)
    real_term = 0.5 * tf.reduce_mean(tf.square(real_logits - 1.0))
    return real_term + 0.5 * tf.reduce_mean(tf.square(fake_logits))


def least_squares_generator_loss(fake_logits: tf.Tensor) -> tf.Tensor:
    """mean (D(G(z)) - 1)² / 2, Mao et al. 2016 with c = 1.

    From logits of any shape and floating type to a float32 scalar.
    """
    return 0.5 * tf.reduce_mean(tf.square(tf.cast(fake_logits, tf.float32) - 1.0))


def wasserstein_discriminator_loss(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """mean D(G(z)) - mean D(x), Arjovsky et al. 2017; other means must keep D Lipschitz.

    From logits of any shape and floating type to a float32 scalar.
    """
    real_logits = tf.cast(real_logits, tf.float32)
    fake_logits = tf.cast(fake_logits, tf.float32)
    return tf.reduce_mean(fake_logits) - tf.reduce_mean(real_logits)


def wasserstein_generator_loss(fake_logits: tf.Tensor) -> tf.Tensor:
    """-mean D(G(z)), Arjovsky et al. 2017; also the hinge loss of the generator, Lim and Ye 2017.

    From logits of any shape and floating type to a float32 scalar.
    """
    return -tf.reduce_mean(tf.cast(fake_logits, tf.float32))


def hinge_discriminator_loss(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """mean max(0, 1 - D(x)) + mean max(0, 1 + D(G(z))), Lim and Ye 2017, Miyato et al. 2018.

    From logits of any shape and floating type to a float32 scalar.
    """
    real_logits = tf.cast(real_logits, tf.float32)
    fake_logits = tf.cast(fake_logits, tf.float32)
    real_term = tf.reduce_mean(tf.nn.relu(1.0 - real_logits))
    return real_term + tf.reduce_mean(tf.nn.relu(1.0 + fake_logits))


def relativistic_average_discriminator_loss(
    real_logits: tf.Tensor, fake_logits: tf.Tensor
) -> tf.Tensor:
    """Cross entropy of logits minus the average logit of the other kind.

    Jolicoeur-Martineau 2018: real samples should look more real than the average generated sample,
    and the reverse. The averages are over all elements, patches included, and pass gradients.
    """
    real_logits = tf.cast(real_logits, tf.float32)
    fake_logits = tf.cast(fake_logits, tf.float32)
    real = sigmoid_cross_entropy(real_logits - tf.reduce_mean(fake_logits), 1.0)
    return real + sigmoid_cross_entropy(fake_logits - tf.reduce_mean(real_logits), 0.0)


def relativistic_average_generator_loss(
    real_logits: tf.Tensor, fake_logits: tf.Tensor
) -> tf.Tensor:
    """`relativistic_average_discriminator_loss` with real and generated samples swapped.

    Jolicoeur-Martineau 2018. The generator needs the real logits too.
    """
    return relativistic_average_discriminator_loss(fake_logits, real_logits)


def relativistic_pairing_discriminator_loss(
    real_logits: tf.Tensor, fake_logits: tf.Tensor
) -> tf.Tensor:
    """mean softplus(-(D(x) - D(G(z)))): each real sample against one generated sample.

    Jolicoeur-Martineau 2018 and Huang et al. 2024 (arXiv:2501.05441). Only differences of logits
    matter. From logits of one shape, any floating type, to a float32 scalar.
    """
    differences = tf.cast(real_logits, tf.float32) - tf.cast(fake_logits, tf.float32)
    return tf.reduce_mean(tf.nn.softplus(-differences))


def relativistic_pairing_generator_loss(
    real_logits: tf.Tensor, fake_logits: tf.Tensor
) -> tf.Tensor:
    """`relativistic_pairing_discriminator_loss` with real and generated samples swapped.

    Huang et al. 2024. The generator needs the real logits too.
    """
    return relativistic_pairing_discriminator_loss(fake_logits, real_logits)


NON_SATURATING = GANLoss(
    minimax_discriminator_loss, non_saturating_generator_loss, log_odds=True, boundary=0.0
)
MINIMAX = replace(NON_SATURATING, generator=minimax_generator_loss)
LEAST_SQUARES = GANLoss(
    least_squares_discriminator_loss, least_squares_generator_loss, boundary=0.5
)
WASSERSTEIN = GANLoss(wasserstein_discriminator_loss, wasserstein_generator_loss)
HINGE = GANLoss(hinge_discriminator_loss, wasserstein_generator_loss, boundary=0.0)
RELATIVISTIC_AVERAGE = GANLoss(
    relativistic_average_discriminator_loss,
    relativistic_average_generator_loss,
    log_odds=True,
    relativistic=True,
)
RELATIVISTIC_PAIRING = GANLoss(
    relativistic_pairing_discriminator_loss,
    relativistic_pairing_generator_loss,
    relativistic=True,
)


def lecam_regularization(
    real_logits: tf.Tensor,
    fake_logits: tf.Tensor,
    real_average: tf.Tensor | float,
    fake_average: tf.Tensor | float,
) -> tf.Tensor:
    """mean (D(x) - a_F)² + mean (D(G(z)) - a_R)², Tseng et al. 2021 (arXiv:2104.03310).

    a_R and a_F are moving averages of the logits of real and of generated samples, scalars. This is
    the paper's formula; its authors' code counts only logits on the right side of the average.
    """
    real = squared_error(real_logits, tf.broadcast_to(fake_average, tf.shape(real_logits)))
    return real + squared_error(fake_logits, tf.broadcast_to(real_average, tf.shape(fake_logits)))


def absolute_error(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """mean |one - other| of two tensors of one shape, any floating type; a float32 scalar."""
    return tf.reduce_mean(tf.abs(tf.cast(one, tf.float32) - tf.cast(other, tf.float32)))


def squared_error(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """mean (one - other)² of two tensors of one shape, any floating type; a float32 scalar."""
    return tf.reduce_mean(tf.square(tf.cast(one, tf.float32) - tf.cast(other, tf.float32)))


def kl_divergence(mean: tf.Tensor, log_var: tf.Tensor) -> tf.Tensor:
    """KL(N(mean, exp(log_var)) || N(0, I)), Kingma and Welling 2013.

    Args:
        mean: shape (B, ...), any floating type.
        log_var: logarithm of the variances, the same shape; above 88 its exponential overflows
            float32.

    Returns:
        A float32 scalar, summed over all axes but the first, averaged over the first.
    """
    mean = tf.cast(mean, tf.float32)
    log_var = tf.cast(log_var, tf.float32)
    terms = 0.5 * (tf.exp(log_var) + tf.square(mean) - 1.0 - log_var)
    return tf.reduce_mean(tf.reduce_sum(terms, axis=list(range(1, len(terms.shape)))))
