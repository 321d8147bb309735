"""FastGAN: towards faster and stabilized GAN training for few-shot image synthesis."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfgan2.distributed import microbatches
from tfgan2.hyperparameters import option, preset
from tfgan2.images import resize_matrix
from tfgan2.models.base import Objective
from tfgan2.models.game import DISCRIMINATOR, GENERATOR
from tfgan2.models.latent_gan import LatentGAN
from tfgan2.models.regularizers import Samples
from tfgan2.networks import fastgan
from tfgan2.networks.pairs import generator
from tfgan2.nn import losses
from tfgan2.nn.resizing import crops, resized_by, windows


class FastGAN(LatentGAN):
    """A light GAN for 100 to 1,000 images, Liu et al. 2021 (arXiv:2101.04775).

    The discriminator minimizes the hinge loss mean max(0, 1 - D(x)) + mean max(0, 1 + D(G(z))) over
    patches, plus reconstruction_weight times the error of decoders, which make of its feature maps
    of real images the image at half of its size, and a random quarter of it at full size. So its
    features have to describe images, not only to tell them apart. The generator minimizes
    -mean D(G(z)); its small feature maps excite the channels of large ones.

    The paper's error is perceptual, a distance of the features of a trained network. Here it is
    that of pixels, which needs no weights. All images are augmented as in Zhao et al. 2020. The
    authors' code has more than the paper, such as spectral norm and noise; docs/flavours.md says
    what.
    """

    class Config(LatentGAN.Config):
        latent_dim: int = 256
        network: str = option("fastgan", choices=("fastgan", "mlp"))
        augment: str = "color,translation"
        reconstruction: str = option(
            "l1", "error of the decoders, of network=fastgan", choices=("l1", "l2")
        )
        reconstruction_weight: float = option(
            1.0, "weight of the error of the decoders, of network=fastgan"
        )

        few = preset(lecam=0.3, batch_size=8, steps=10_000)
        cpu = preset(steps=4_500)
        paper = preset(steps=100_000)

    gan_loss = losses.HINGE
    batch_size = 8
    network_count = 3

    def build_networks(self) -> None:
        config, shape = self.config, self.image_shape
        if config.network == "mlp":  # it has no feature maps to decode
            super().build_networks()
            return
        self.generator = generator("fastgan", shape, config.latent_dim, self.layer_maker(0))
        make = self.layer_maker(1, norm="batch", dropout=config.dropout)
        self.discriminator = fastgan.discriminator(shape, make, self.packing.count)
        make.freeze(self.discriminator, config.freeze_d)
        self.decoders = fastgan.decoders(self.discriminator, self.layer_maker(2))

    def trained_by(self) -> dict[str, list[keras.Model]]:
        decoders = [] if self.config.network == "mlp" else [self.decoders]
        return {GENERATOR: [self.generator], DISCRIMINATOR: [self.discriminator, *decoders]}

    def logits(self, samples: Samples) -> tf.Tensor:
        """The logits of patches, shape (B, rows, columns, 1); of mlp (B, 1)."""
        outputs = super().logits(samples)
        return outputs["logits"] if isinstance(outputs, dict) else outputs

    def discriminator_objective(self, real: Samples, fake: Samples, stream: str) -> Objective:
        if self.config.network == "mlp":
            return super().discriminator_objective(real, fake, stream)
        on_real, fake_logits = self.discriminator(real.images, training=True), self.logits(fake)
        loss = self.discriminator_loss(on_real["logits"], fake_logits, stream)
        error = self.reconstruction_error(real.images, on_real, stream)
        metrics = {**self.scores(on_real["logits"], fake_logits), "reconstruction_error": error}
        return loss + self.config.reconstruction_weight * error, metrics

    def reconstruction_error(
        self, images: tf.Tensor, maps: dict[str, tf.Tensor], stream: str
    ) -> tf.Tensor:
        """The sum of the decoders' errors, a float32 scalar.

        Args:
            images: discriminator inputs, float32, shape (B, height, width, channels).
            maps: what the discriminator made of them.
            stream: name of the draw of the quarters.
        """
        (rows, columns), (height, width) = (maps[n].shape[1:3] for n in ("part", "whole"))
        count = tf.shape(images)[0]
        top, left = (
            microbatches.uniform(
                (count,), self.noise_seed(f"{stream}: {axis} of the part"), 0, most + 1, tf.int32
            )
            for axis, most in (("row", rows - height), ("column", columns - width))
        )
        part = windows(maps["part"], top, left, height, width)
        made = self.decoders([part, maps["whole"]], training=True)
        scale = made["part"].shape[1] // height
        full = _resized(images, rows * scale, columns * scale)
        targets = {
            "part": crops(full, top * scale, left * scale, height * scale, width * scale),
            "whole": _resized(images, height * scale, width * scale),
        }
        name = self.config.reconstruction
        error = losses.absolute_error if name == "l1" else losses.squared_error
        return error(made["part"], targets["part"]) + error(made["whole"], targets["whole"])


def _resized(images: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Images at another size, clipped to [-1, 1]."""
    rows, columns = images.shape[1:3]
    return resized_by(images, resize_matrix(rows, height), resize_matrix(columns, width))
