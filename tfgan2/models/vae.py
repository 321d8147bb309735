"""VAE: auto-encoding variational Bayes."""

from __future__ import annotations

import math

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tfgan2.distributed import microbatches
from tfgan2.hyperparameters import option, preset
from tfgan2.images import is_points
from tfgan2.models.base import Batch, Metrics, Objective, View, images_of, rows_of_pairs
from tfgan2.models.latent import LatentModel
from tfgan2.models.options import NetworkChoice, OptimizerChoice
from tfgan2.models.regularizers import Flip
from tfgan2.networks import ARCHITECTURES
from tfgan2.networks.layers import output
from tfgan2.nn import losses

MANIFOLD_SIDE = 20
OPTIMIZER = "optimizer"


class VAE(LatentModel):
    """The variational autoencoder, Kingma and Welling 2013 (arXiv:1312.6114).

    An encoder gives each image a normal distribution of latents, N(m, exp(log_var)). The generator
    makes the image from z = m + exp(log_var / 2) * e, e ~ N(0, I). Both minimize
    -log p(x | z) + beta * KL(N(m, exp(log_var)) || N(0, I)), the likelihood summed over pixels.
    Bernoulli takes values in [-1, 1] as probabilities (x + 1) / 2. Gaussian has one variance for
    all pixels, which is learned with the rest. beta other than 1 is Higgins et al. 2017.

    Latents from N(0, I) then give new images. There is no opponent, so nothing can collapse, and
    images are smoother than those of GANs.
    """

    class Config(OptimizerChoice, NetworkChoice, Flip.Config, LatentModel.Config):
        latent_dim: int = option(20, "number of latents; with 2, `sample` shows the manifold")
        likelihood: str = option(
            "bernoulli",
            "likelihood of the pixels; points always have gaussian",
            choices=("bernoulli", "gaussian"),
        )
        beta: float = option(1.0, "weight of the KL term")
        network: str = "mlp"
        learning_rate: float = 1e-3

        cpu = preset(steps=40_000)
        paper = preset(base_channels=500, batch_size=100)

        def resolve(self) -> None:
            super().resolve()
            if is_points(self.image_shape):
                self.likelihood = "gaussian"

    views_need_reals = True

    def build_networks(self) -> None:
        self.flip = Flip(self.config)
        architecture = ARCHITECTURES[self.config.network]
        z = keras.Input((self.latent_dim,), name="z")
        x = architecture.load().decoder(z, self.image_shape, self.layer_maker(0))
        logits = x = output(x, "linear", "logits")
        if self.config.likelihood == "bernoulli":
            # tanh(l / 2) is 2 sigmoid(l) - 1: the mean in the range of images.
            x = layers.Rescaling(0.5, dtype="float32")(logits)
        image = output(x, "linear" if is_points(self.image_shape) else "tanh")
        self.decoder = keras.Model(z, {"logits": logits, "image": image}, name="decoder")
        self.generator = keras.Model(z, image, name="generator")

        image = keras.Input(self.image_shape, name="image")
        make = self.layer_maker(1, norm=architecture.norm)
        x = architecture.load().features(image, make)
        outputs = {
            name: make.dense(self.latent_dim, init="normal", dtype="float32", name=name)(x)
            for name in ("mean", "log_var")
        }
        self.encoder = keras.Model(image, outputs, name="encoder")
        if self.config.likelihood == "gaussian":
            # Starts below the variance of the data: from above it, training settles at first in
            # describing nothing.
            self.log_variance = self.add_weight(
                name="log_variance",
                shape=(),
                initializer=keras.initializers.Constant(-2.0),
                dtype="float32",
            )

    def networks(self) -> dict[str, keras.Model]:
        return {"generator": self.generator, "encoder": self.encoder}

    def trained_by(self) -> dict[str, list[keras.Model]]:
        return {OPTIMIZER: [self]}

    def train_step(self, batch: Batch) -> Metrics:
        """One update of encoder and generator.

        Args:
            batch: images, float32 in [-1, 1], shape (B, height, width, channels), or a tuple of
                them and labels, which are ignored.

        Returns:
            Float32 scalars: "loss", and its terms "reconstruction_loss" and "kl_loss", in nats per
            image.
        """
        images = self.flip(images_of(batch), "real", self.noise_seed)

        def objective(tape: tf.GradientTape) -> Objective:
            code = self.encoder(images, training=True)
            noise = microbatches.normal(tf.shape(code["mean"]), self.noise_seed("latents"))
            latents = code["mean"] + tf.exp(0.5 * code["log_var"]) * noise
            decoded = self.decoder(latents, training=True)
            reconstruction = self._negative_log_likelihood(images, decoded)
            divergence = losses.kl_divergence(code["mean"], code["log_var"])
            terms = {"reconstruction_loss": reconstruction, "kl_loss": divergence}
            return reconstruction + self.config.beta * divergence, terms

        loss, terms = self.minimize(OPTIMIZER, objective)
        self.step.assign_add(1)
        return {"loss": loss, **terms}

    def _negative_log_likelihood(self, images: tf.Tensor, decoded: Metrics) -> tf.Tensor:
        """The loss in nats per image, summed over pixels, averaged over the batch: float32, ()."""
        if self.config.likelihood == "bernoulli":
            targets = (images + 1.0) / 2.0
            each = tf.nn.sigmoid_cross_entropy_with_logits(targets, decoded["logits"])
        else:
            log_variance = tf.convert_to_tensor(self.log_variance.value)
            squares = tf.square(images - decoded["image"]) * tf.exp(-log_variance)
            each = 0.5 * (squares + log_variance + math.log(2.0 * math.pi))
        return tf.reduce_mean(tf.reduce_sum(each, axis=(1, 2, 3)))

    def views(self, reals: np.ndarray | None = None) -> dict[str, View]:
        """Reconstructions, each below its original, and for two latents the manifold."""
        if is_points(self.image_shape):
            return {}
        views = {}
        if reals is not None and len(reals):
            latents = self.encoder(reals[:32], training=False)["mean"].numpy()
            views["reconstructions"] = rows_of_pairs(reals, self.generate(latents))
        if self.latent_dim == 2:
            # Equal shares of the latents' probability, as in the paper's figure 4.
            quantiles = np.linspace(0.02, 0.98, MANIFOLD_SIDE).astype(np.float32)
            positions = tf.math.ndtri(quantiles).numpy()
            x, y = np.meshgrid(positions, -positions)
            latents = np.stack([x.ravel(), y.ravel()], axis=1)
            views["manifold"] = View(self.generate(latents), MANIFOLD_SIDE)
        return views
