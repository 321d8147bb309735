"""BEGAN: boundary equilibrium generative adversarial networks."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfgan2.distributed import replicas
from tfgan2.errors import UserError
from tfgan2.hyperparameters import option, preset
from tfgan2.images import is_points
from tfgan2.keras_model.guard import weighted
from tfgan2.models.base import Metrics, Objective
from tfgan2.models.latent_gan import LatentGAN
from tfgan2.models.regularizers import Samples
from tfgan2.networks import ARCHITECTURES
from tfgan2.networks.layers import output
from tfgan2.nn.layers import ImageRange
from tfgan2.nn.losses import WASSERSTEIN


class BEGAN(LatentGAN):
    """A GAN of two autoencoders in equilibrium, Berthelot et al. 2017 (arXiv:1703.10717).

    The discriminator is an autoencoder; L(x) is the mean absolute error of its reconstruction. It
    minimizes L(x) - k L(G(z)), the generator L(G(z)). After each step
    k += lambda_k (gamma L(x) - L(G(z))), within [0, 1], which keeps L(G(z)) at gamma L(x): a small
    gamma gives sharp images, a large one varied images. The statistics report k and the measure of
    convergence M = L(x) + |gamma L(x) - L(G(z))|, which falls while the images get better.

    The defaults are the networks of dcgan, gamma 1, lambda_k 0.01 and learning rates of 2e-4. With
    the paper's own (network=began, gamma 0.5, lambda_k 0.001, rates of 1e-4), made for faces and
    many more steps, MNIST lost most of its variety, and each step takes several times as long.
    """

    class Config(LatentGAN.Config):
        latent_dim: int = option(64, "number of latents, U(-1, 1), and of the autoencoder's codes")
        gamma: float = option(1.0, "target ratio of L(G(z)) to L(x)", at_most=1)
        lambda_k: float = option(0.01, "step size of k")

        cpu = preset(steps=12_000)
        paper = preset(
            network="began",
            gamma=0.5,
            lambda_k=1e-3,
            generator_learning_rate=1e-4,
            discriminator_learning_rate=1e-4,
            batch_size=16,
            ema_decay=0.0,
        )

        def resolve(self) -> None:
            super().resolve()
            if self.lecam:
                raise UserError("began has no logits that lecam could regularize: leave it out")

    gan_loss = WASSERSTEIN  # of the errors L, where only their means count
    latent_distribution = "uniform"

    def build_networks(self) -> None:
        self.k = self.add_weight(name="k", initializer="zeros", dtype="float32", trainable=False)
        config, shape = self.config, self.image_shape
        architecture = ARCHITECTURES[config.network].load()
        z = keras.Input((config.latent_dim,), name="z")
        x = architecture.decoder(z, shape, self.layer_maker(0))
        x = x if is_points(shape) else ImageRange(dtype="float32")(x)
        self.generator = keras.Model(z, output(x, "linear"), name="generator")

        packed = (*shape[:2], shape[2] * self.packing.count)
        image = keras.Input(packed, name="image")
        make = self.layer_maker(1, dropout=config.dropout)
        x = architecture.features(image, make)
        x = architecture.decoder(make.dense(config.latent_dim)(x), packed, make)
        x = output(x, "linear", "reconstruction")
        self.discriminator = keras.Model(image, x, name="discriminator")
        make.freeze(self.discriminator, config.freeze_d)

    def logits(self, samples: Samples) -> tf.Tensor:
        """L of each sample, float32, shape (B,)."""
        errors = tf.abs(samples.images - self.discriminator(samples.images, training=True))
        return tf.reduce_mean(errors, axis=(1, 2, 3))

    def discriminator_objective(self, real: Samples, fake: Samples, stream: str) -> Objective:
        real_errors, fake_errors = self.logits(real), self.logits(fake)
        as_real, as_fake = self.flipped_labels(real_errors, fake_errors, stream, self.noise_seed)
        loss = tf.reduce_mean(as_real) - self.k.value * tf.reduce_mean(as_fake)
        return loss, {"real_error": tf.reduce_mean(real_errors)}

    def generator_objective(self, fake: Samples, real: Samples) -> Objective:
        return tf.reduce_mean(self.logits(fake)), {}

    def last_update(self, real: Samples) -> Metrics:
        """The updates of the game, then k moves towards the equilibrium."""
        metrics = super().last_update(real)
        # The mean of all replicas: each has a copy of k, and all copies must stay equal.
        balance = self.config.gamma * metrics["real_error"] - metrics["generator_loss"]
        balance = replicas.mean(balance)
        moved = self.k.value + weighted(self.config.lambda_k * balance)
        self.k.assign(tf.clip_by_value(moved, 0.0, 1.0))
        convergence = metrics["real_error"] + tf.abs(balance)
        return {**metrics, "k": tf.convert_to_tensor(self.k.value), "convergence": convergence}
