"""VAE: auto-encoding variational Bayes."""

from __future__ import annotations

import math
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tfgan2 import networks
from tfgan2.images import is_points
from tfgan2.models.base import (
    Batch,
    View,
    check_choice,
    check_range,
    make_optimizer,
)
from tfgan2.models.latent import LatentModel
from tfgan2.networks.parts import Initializers
from tfgan2.nn import losses

MANIFOLD = 20  # images per side


class VAE(LatentModel):
    """The variational autoencoder of Kingma and Welling 2013 (arXiv:1312.6114).

    An encoder gives each image a normal distribution of latents, N(m, exp(log_var)); the generator
    makes the image from z = m + exp(log_var / 2) * e, e ~ N(0, I). Minimised is
    -log p(x | z) + beta * KL(N(m, exp(log_var)) || N(0, I)), the likelihood summed over pixels.
    Bernoulli takes values in [-1, 1] as probabilities (x + 1) / 2; Gaussian has one variance for
    all pixels, which is learned with the rest. beta other than 1 is Higgins et al. 2017.

    Latents of N(0, I) then make new images. There is no opponent, so nothing can collapse, and
    images are smoother than those of GANs.
    """

    views_need_reals = True

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        latent_dim: int = 20,
        likelihood: Literal["bernoulli", "gaussian"] = "bernoulli",
        beta: float = 1.0,
        network: Literal["mlp", "dcgan", "resnet", "tutorial", "began"] = "mlp",
        width: int | None = None,
        max_width: int = 512,
        optimizer: Literal["adam", "adamw", "rmsprop", "sgd"] = "adam",
        learning_rate: float = 1e-3,
        seed: int = 0,
    ) -> None:
        """Builds the networks.

        Args:
            image_shape: (height, width, channels).
            latent_dim: length of the latents; with 2, `sample` shows the manifold.
            likelihood: bernoulli or gaussian; two-dimensional points always are gaussian.
            beta: weight of the KL term.
            network: architecture of encoder and generator: mlp (the paper's kind), dcgan, resnet,
                tutorial, began.
            width: units or channels at the images' end; mlp 512 (points 128), dcgan 64 (up to
                32x32 pixels 32), resnet 128, tutorial 128, began 64.
            max_width: most channels of a layer of dcgan, whose layers double.
            optimizer: adam, adamw, rmsprop or sgd.
            learning_rate: its step size.
            seed: of the initial weights and of all noise.

        Raises:
            UserError: a value that is not possible.
        """
        super().__init__(image_shape, seed=seed)
        check_range("latent_dim", latent_dim, 1)
        check_choice("likelihood", likelihood, ("bernoulli", "gaussian"))
        check_range("beta", beta, 0.0)
        check_choice("network", network, networks.WIDTHS)
        self.network = networks.choose(network, self.image_shape)
        if width is None:
            width = networks.default_width(self.network, self.image_shape)
        check_range("width", width, 1)
        check_range("max_width", max_width, 1)
        self.latent_dim = latent_dim
        self.width = width
        self.likelihood = "gaussian" if is_points(self.image_shape) else likelihood
        self.beta = beta
        self.max_width = max_width
        self.optimizer_name = optimizer
        self.learning_rate = learning_rate
        self._default_optimizer()  # so that a wrong value is told before training
        self.generator = self._generator()
        self.encoder = self._encoder()
        if self.likelihood == "gaussian":
            # Below the data's own variance: from above it, describing nothing is the nearest
            # optimum.
            self.log_variance = self.add_weight(
                name="log_variance",
                shape=(),
                initializer=keras.initializers.Constant(-2.0),
                dtype="float32",
            )

    def hyperparameter(self, name: str) -> Any:
        return getattr(self, "optimizer_name" if name == "optimizer" else name)

    def _generator(self) -> keras.Model:
        z = keras.Input((self.latent_dim,), name="z")
        x = networks.make_image(
            self.network,
            z,
            self.image_shape,
            width=self.width,
            max_width=self.max_width,
            init=Initializers(2 * self.seed),
        )
        logits = layers.Activation("linear", dtype="float32", name="logits")(x)
        if self.likelihood == "bernoulli":
            # tanh(l / 2) is 2 sigmoid(l) - 1: the mean in the images' range.
            x = layers.Rescaling(0.5, dtype="float32")(logits)
        last = "linear" if is_points(self.image_shape) else "tanh"
        image = layers.Activation(last, dtype="float32", name="image")(x)
        self.decoder = keras.Model(z, {"logits": logits, "image": image}, name="decoder")
        return keras.Model(z, image, name="generator")

    def _encoder(self) -> keras.Model:
        init = Initializers(2 * self.seed + 1)
        image = keras.Input(self.image_shape, name="image")
        x = networks.see_image(
            self.network,
            image,
            width=self.width,
            max_width=self.max_width,
            norm=networks.NORMS[self.network],
            init=init,
        )
        outputs = {
            name: layers.Dense(
                self.latent_dim,
                kernel_initializer=init.normal(),
                dtype="float32",
                name=name,
            )(x)
            for name in ("mean", "log_var")
        }
        return keras.Model(image, outputs, name="encoder")

    def networks(self) -> dict[str, keras.Model]:
        return {"generator": self.generator, "encoder": self.encoder}

    def _default_optimizer(self) -> keras.optimizers.Optimizer:
        return make_optimizer(self.optimizer_name, self.learning_rate)

    def compile(
        self, optimizer: keras.optimizers.Optimizer | str | None = None, **kwargs: Any
    ) -> None:
        """Takes the optimizer; like `tf.keras.Model.compile` otherwise.

        Args:
            optimizer: an optimizer of Keras or its name; default: what the hyperparameters say.
            **kwargs: `jit_compile`, `run_eagerly`, `steps_per_execution`.
        """
        super().compile(optimizer=None, **kwargs)
        self.vae_optimizer = self.prepared(
            optimizer or self._default_optimizer(), self.trainable_variables
        )

    def optimizers_by_name(self) -> dict[str, keras.optimizers.Optimizer]:
        return {"optimizer": self.vae_optimizer}

    def train_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """One update of encoder and generator.

        Args:
            batch: images, float32 in [-1, 1], shape (B, height, width, channels), or a tuple of
                them and labels, which are not used.

        Returns:
            Float32 scalars: "loss", and its parts "reconstruction_loss" and "kl_loss", in nats per
            image.
        """
        images = batch[0] if isinstance(batch, tuple | list) else batch
        with tf.GradientTape() as tape:
            found = self.encoder(images, training=True)
            noise = tf.random.stateless_normal(tf.shape(found["mean"]), self.noise_seed("latents"))
            latents = found["mean"] + tf.exp(0.5 * found["log_var"]) * noise
            reconstruction = self._negative_log_likelihood(
                images, self.decoder(latents, training=True)
            )
            divergence = losses.kl_divergence(found["mean"], found["log_var"])
            loss = reconstruction + self.beta * divergence
            scaled = self.scaled(loss, self.vae_optimizer)
        variables = self.trainable_variables
        self.vae_optimizer.apply(tape.gradient(scaled, variables), variables)
        self.step.assign_add(1)
        return {"loss": loss, "reconstruction_loss": reconstruction, "kl_loss": divergence}

    def _negative_log_likelihood(self, images: tf.Tensor, made: dict[str, tf.Tensor]) -> tf.Tensor:
        """In nats per image: summed over pixels, averaged over the batch; a float32 scalar."""
        if self.likelihood == "bernoulli":
            targets = (images + 1.0) / 2.0
            each = tf.nn.sigmoid_cross_entropy_with_logits(targets, made["logits"])
        else:
            log_variance = tf.convert_to_tensor(self.log_variance.value)
            squares = tf.square(images - made["image"]) * tf.exp(-log_variance)
            each = 0.5 * (squares + log_variance + math.log(2.0 * math.pi))
        return tf.reduce_mean(tf.reduce_sum(each, axis=(1, 2, 3)))

    def views(self, reals: np.ndarray | None = None) -> dict[str, View]:
        """Reconstructions, each below its original, and for two latents the manifold."""
        if is_points(self.image_shape):
            return {}
        found = {}
        if reals is not None and len(reals):
            columns = 8
            originals = reals[: len(reals) // columns * columns or len(reals)][:32]
            columns = min(columns, len(originals))
            latents = self.encoder(originals, training=False)["mean"].numpy()
            made = self.generate(latents)
            rows = [
                part[start : start + columns]
                for start in range(0, len(originals), columns)
                for part in (originals, made)
            ]
            found["reconstructions"] = View(np.concatenate(rows), columns)
        if self.latent_dim == 2:
            # Equal shares of the latents' probability, as in the paper's figure 4.
            places = tf.math.ndtri(np.linspace(0.02, 0.98, MANIFOLD).astype(np.float32)).numpy()
            x, y = np.meshgrid(places, -places)
            latents = np.stack([x.ravel(), y.ravel()], axis=1)
            found["manifold"] = View(self.generate(latents), MANIFOLD)
        return found
