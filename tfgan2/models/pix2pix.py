"""Pix2Pix: image-to-image translation with conditional adversarial networks."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfgan2.errors import UserError
from tfgan2.hyperparameters import option, preset
from tfgan2.models.base import Batch, Objective
from tfgan2.models.imitation import INT8, ImitatingGAN
from tfgan2.models.options import ImageInput
from tfgan2.models.regularizers import Samples
from tfgan2.models.translation import TranslationGAN
from tfgan2.networks import mobile, patch, unet
from tfgan2.nn import losses


class Pix2Pix(ImitatingGAN, TranslationGAN):
    """Paired images become images, Isola et al. 2016 (arXiv:1611.07004).

    A U-Net makes the output y from the input x. The discriminator has a logit for each patch and
    sees both. It minimizes (-log D(x, y) - log(1 - D(x, G(x)))) / 2, the generator
    -log D(x, G(x)) + l1_weight * |y - G(x)|. In training, both images of a pair are enlarged,
    cropped at random and mirrored alike.

    The generator's only noise is its dropout, which is off when images are generated: the same
    input always gives the same output. The norm is over instances, which is what the paper's batch
    norm amounts to with its batches of one.
    """

    class Config(ImageInput, ImitatingGAN.Config, TranslationGAN.Config):
        network: str = option(
            "unet",
            "the generator: unet as in the paper, or mobile, a small one of separable convolutions",
            choices=("unet", "mobile"),
        )
        norm: str = option(
            help="normalization of the layers; with network=mobile of D's: its G has batch norm"
        )
        l1_weight: float = option(100.0, "weight of the mean absolute error")
        dropout: float = option(0.5, "fraction to drop in three layers of G", at_most=0.99)
        ema_decay: float = 0.0

        cpu = preset(base_channels=32, max_channels=128, batch_size=4, steps=4_000)
        paper = preset()

        def resolve(self) -> None:
            super().resolve()
            if self.quantize == INT8 and self.network != "mobile":
                raise UserError("quantize=int8 needs network=mobile")

    data_kind = "pairs"
    batch_size = 1

    def build_networks(self) -> None:
        config, (height, width, _) = self.config, self.image_shape
        self.depth = min(unet.depth_for(height), unet.depth_for(width))
        if config.network == "mobile":
            self.depth = min(self.depth, mobile.MAX_DEPTH)
        self.size_multiple = 2**self.depth
        make = self.layer_maker(1, norm=config.norm)
        self.discriminator = patch.discriminator(
            self.image_shape, config.patch, make, input_channels=config.input_channels
        )
        self.generator = self.build_generator(height, width)
        self.add_imitation()

    def build_generator(self, height: int | None, width: int | None) -> keras.Model:
        config = self.config
        make = self.layer_maker(0, norm=config.norm, dropout=config.dropout)
        shape = (height, width, config.input_channels)
        build = mobile.translator if config.network == "mobile" else unet.generator
        return build(shape, self.image_shape[-1], self.depth, make)

    def real_samples(self, batch: Batch) -> Samples:
        both = self.jittered(tf.concat(batch[:2], axis=-1), "jitter")
        channels = self.config.input_channels
        return Samples(both[..., channels:], inputs=both[..., :channels])

    def fake_samples(self, real: Samples, stream: str) -> Samples:
        return real._replace(images=self.trained_generator()(real.inputs, training=True))

    def discriminator_inputs(self, samples: Samples, stream: str) -> Samples:
        """Both images of a pair, augmented alike."""
        inputs = self.augmentation(samples.inputs, stream, self.noise_seed)
        noise = f"{stream}: input"
        inputs = self.instance_noise(inputs, noise, self.noise_seed, self.step.value)
        return super().discriminator_inputs(samples, stream)._replace(inputs=inputs)

    def logits(self, samples: Samples) -> tf.Tensor:
        return self.discriminator([samples.images, samples.inputs], training=True)

    def discriminator_loss(
        self, real_logits: tf.Tensor, fake_logits: tf.Tensor, stream: str
    ) -> tf.Tensor:
        return 0.5 * super().discriminator_loss(real_logits, fake_logits, stream)

    def content_objective(self, fake: Samples, real: Samples) -> Objective:
        l1 = losses.absolute_error(real.images, fake.images)
        features, metrics = self.feature_objective(fake, real)
        return self.config.l1_weight * l1 + features, {"l1_loss": l1, **metrics}
