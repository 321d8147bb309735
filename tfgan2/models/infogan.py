"""InfoGAN: interpretable representation learning by information maximizing GANs."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tfgan2.distributed import microbatches
from tfgan2.errors import UserError
from tfgan2.hyperparameters import option, preset
from tfgan2.images import is_points
from tfgan2.models.base import Metrics, Objective, View
from tfgan2.models.latent_gan import LatentGAN
from tfgan2.models.regularizers import LabelSmoothing, Samples
from tfgan2.nn import losses

TRAVERSAL_COLUMNS = 10


class InfoGAN(LatentGAN):
    """A GAN that finds codes without labels, Chen et al. 2016 (arXiv:1606.03657).

    The generator takes a categorical code and continuous codes beside the noise. A head Q of the
    discriminator predicts the codes from the image, and both networks minimize, besides the game,
    Q's error, a bound of the mutual information of codes and image: category_weight times the cross
    entropy of the category, code_weight times half of the squared error of the codes.

    The weights are smaller than the paper's (1), the generator learns as fast as the discriminator,
    not five times as fast, and the discriminator sees two samples at once: with these networks all
    images of a category came out the same otherwise. The category is the generator's label, so
    `sample --label 3` shows one. The continuous codes are the last latents, U(-1, 1) like all
    latents.
    """

    class Config(LabelSmoothing.Config, LatentGAN.Config):
        latent_dim: int = option(64, "number of latents, the continuous codes included")
        categories: int = option(10, "categories of the categorical code; 0: none")
        codes: int = option(2, "number of continuous codes")
        category_weight: float = option(0.1, "weight of the category's cross entropy")
        code_weight: float = option(0.3, "weight of the codes' halved squared error")
        packing: int = 2

        paper = preset(
            base_channels=64,
            category_weight=1.0,
            code_weight=1.0,
            packing=1,
            generator_learning_rate=1e-3,
            ema_decay=0.0,
        )

        def resolve(self) -> None:
            super().resolve()
            if self.codes > self.latent_dim:
                raise UserError(
                    f"codes must be from 0 to latent_dim, {self.latent_dim}, not {self.codes}"
                )
            if not self.categories + self.codes:
                raise UserError("categories + codes must be at least 1, not 0")

    gan_loss = losses.NON_SATURATING
    latent_distribution = "uniform"

    @property
    def num_labels(self) -> int:
        return self.config.categories

    def discriminator_settings(self) -> dict[str, Any]:
        units = {"category": self.config.categories, "codes": self.config.codes}
        heads = {name: n * self.packing.count for name, n in units.items() if n}
        return {"heads": heads, "head_units": 128}

    def fake_labels(self, real: Samples, stream: str) -> tf.Tensor | None:
        if not self.num_labels:
            return None
        seed = self.noise_seed(stream)
        return microbatches.uniform((real.size,), seed, 0, self.num_labels, tf.int32)

    def information_loss(self, predictions: Metrics, fake: Samples) -> Objective:
        """Q's error on generated images: a float32 scalar, and its terms."""
        config, total, terms = self.config, tf.constant(0.0), {}
        if config.categories:
            logits = tf.reshape(predictions["category"], (-1, config.categories))
            entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(fake.labels, logits)
            terms["category_loss"] = tf.reduce_mean(entropy)
            total += config.category_weight * terms["category_loss"]
        if config.codes:
            codes = tf.reshape(predictions["codes"], (-1, config.codes))
            errors = tf.square(codes - fake.latents[:, -config.codes :])
            terms["code_loss"] = 0.5 * tf.reduce_mean(tf.reduce_sum(errors, axis=1))
            total += config.code_weight * terms["code_loss"]
        return total, terms

    def discriminator_objective(self, real: Samples, fake: Samples, stream: str) -> Objective:
        on_real, on_fake = self.logits(real), self.logits(fake)
        source = self.discriminator_loss(on_real["logits"], on_fake["logits"], stream)
        information, _ = self.information_loss(on_fake, fake)
        return source + information, self.scores(on_real["logits"], on_fake["logits"])

    def generator_objective(self, fake: Samples, real: Samples) -> Objective:
        on_fake = self.logits(fake)
        information, terms = self.information_loss(on_fake, fake)
        return self.gan_loss.generator(on_fake["logits"]) + information, terms

    def views(self, reals: np.ndarray | None = None) -> dict[str, View]:
        """A traversal of each code: it alone changes along a row; each row has other noise."""
        if is_points(self.image_shape):
            return {}
        views = {}
        categories, codes = self.config.categories, self.config.codes
        if categories:
            rows = np.repeat(self.draw_latents(6, seed=1), categories, axis=0)
            views["category"] = View(self.generate(rows), categories)
        for index in range(codes):
            rows = np.repeat(self.draw_latents(8, seed=2), TRAVERSAL_COLUMNS, axis=0)
            # Beyond the range of training, as in the paper: it shows the meaning of a code better.
            rows[:, index - codes] = np.tile(np.linspace(-2, 2, TRAVERSAL_COLUMNS), 8)
            labels = self.draw_labels(8)
            if labels is not None:
                labels = np.repeat(labels, TRAVERSAL_COLUMNS)
            views[f"code-{index + 1}"] = View(self.generate(rows, labels), TRAVERSAL_COLUMNS)
        return views
