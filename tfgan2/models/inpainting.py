"""Inpainting: context encoders with global and local discriminators."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from tfgan2.distributed import replicas
from tfgan2.hyperparameters import option, preset
from tfgan2.models.base import Batch, Examples, Objective
from tfgan2.models.options import Channels, GeneratorNorm
from tfgan2.models.regularizers import Samples
from tfgan2.models.translation import TranslationGAN
from tfgan2.networks import inpainting as networks
from tfgan2.nn import masks
from tfgan2.nn.resizing import crops


class Inpainting(TranslationGAN):
    """Fills what a mask hides, Pathak et al. 2016 (arXiv:1604.07379), Iizuka et al. 2017.

    The generator sees the mask, and the image with grey where the mask is 1; outside the mask its
    output is the input. It minimizes reconstruction_weight * |x - G(x)|^2, averaged over what is
    hidden, + adversarial_weight * -log D(G(x)); the weights are those of Pathak et al. The networks
    are close to those of Iizuka et al.: dilated convolutions, and a discriminator that sees the
    whole image and the surroundings of the hole, and minimizes -log D(x) - log(1 - D(G(x))).
    Free-form strokes may leave these surroundings, which lie around their middle.
    """

    class Config(GeneratorNorm, Channels, TranslationGAN.Config):
        mask: str = option(
            "box",
            "what is hidden: a square in the centre, a box anywhere (edges from half of mask_size "
            "to mask_size), or free-form strokes of a brush",
            choices=("centre", "box", "free-form"),
        )
        mask_size: float = option(
            0.5,
            "edge of the hole over that of the image; free-form: length of a stroke over the "
            "square root of height times width",
            at_least=0.1,
            at_most=0.9,
        )
        reconstruction: str = option(
            "l2", "reconstruction loss; l2 in the papers", choices=("l1", "l2")
        )
        reconstruction_weight: float = option(0.999, "weight of the reconstruction")
        adversarial_weight: float = 0.001

        cpu = preset(base_channels=24, batch_size=16, steps=5_000)

        def resolve(self) -> None:
            super().resolve()
            self.check_edges(4, least=8)

    size_multiple = 4

    def build_networks(self) -> None:
        height, width, _ = self.image_shape
        config = self.config
        self.local_size = masks.local_size((height, width), config.mask_size)
        make = self.layer_maker(1)
        self.discriminator = networks.discriminator(self.image_shape, self.local_size, make)
        self.generator = self.build_generator(height, width)

    def build_generator(self, height: int | None, width: int | None) -> keras.Model:
        make = self.layer_maker(0, norm=self.config.norm)
        return networks.generator((height, width, self.image_shape[-1]), make)

    def draw_masks(self, count: int | tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Float32, shape (count, height, width, 1), 1 where hidden."""
        config = self.config
        return masks.draw(config.mask, count, self.image_shape[:2], config.mask_size, seed)

    def real_samples(self, batch: Batch) -> Samples:
        real = super().real_samples(batch)
        hidden = self.draw_masks(tf.shape(real.images)[0], self.noise_seed("masks"))
        return real._replace(inputs=hidden)

    def fake_samples(self, real: Samples, stream: str) -> Samples:
        return real._replace(images=self.generator([real.images, real.inputs], training=True))

    def discriminator_inputs(self, samples: Samples, stream: str) -> Samples:
        """Images as the discriminator sees them, and the masks moved with them."""
        without = ("color", "cutout")
        moved = self.augmentation(samples.inputs, stream, self.noise_seed, without)
        return super().discriminator_inputs(samples, stream)._replace(inputs=moved)

    def logits(self, samples: Samples) -> tf.Tensor:
        tops, lefts = masks.surroundings(samples.inputs, self.local_size)
        local = crops(samples.images, tops, lefts, *self.local_size)
        return self.discriminator([samples.images, local], training=True)

    def content_objective(self, fake: Samples, real: Samples) -> Objective:
        difference = tf.cast(real.images - fake.images, tf.float32) * real.inputs
        l1 = self.config.reconstruction == "l1"
        terms = tf.abs(difference) if l1 else tf.square(difference)
        hidden = replicas.mean(tf.reduce_sum(real.inputs)) * self.image_shape[-1]
        loss = tf.reduce_sum(terms) / tf.maximum(hidden, 1.0)
        return self.config.reconstruction_weight * loss, {"reconstruction_loss": loss}

    def inputs_of(self, examples: Examples, *, seed: int = 0) -> dict[str, np.ndarray]:
        images = examples[0]
        hidden = self.draw_masks(len(images), tf.constant([seed, 0]))
        return {"input": images, "mask": hidden.numpy()}

    def preview_columns(
        self, examples: Examples, inputs: Mapping[str, np.ndarray], images: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        hidden = np.where(inputs["mask"] > 0.5, 0.0, inputs["input"])
        return hidden, images, examples[0]
