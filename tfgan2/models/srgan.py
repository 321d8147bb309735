"""SRGAN: photo-realistic single image super-resolution."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgan2.errors import UserError
from tfgan2.hyperparameters import option, preset
from tfgan2.images import resize_matrix
from tfgan2.models.base import Batch, Examples, Metrics, Objective
from tfgan2.models.options import Blocks, Channels, GeneratorNorm
from tfgan2.models.regularizers import Samples
from tfgan2.models.translation import TranslationGAN
from tfgan2.networks import srgan as networks
from tfgan2.nn import losses
from tfgan2.nn.resizing import resized_by
from tfgan2.pretrained.vgg import features, vgg19

CONTENT, ADVERSARIAL = "content", "adversarial"
VGG_MIN_SIZE = 32


class SRGAN(TranslationGAN):
    """Makes images 2 or 4 times as large, Ledig et al. 2016 (arXiv:1609.04802).

    The dataset has the large images; the small ones are made from them by bicubic downscaling. At
    first the generator minimizes the content loss alone, then content_weight * content +
    adversarial_weight * -log D(G(x)) against a discriminator that minimizes
    -log D(y) - log(1 - D(G(x))). The content loss is the mean squared error of pixels, or
    (content=vgg) of the features in the last convolution of a VGG19 trained on ImageNet.

    The first phase gives the better PSNR, the second the sharper images. In the first phase the
    content is always pixels, as in the paper.
    """

    class Config(Blocks, GeneratorNorm, Channels, TranslationGAN.Config):
        scale: int = option(4, "how many times as large the outputs are", choices=(2, 4))
        content: str = option(
            "pixels",
            "content loss; vgg needs RGB of 32 pixels or more, and a download",
            choices=("pixels", "vgg"),
        )
        content_weight: float = option(1.0, "content loss's weight in the second phase")
        adversarial_weight: float = 1e-3
        pretrain_steps: int | None = option(None, "steps of the first phase; none: half of all")
        blocks: int = 16
        generator_learning_rate: float = 1e-4
        discriminator_learning_rate: float = 1e-4
        beta_1: float = 0.9

        cpu = preset(base_channels=24, blocks=4, steps=5_000)
        paper = preset(content="vgg", ema_decay=0.0)

        def resolve(self) -> None:
            super().resolve()
            height, width, channels = self.image_shape
            self.check_edges(self.scale, least=self.scale)
            if self.content == "vgg" and (channels != 3 or min(height, width) < VGG_MIN_SIZE):
                raise UserError(
                    f"content=vgg needs RGB images of {VGG_MIN_SIZE} pixels or more: give "
                    f"--channels 3 --image-size {VGG_MIN_SIZE}, or content=pixels"
                )

    batch_size = 16

    def build_networks(self) -> None:
        config, (height, width, _) = self.config, self.image_shape
        self._frozen: Callable[[], list[keras.Model]] = list
        self._down = [resize_matrix(n, n // config.scale) for n in (height, width)]
        self.generator = self.build_generator(height // config.scale, width // config.scale)
        self.discriminator = networks.discriminator(self.image_shape, self.layer_maker(1))

    def build_generator(self, height: int | None, width: int | None) -> keras.Model:
        config = self.config
        make = self.layer_maker(0, norm=config.norm)
        shape = (height, width, self.image_shape[-1])
        return networks.generator(shape, config.scale, config.blocks, make)

    def export_facts(self) -> dict[str, Any]:
        return {**super().export_facts(), "scale": self.config.scale}

    def downscaled(self, images: tf.Tensor) -> tf.Tensor:
        """Smaller images, shape (B, height / scale, width / scale, channels)."""
        return resized_by(images, *self._down)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Like `GenerativeModel.compile`, and downloads VGG's weights for content=vgg.

        Raises:
            UserError: the weights cannot be downloaded.
        """
        super().compile(*args, **kwargs)
        frozen = [vgg19()] if self.config.content == "vgg" else []
        # In a function: Keras would count the weights as this model's, and save them.
        self._frozen = lambda: frozen

    def frozen_networks(self) -> list[keras.Model]:
        return self._frozen()

    def _content_steps(self) -> int:
        steps = self.config.pretrain_steps
        return self.planned_steps // 2 if steps is None else steps

    def plan(self, steps: int) -> None:
        super().plan(steps)
        self.config.pretrain_steps = self._content_steps()

    def phase_at(self, step: int) -> str:
        return CONTENT if step < self._content_steps() else ADVERSARIAL

    def real_samples(self, batch: Batch) -> Samples:
        real = super().real_samples(batch)
        return real._replace(inputs=self.downscaled(real.images))

    def fake_samples(self, real: Samples, stream: str) -> Samples:
        return real._replace(images=self.generator(real.inputs, training=True))

    def train_step(self, batch: Batch) -> Metrics:
        """A step of the game, or in the first phase an update of the generator for content alone.

        Batch and metrics are those of the game, with "content_loss"; the first phase trains on the
        last B of the d_steps * B images.
        """
        if self.phase != CONTENT:
            return super().train_step(batch)

        def pixels(fake: Samples, real: Samples) -> Objective:
            loss = losses.squared_error(real.images, fake.images)
            return loss, {"content_loss": loss}

        return self.content_update(self.divided(batch)[-1], pixels)

    def content_objective(self, fake: Samples, real: Samples) -> Objective:
        images = (real.images, fake.images)
        for vgg in self.frozen_networks():
            images = tuple(features(vgg, x) for x in images)
        loss = losses.squared_error(*images)
        return self.config.content_weight * loss, {"content_loss": loss}

    def inputs_of(self, examples: Examples, *, seed: int = 0) -> dict[str, np.ndarray]:
        return {"input": self.downscaled(tf.constant(examples[0])).numpy()}

    def preview_columns(
        self, examples: Examples, inputs: Mapping[str, np.ndarray], images: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """The small image, its bicubic enlargement, the generator's, the original."""
        up = [resize_matrix(n // self.config.scale, n) for n in self.image_shape[:2]]
        bicubic = resized_by(tf.constant(inputs["input"]), *up).numpy()
        return inputs["input"], bicubic, images, examples[0]
