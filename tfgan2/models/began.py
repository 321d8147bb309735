"""BEGAN: boundary equilibrium generative adversarial networks."""

from __future__ import annotations

from typing import Any, Literal

import keras
import tensorflow as tf
from keras import layers

from tfgan2 import networks
from tfgan2.distributed import replicas
from tfgan2.images import is_points
from tfgan2.models.adversarial import Metrics, Samples
from tfgan2.models.architecture import ArchitectureModel
from tfgan2.models.base import check_range
from tfgan2.networks.parts import Initializers
from tfgan2.nn.layers import ImageRange


class BEGAN(ArchitectureModel):
    """The GAN of Berthelot, Schumm and Metz 2017 (arXiv:1703.10717).

    The discriminator is an autoencoder, L(x) the mean absolute error of its reconstruction. It
    minimises L(x) - k L(G(z)), the generator L(G(z)). After each step
    k += lambda (gamma L(x) - L(G(z))), within [0, 1], which keeps L(G(z)) at gamma L(x): a small
    gamma gives sharp images, a large one varied images. The statistics show k and the measure of
    convergence M = L(x) + |gamma L(x) - L(G(z))|, which falls while the images get better.

    The networks are those of dcgan, gamma is 1, lambda 0.01 and the learning rates are 2e-4: with
    the paper's own (network=began, gamma 0.5, lambda 0.001, rates of 1e-4), made for faces and many
    more steps, MNIST lost most of its variety, and each step takes several times as long.
    """

    latent_distribution = "uniform"
    logits_are_log_odds = False

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        latent_dim: int = 64,
        network: Literal["mlp", "dcgan", "resnet", "tutorial", "began"] = "dcgan",
        gamma: float = 1.0,
        lambda_k: float = 0.01,
        generator_learning_rate: float = 2e-4,
        discriminator_learning_rate: float = 2e-4,
        **shared: Any,
    ) -> None:
        """Builds the networks.

        Args:
            image_shape: (height, width, channels).
            latent_dim: length of the latents, U(-1, 1), and of the autoencoder's codes.
            network: architecture of generator, encoder and decoder: dcgan, began (the paper's),
                mlp, resnet, tutorial.
            gamma: the ratio of L(G(z)) to L(x) that is kept.
            lambda_k: how fast k follows.
            generator_learning_rate: of the generator's optimizer.
            discriminator_learning_rate: of the discriminator's optimizer.
            **shared: see `ArchitectureModel`.

        Raises:
            UserError: a value that is not possible.
        """
        super().__init__(
            image_shape,
            latent_dim=latent_dim,
            network=network,
            generator_learning_rate=generator_learning_rate,
            discriminator_learning_rate=discriminator_learning_rate,
            **shared,
        )
        check_range("gamma", gamma, 0.0, 1.0)
        check_range("lambda_k", lambda_k, 0.0)
        self.gamma = gamma
        self.lambda_k = lambda_k
        self.k = self.add_weight(
            name="k", shape=(), initializer="zeros", dtype="float32", trainable=False
        )
        self.set_networks(self._generator(), self._autoencoder())

    def _decoded(
        self, codes: keras.KerasTensor, shape: tuple[int, int, int], init: Initializers
    ) -> keras.KerasTensor:
        sizes = {"width": self.width, "max_width": self.max_width}
        return networks.make_image(self.network, codes, shape, init=init, **sizes)

    def _generator(self) -> keras.Model:
        z = keras.Input((self.latent_dim,), name="z")
        x = self._decoded(z, self.image_shape, Initializers(2 * self.seed))
        if not is_points(self.image_shape):
            x = ImageRange(dtype="float32")(x)
        image = layers.Activation("linear", dtype="float32", name="image")(x)
        return keras.Model(z, image, name="generator")

    def _autoencoder(self) -> keras.Model:
        height, breadth, channels = self.image_shape
        shape = (height, breadth, channels * self.packing)
        image = keras.Input(shape, name="image")
        init = Initializers(2 * self.seed + 1)
        x = networks.see_image(
            self.network,
            image,
            width=self.width,
            max_width=self.max_width,
            norm="none",
            dropout=self.dropout,
            init=init,
        )
        codes = layers.Dense(self.latent_dim, kernel_initializer=init.glorot())(x)
        x = self._decoded(codes, shape, init)
        x = layers.Activation("linear", dtype="float32", name="reconstruction")(x)
        return keras.Model(image, x, name="discriminator")

    def judge(self, samples: Samples) -> tf.Tensor:
        """L of each sample, float32, shape (B,)."""
        errors = tf.abs(samples.images - self.discriminator(samples.images, training=True))
        return tf.reduce_mean(errors, axis=(1, 2, 3))

    def discriminator_objective(
        self, real: Samples, fake: Samples, stream: str
    ) -> tuple[tf.Tensor, Metrics]:
        real_errors, fake_errors = self.judge(real), self.judge(fake)
        taken_real, taken_fake = self.mixed_up(real_errors, fake_errors, stream)
        loss = tf.reduce_mean(taken_real) - self.k.value * tf.reduce_mean(taken_fake)
        return loss, {"real_error": tf.reduce_mean(real_errors)}

    def generator_loss(self, fake_logits: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(fake_logits)

    def last_update(self, real: Samples) -> Metrics:
        """As of every game, then k moves towards the equilibrium.

        Returns:
            Float32 scalars, with "k" and "convergence", the paper's M.
        """
        metrics = super().last_update(real)
        # Of all replicas: each has a copy of k, and all must stay the same.
        balance = replicas.mean(self.gamma * metrics["real_error"] - metrics["generator_loss"])
        self.k.assign(tf.clip_by_value(self.k.value + self.lambda_k * balance, 0.0, 1.0))
        convergence = metrics["real_error"] + tf.abs(balance)
        return {**metrics, "k": tf.convert_to_tensor(self.k.value), "convergence": convergence}
