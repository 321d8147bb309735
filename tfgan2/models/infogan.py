"""InfoGAN: interpretable representation learning by information maximizing GANs."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tfgan2.images import is_points
from tfgan2.models.adversarial import Metrics, Samples
from tfgan2.models.base import View, check_range
from tfgan2.models.cross_entropy import CrossEntropyModel

TRAVERSAL = 10  # images per row


class InfoGAN(CrossEntropyModel):
    """A GAN that finds codes by itself, Chen et al. 2016 (arXiv:1606.03657).

    The generator takes a categorical code and continuous codes beside the noise. A head Q of the
    discriminator says which codes an image was made with, and both players minimise, besides the
    game, Q's error: a bound of the mutual information of codes and image,
    weight * H(c) - E log Q(c|x), cross entropy for the category, half of the squared error for the
    codes. No labels are needed.

    The weights are smaller than the paper's, and the generator learns as fast as the discriminator,
    not five times as fast: with these networks the images of a category came out all the same
    otherwise.

    The category is the generator's `label`, so `sample --label 3` shows it. The continuous codes
    are the last latents, U(-1, 1) as all latents are.
    """

    latent_distribution = "uniform"

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        latent_dim: int = 64,
        categories: int = 10,
        codes: int = 2,
        category_weight: float = 0.1,
        code_weight: float = 0.3,
        dropout: float = 0.5,
        **shared: Any,
    ) -> None:
        """Builds the networks.

        Args:
            image_shape: (height, width, channels).
            latent_dim: length of the latents, the continuous codes included.
            categories: of the categorical code; 0: none.
            codes: how many continuous codes.
            category_weight: of the category's cross entropy, both players; the paper's is 1.
            code_weight: of half of the squared error of the codes, both players.
            dropout: share of the discriminator's features dropped before its last layers.
            **shared: see `CrossEntropyModel`.

        Raises:
            UserError: a value that is not possible.
        """
        super().__init__(image_shape, latent_dim=latent_dim, dropout=dropout, **shared)
        check_range("categories", categories, 0)
        check_range("codes", codes, 0, latent_dim)
        check_range("categories + codes", categories + codes, 1)
        check_range("category_weight", category_weight, 0.0)
        check_range("code_weight", code_weight, 0.0)
        self.categories = self.num_labels = categories
        self.codes = codes
        self.category_weight = category_weight
        self.code_weight = code_weight
        heads = {"category": categories * self.packing, "codes": codes * self.packing}
        self.set_networks(
            *self.standard_networks(
                heads={name: units for name, units in heads.items() if units},
                head_width=128,
            )
        )

    def fake_labels(self, real: Samples, count: int, stream: str) -> tf.Tensor | None:
        if not self.categories:
            return None
        seed = self.noise_seed(stream)
        return tf.random.stateless_uniform((count,), seed, 0, self.categories, tf.int32)

    def _information_loss(self, answer: Metrics, fake: Samples) -> tuple[tf.Tensor, Metrics]:
        """Q's error on generated images: a float32 scalar, and its parts."""
        total, parts = tf.constant(0.0), {}
        if self.categories:
            logits = tf.reshape(answer["category"], (-1, self.categories))
            entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(fake.labels, logits)
            parts["category_loss"] = tf.reduce_mean(entropy)
            total += self.category_weight * parts["category_loss"]
        if self.codes:
            found = tf.reshape(answer["codes"], (-1, self.codes))
            errors = tf.square(found - fake.latents[:, -self.codes :])
            parts["code_loss"] = 0.5 * tf.reduce_mean(tf.reduce_sum(errors, axis=1))
            total += self.code_weight * parts["code_loss"]
        return total, parts

    def discriminator_objective(
        self, real: Samples, fake: Samples, stream: str
    ) -> tuple[tf.Tensor, Metrics]:
        seen, made = (self.discriminator(x.images, training=True) for x in (real, fake))
        source = self.discriminator_loss(*self.mixed_up(seen["logits"], made["logits"], stream))
        information, _ = self._information_loss(made, fake)
        return source + information, self.scores(seen["logits"], made["logits"])

    def generator_objective(self, fake: Samples, real: Samples) -> tuple[tf.Tensor, Metrics]:
        made = self.discriminator(fake.images, training=True)
        information, parts = self._information_loss(made, fake)
        return self.generator_loss(made["logits"]) + information, parts

    def views(self, reals: np.ndarray | None = None) -> dict[str, View]:
        """A traversal of each code: along a row it alone changes, each row has other noise."""
        if is_points(self.image_shape):
            return {}
        found = {}
        if self.categories:
            latents = self.draw_latents(6, seed=1)
            rows = np.repeat(latents, self.categories, axis=0)
            found["category"] = View(self.generate(rows), self.categories)
        for index in range(self.codes):
            rows = np.repeat(self.draw_latents(8, seed=2), TRAVERSAL, axis=0)
            # Beyond what training saw, as in the paper: what a code means shows clearer there.
            rows[:, index - self.codes] = np.tile(np.linspace(-2, 2, TRAVERSAL), 8)
            labels = self.draw_labels(8)
            if labels is not None:
                labels = np.repeat(labels, TRAVERSAL)
            found[f"code-{index + 1}"] = View(self.generate(rows, labels), TRAVERSAL)
        return found
