"""Regularizers of the discriminator, in the order in which the game applies them.

Each declares its own options, and changes nothing while these have their defaults. A flavour takes
a regularizer by inheriting its `Config`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tfgan2.distributed import microbatches
from tfgan2.errors import UserError
from tfgan2.hyperparameters import Hyperparameters, option
from tfgan2.images import is_points
from tfgan2.models.options import ModelConfig
from tfgan2.nn.augment import augment, mirrored, parse_policy, stateless_draws

Seed = Callable[[str], tf.Tensor]
"""From the name of a draw to a seed, int32, shape (2,)."""


class Samples(NamedTuple):
    """Real or generated samples.

    Attributes:
        images: float32, shape (B, height, width, channels); packed: (B / packing, height, width,
            packing * channels).
        labels: int32, shape (B,), or None.
        latents: what the images were made from, float32, shape (B, latent_dim), or None.
        inputs: what the generator made the images from, where it makes images from images: float32,
            shape (B, height, width, channels), or None.
    """

    images: tf.Tensor
    labels: tf.Tensor | None = None
    latents: Any = None
    inputs: Any = None

    @property
    def size(self) -> int | tf.Tensor:
        """Number of samples."""
        return self.images.shape[0] or tf.shape(self.images)[0]

    def rows(self, rows: slice) -> Samples:
        """Some of the samples."""
        return Samples(*(None if field is None else field[rows] for field in self))


class Flip:
    """Mirrors half of the real images left and right, which doubles the data."""

    class Config(ModelConfig):
        flip: bool = option(False, "mirror half of the real images, left and right")

        def resolve(self) -> None:
            super().resolve()
            if self.flip and is_points(self.image_shape):
                raise UserError(
                    "flip mirrors images, not points: leave it out, or the preset that sets it"
                )

    def __init__(self, config: Config) -> None:
        self.is_on = config.flip

    def __call__(self, images: tf.Tensor, stream: str, seed: Seed, batches: int = 1) -> tf.Tensor:
        """Mirrors images of so many batches, one after the other, each of which has its draws."""
        if not self.is_on:
            return images
        count = (images.shape[0] or tf.shape(images)[0]) // batches
        draws = stateless_draws((batches, count), seed(f"{stream}: flip"), axis=1)
        return mirrored(images, tf.reshape(draws, (-1,)))


class Augmentation:
    """Differentiable augmentation (Zhao et al. 2020, arXiv:2006.10738)."""

    class Config(ModelConfig):
        augment: str = option(
            "none",
            "augmentation of D's inputs: color,translation,cutout or some of them (Zhao 2020)",
        )

        def resolve(self) -> None:
            super().resolve()
            points = is_points(self.image_shape)
            if points and self.augment == self.options["augment"].default:
                self.augment = "none"
            if parse_policy(self.augment) and points:
                raise UserError(
                    "augment changes images, not points: leave it out, or the preset that sets it"
                )

    def __init__(self, config: Config) -> None:
        self.policy = parse_policy(config.augment)

    def __call__(
        self, images: tf.Tensor, stream: str, seed: Seed, without: Sequence[str] = ()
    ) -> tf.Tensor:
        """Images of one stream are augmented alike.

        Args:
            images: in [-1, 1], shape (B, height, width, channels).
            stream: name of the draw.
            seed: makes the seed.
            without: parts of the policy to leave out.
        """
        policy = [name for name in self.policy if name not in without]
        return augment(images, policy, seed(f"{stream}: augment")) if policy else images


class InstanceNoise:
    """Gaussian noise on all discriminator inputs (Sønderby et al. 2016, arXiv:1610.04490)."""

    class Config(Hyperparameters):
        instance_noise: float = option(
            0.0, "standard deviation of noise on D's inputs (Sønderby 2016)"
        )
        instance_noise_steps: int = option(0, "steps in which that noise fades to none; 0: never")

    def __init__(self, config: Config) -> None:
        self.deviation, self.steps = config.instance_noise, config.instance_noise_steps

    def __call__(self, images: tf.Tensor, stream: str, seed: Seed, step: tf.Tensor) -> tf.Tensor:
        if not self.deviation:
            return images
        deviation = tf.constant(self.deviation, tf.float32)
        if self.steps:
            deviation *= tf.maximum(1.0 - tf.cast(step, tf.float32) / self.steps, 0.0)
        noise = microbatches.normal(tf.shape(images), seed(f"{stream}: instance noise"))
        return images + deviation * noise


class Packing:
    """The discriminator sees several samples at once: PacGAN, Lin et al. 2018 (1712.04086)."""

    class Config(Hyperparameters):
        packing: int = option(
            1, "samples per input of D; divides the batch size (PacGAN, Lin 2018)", at_least=1
        )

    def __init__(self, config: Config) -> None:
        self.count = config.packing

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Joins neighbours along the channels: (B, H, W, C) to (B / packing, H, W, packing * C)."""
        if self.count == 1:
            return images
        height, width, channels = images.shape[1:]
        images = tf.reshape(images, (-1, self.count, height, width, channels))
        images = tf.transpose(images, (0, 2, 3, 1, 4))
        return tf.reshape(images, (-1, height, width, self.count * channels))

    def unpacked(self, images: tf.Tensor) -> tf.Tensor:
        """The images of which `__call__` made these."""
        if self.count == 1:
            return images
        height, width, channels = images.shape[1:]
        images = tf.reshape(images, (-1, height, width, self.count, channels // self.count))
        images = tf.transpose(images, (0, 3, 1, 2, 4))
        return tf.reshape(images, (-1, height, width, channels // self.count))


class FlippedLabels:
    """Some real samples count as generated, and the reverse."""

    class Config(Hyperparameters):
        label_noise: float = option(0.0, "fraction of D's labels to flip in each update", at_most=1)

    def __init__(self, config: Config) -> None:
        self.fraction = config.label_noise

    def __call__(
        self, real_logits: tf.Tensor, fake_logits: tf.Tensor, stream: str, seed: Seed
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The logits that count as those of real and of generated samples."""
        if not self.fraction:
            return real_logits, fake_logits

        def flipped(kind: str) -> tf.Tensor:
            shape = (tf.shape(real_logits)[0], *[1] * (real_logits.shape.rank - 1))
            draw = microbatches.uniform(shape, seed(f"{stream}: {kind} label noise"))
            return draw < self.fraction

        return (
            tf.where(flipped("real"), fake_logits, real_logits),
            tf.where(flipped("fake"), real_logits, fake_logits),
        )


class LabelSmoothing:
    """One-sided label smoothing of cross-entropy losses (Salimans et al. 2016)."""

    class Config(Hyperparameters):
        label_smoothing: float = option(
            0.0, "D's target for real samples is 1 minus this (Salimans 2016)", at_most=1
        )
