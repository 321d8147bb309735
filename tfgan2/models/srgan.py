"""SRGAN: photo-realistic single image super-resolution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from tfgan2.errors import UserError
from tfgan2.images import resize_matrix
from tfgan2.models.adversarial import Metrics, Samples
from tfgan2.models.base import Batch, check_choice, check_range
from tfgan2.models.translation import AdversarialTranslation
from tfgan2.networks import superres
from tfgan2.networks.parts import NORMS
from tfgan2.nn import losses
from tfgan2.nn.resizing import resized_by

CONTENT, ADVERSARIAL = "content", "adversarial"
VGG_LAYER = "block5_conv4"
VGG_SCALE = 1 / 12.75  # of the features, as the paper has it
VGG_SMALLEST = 32


class SRGAN(AdversarialTranslation):
    """Makes images 2 or 4 times as large, Ledig et al. 2016 (arXiv:1609.04802).

    The dataset's images are the large ones; the small ones are made of them by bicubic downscaling.
    At first the generator minimises the content loss alone, then content_weight * content +
    adversarial_weight * -log D(G(x)) against a discriminator that minimises
    -log D(y) - log(1 - D(G(x))). The content loss is the mean squared error of pixels, or of the
    features that a VGG19 trained on ImageNet has in its last convolution (content=vgg).

    The first phase gives the better PSNR, the second the sharper images.
    """

    batch_size = 16

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        scale: int = 4,
        content: Literal["pixels", "vgg"] = "pixels",
        content_weight: float = 1.0,
        adversarial_weight: float = 1e-3,
        pretrain_steps: int | None = None,
        blocks: int = 16,
        width: int = 64,
        norm: Literal["none", "batch", "layer", "instance"] = "batch",
        generator_learning_rate: float = 1e-4,
        discriminator_learning_rate: float = 1e-4,
        beta_1: float = 0.9,
        **shared: Any,
    ) -> None:
        """Builds the networks.

        Args:
            image_shape: (height, width, channels) of the large images, multiples of scale.
            scale: 2 or 4.
            content: pixels, or vgg, which needs RGB images of 32 pixels or more, and a network to
                fetch the weights once. While only content is learned it is always pixels, as in
                the paper.
            content_weight: of the content loss in the second phase.
            adversarial_weight: of the generator's adversarial loss in the second phase.
            pretrain_steps: for how many steps only content is learned; none: half of those planned
                at first.
            blocks: residual blocks of the generator.
            width: channels of the generator, and of the discriminator's first layers.
            norm: of the generator: none, batch, layer or instance.
            generator_learning_rate: of the generator's optimizer.
            discriminator_learning_rate: of the discriminator's optimizer.
            beta_1: decay of Adam's first moment, both players.
            **shared: see `AdversarialTranslation`.

        Raises:
            UserError: a value that is not possible.
        """
        super().__init__(
            image_shape,
            adversarial_weight=adversarial_weight,
            generator_learning_rate=generator_learning_rate,
            discriminator_learning_rate=discriminator_learning_rate,
            beta_1=beta_1,
            **shared,
        )
        height, breadth, _ = self.image_shape
        if scale not in (2, 4):
            raise UserError(f"scale must be 2 or 4, not {scale}")
        if height % scale or breadth % scale:
            raise UserError(
                f"images of {height}x{breadth} are no multiple of the scale {scale}: give another "
                "--image-size"
            )
        check_choice("content", content, ("pixels", "vgg"))
        if content == "vgg":
            check_visible(self.image_shape)
        check_range("content_weight", content_weight, 0.0)
        check_range("pretrain_steps", pretrain_steps or 0, 0)
        check_range("blocks", blocks, 1)
        check_range("width", width, 1)
        check_choice("norm", norm, NORMS)
        self.scale = scale
        self.content = content
        self.content_weight = content_weight
        self.pretrain_steps = pretrain_steps
        self.blocks = blocks
        self.width = width
        self.norm = norm
        self._features: Callable[[tf.Tensor], tf.Tensor] | None = None
        small = (height // scale, breadth // scale)
        self._down = [resize_matrix(n, n // scale) for n in (height, breadth)]
        self.set_networks(
            self.build_generator(*small),
            superres.discriminator(self.image_shape, width=width, seed=2 * self.seed + 1),
        )

    def build_generator(self, height: int | None, width: int | None) -> keras.Model:
        return superres.generator(
            (height, width, self.image_shape[-1]),
            scale=self.scale,
            blocks=self.blocks,
            width=self.width,
            norm=self.norm,
            seed=2 * self.seed,
        )

    def facts(self) -> dict[str, Any]:
        return {**super().facts(), "scale": self.scale}

    def downscaled(self, images: tf.Tensor) -> tf.Tensor:
        """Images made smaller, shape (B, height / scale, width / scale, channels)."""
        return resized_by(images, *self._down)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """As `TwoPlayerModel.compile`, and fetches VGG's weights where they are wanted.

        Raises:
            UserError: they cannot be fetched.
        """
        super().compile(*args, **kwargs)
        # A function, not a model: Keras would count VGG's weights to those of this model.
        self._features = vgg_features() if self.content == "vgg" else None

    def _content_steps(self) -> int:
        return self.planned_steps // 2 if self.pretrain_steps is None else self.pretrain_steps

    def plan(self, steps: int) -> None:
        super().plan(steps)
        self.pretrain_steps = self._content_steps()

    def phase_at(self, step: int) -> str:
        return CONTENT if step < self._content_steps() else ADVERSARIAL

    def real_samples(self, batch: Batch) -> Samples:
        real = super().real_samples(batch)
        return real._replace(inputs=self.downscaled(real.images))

    def fake_samples(self, real: Samples, count: int | tf.Tensor, stream: str) -> Samples:
        return real._replace(images=self.generator(real.inputs, training=True))

    def train_step(self, batch: Batch) -> Metrics:
        """An update of the generator for content alone, or one of both players.

        Args:
            batch: images, float32 in [-1, 1], shape (B, height, width, channels), or a tuple that
                begins with them; in the second phase d_steps * B of them.

        Returns:
            Float32 scalars, with "content_loss".
        """
        if self.phase != CONTENT:
            return super().train_step(batch)
        real = self.real_samples(batch)
        with tf.GradientTape() as tape:
            fake = self.fake_samples(real, tf.shape(real.images)[0], "")
            loss = losses.squared_error(real.images, fake.images)
            scaled = self.scaled(loss, self.generator_optimizer)
        self.update_generator(tape, scaled)
        return {"generator_loss": loss, "content_loss": loss}

    def content_objective(self, fake: Samples, real: Samples) -> tuple[tf.Tensor, Metrics]:
        images = (real.images, fake.images)
        if self._features is not None:
            images = tuple(self._features(x) for x in images)
        loss = losses.squared_error(*images)
        return self.content_weight * loss, {"content_loss": loss}

    def inputs_of(
        self, examples: tuple[np.ndarray, ...], *, seed: int = 0
    ) -> dict[str, np.ndarray]:
        return {"input": self.downscaled(tf.constant(examples[0])).numpy()}

    def shown_of(
        self, examples: tuple[np.ndarray, ...], inputs: dict[str, np.ndarray], made: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """The small image, made larger by bicubic interpolation, by the generator, the original."""
        up = [resize_matrix(n // self.scale, n) for n in self.image_shape[:2]]
        bicubic = resized_by(tf.constant(inputs["input"]), *up).numpy()
        return inputs["input"], bicubic, made, examples[0]


def check_visible(image_shape: tuple[int, int, int]) -> None:
    """Raises a UserError unless VGG19 can see such images."""
    height, width, channels = image_shape
    if channels != 3 or min(height, width) < VGG_SMALLEST:
        raise UserError(
            f"content=vgg needs RGB images of {VGG_SMALLEST} pixels or more: give --channels 3 "
            f"--image-size {VGG_SMALLEST}, or content=pixels"
        )


def vgg_features() -> Callable[[tf.Tensor], tf.Tensor]:
    """What VGG19 sees in images in [-1, 1].

    Raises:
        UserError: its weights cannot be fetched.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")  # its features are beyond what float16 holds well
    try:
        vgg = keras.applications.VGG19(include_top=False, weights="imagenet")
    except Exception as error:  # Keras raises whatever its download does
        raise UserError(
            f"the weights of VGG19 cannot be fetched ({type(error).__name__}): with no network, "
            "put them into Keras' folder by hand, or give content=pixels"
        ) from error
    finally:
        keras.config.set_dtype_policy(policy)
    network = keras.Model(vgg.inputs, vgg.get_layer(VGG_LAYER).output)
    network.trainable = False

    def features(images: tf.Tensor) -> tf.Tensor:
        pixels = (tf.cast(images, tf.float32) + 1.0) * 127.5
        return VGG_SCALE * network(keras.applications.vgg19.preprocess_input(pixels))

    return features
