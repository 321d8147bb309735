"""Pix2Pix: image-to-image translation with conditional adversarial networks."""

from __future__ import annotations

from typing import Any, Literal

import keras
import tensorflow as tf

from tfgan2.models.adversarial import Metrics, Samples
from tfgan2.models.base import Batch, check_choice, check_range
from tfgan2.models.translation import AdversarialTranslation
from tfgan2.networks import patch as patch_gan
from tfgan2.networks import unet
from tfgan2.networks.parts import NORMS
from tfgan2.nn import losses


class Pix2Pix(AdversarialTranslation):
    """Paired images become images, Isola et al. 2016 (arXiv:1611.07004).

    A U-Net makes the output y of the input x; the discriminator, which judges patches, sees both.
    It minimises (-log D(x, y) - log(1 - D(x, G(x)))) / 2, the generator
    -log D(x, G(x)) + l1_weight * |y - G(x)|. While training, both images of a pair are enlarged,
    cut at random and mirrored together.

    The generator's only noise is its dropout, which is off when images are made: the same input
    always gives the same output. Norms are over instances, which is what the paper's batch norm
    comes to with its batches of one.
    """

    data_kind = "pairs"
    batch_size = 1

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        input_channels: int | None = None,
        l1_weight: float = 100.0,
        patch: int = 0,
        width: int = 64,
        max_width: int = 512,
        norm: Literal["none", "batch", "layer", "instance"] = "instance",
        dropout: float = 0.5,
        jitter: bool = True,
        mirror: bool = True,
        ema_decay: float = 0.0,
        **shared: Any,
    ) -> None:
        """Builds the networks.

        Args:
            image_shape: (height, width, channels) of the outputs.
            input_channels: of the inputs, whose size is the same; default: those of the outputs.
            l1_weight: of the mean absolute difference from the target.
            patch: edge of the patches that are judged, 16, 34 or 70; 0: 70, for images smaller than
                128 pixels 34.
            width: channels at the images' end, both players.
            max_width: most channels of a layer of the generator.
            norm: of both players: none, batch, layer or instance.
            dropout: share of the units dropped in three layers of the generator.
            jitter: enlarge images by 30/256 and cut a random part of the size wanted.
            mirror: mirror half of the pairs.
            ema_decay: of the moving average of the generator's weights; 0 keeps none.
            **shared: see `AdversarialTranslation`.

        Raises:
            UserError: a value that is not possible.
        """
        super().__init__(image_shape, ema_decay=ema_decay, **shared)
        height, breadth, channels = self.image_shape
        self.depth = min(unet.depth_for(height), unet.depth_for(breadth))
        patch = patch_gan.choose(patch, height)
        check_range("l1_weight", l1_weight, 0.0)
        check_range("width", width, 1)
        check_range("max_width", max_width, 1)
        check_choice("norm", norm, NORMS)
        check_range("dropout", dropout, 0.0, 0.99)
        self.input_channels = input_channels or channels
        self.l1_weight = l1_weight
        self.patch = patch
        self.width = width
        self.max_width = max_width
        self.norm = norm
        self.dropout = dropout
        self.jitter = jitter
        self.mirror = mirror
        self.size_multiple = 2**self.depth
        discriminator = patch_gan.discriminator(
            self.image_shape,
            patch=patch,
            width=width,
            norm=norm,
            seed=2 * self.seed + 1,
            input_channels=self.input_channels,
        )
        self.set_networks(self.build_generator(height, breadth), discriminator)

    def build_generator(self, height: int | None, width: int | None) -> keras.Model:
        return unet.generator(
            (height, width, self.input_channels),
            self.image_shape[-1],
            depth=self.depth,
            width=self.width,
            max_width=self.max_width,
            norm=self.norm,
            dropout=self.dropout,
            seed=2 * self.seed,
        )

    def real_samples(self, batch: Batch) -> Samples:
        inputs, targets = batch[0], batch[1]
        if not (self.jitter or self.mirror):
            return Samples(targets, inputs=inputs)
        both = tf.concat([inputs, targets], axis=-1)
        both = self.varied(both, "jitter", jitter=self.jitter, mirror=self.mirror)
        channels = self.input_channels
        return Samples(both[..., channels:], inputs=both[..., :channels])

    def fake_samples(self, real: Samples, count: int | tf.Tensor, stream: str) -> Samples:
        return real._replace(images=self.generator(real.inputs, training=True))

    def as_seen(self, samples: Samples, stream: str) -> Samples:
        """Both images of a pair as the discriminator sees them: augmented alike."""
        inputs = self.noisy(self.augmented(samples.inputs, stream), f"{stream}: input")
        return super().as_seen(samples, stream)._replace(inputs=inputs)

    def judge(self, samples: Samples) -> tf.Tensor:
        return self.discriminator([samples.images, samples.inputs], training=True)

    def discriminator_loss(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        return 0.5 * super().discriminator_loss(real_logits, fake_logits)

    def content_objective(self, fake: Samples, real: Samples) -> tuple[tf.Tensor, Metrics]:
        l1 = losses.absolute_error(real.images, fake.images)
        return self.l1_weight * l1, {"l1_loss": l1}
