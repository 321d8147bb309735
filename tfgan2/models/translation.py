"""What flavours share that turn images into images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfgan2.export.spec import ExportSpec
from tfgan2.images import side_by_side
from tfgan2.models.adversarial import AdversarialModel, Metrics, Samples
from tfgan2.models.base import GenerativeModel, View, check_range
from tfgan2.nn import losses
from tfgan2.nn.resizing import crops

JITTER = 30 / 256
"""Of random cuts: what pix2pix and cyclegan enlarge images by first, 256 pixels to 286."""
SHOWN = 16
"""Samples in a picture: each is shown with what it was made from."""


class TranslationModel(GenerativeModel):
    """A model that turns images into images.

    A generator is a functional Keras model with an input "input", float32 in [-1, 1], shape
    (height, width, channels), perhaps further ones, and the output "image".

    Attributes:
        size_multiple: height and width of the inputs must be multiples of this.
    """

    hold_out = SHOWN
    size_multiple: int = 1

    @classmethod
    def data_hyperparameters(cls, facts: Mapping[str, Any]) -> dict[str, Any]:
        found = super().data_hyperparameters(facts)
        if cls.data_kind != "images":  # else the inputs are made of the images
            found["input_channels"] = facts["input_shape"][2]
        return found

    def preview_count(self, about: int = SHOWN) -> int:
        """How many samples one picture takes."""
        return min(about, SHOWN)

    def varied(self, images: tf.Tensor, stream: str, *, jitter: bool, mirror: bool) -> tf.Tensor:
        """Images cut at random out of larger ones, and half of them mirrored.

        Args:
            images: shape (B, height, width, C).
            stream: a name for this draw, to draw randomness by.
            jitter: whether to cut.
            mirror: whether to mirror.
        """
        height, width = images.shape[1:3]
        count = tf.shape(images)[0]
        if jitter:
            more = [round(size * JITTER) for size in (height, width)]
            images = tf.image.resize(images, (height + more[0], width + more[1]))
            tops, lefts = (
                tf.random.stateless_uniform(
                    (count,), self.noise_seed(f"{stream} {axis}"), 0, most + 1, tf.int32
                )
                for axis, most in enumerate(more)
            )
            images = crops(images, tops, lefts, height, width)
        if mirror:
            drawn = tf.random.stateless_uniform((count,), self.noise_seed(f"{stream} mirror"))
            mirrored = tf.reverse(images, axis=[2])
            images = tf.where((drawn < 0.5)[:, None, None, None], mirrored, images)
        return images

    def facts(self) -> dict[str, Any]:
        """What the metadata of an export tells; see `tfgan2.export.export_networks`."""
        shape = self.sampling_generator.inputs[0].shape
        return {"size": list(shape[1:3]), "multiple": self.size_multiple, "scale": 1}


class AdversarialTranslation(AdversarialModel, TranslationModel):
    """One generator of images from images against a discriminator, by cross entropy.

    D minimises -log D(y) - log(1 - D(G(x))), G -adversarial_weight * log D(G(x)) + its content.
    """

    def __init__(
        self, image_shape: tuple[int, int, int], *, adversarial_weight: float = 1.0, **shared: Any
    ) -> None:
        """Keeps the weight.

        Args:
            image_shape: (height, width, channels) of the outputs.
            adversarial_weight: of the generator's adversarial loss; 0 leaves the content alone.
            **shared: see `AdversarialModel`.

        Raises:
            UserError: a value that is not possible.
        """
        super().__init__(image_shape, **shared)
        check_range("adversarial_weight", adversarial_weight, 0.0)
        self.adversarial_weight = adversarial_weight

    def discriminator_loss(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        return losses.minimax_discriminator_loss(real_logits, fake_logits)

    def generator_objective(self, fake: Samples, real: Samples) -> tuple[tf.Tensor, Metrics]:
        adversarial = losses.non_saturating_generator_loss(self.judge(fake))
        return self.adversarial_weight * adversarial, {"adversarial_loss": adversarial}

    def inputs_of(
        self, examples: tuple[np.ndarray, ...], *, seed: int = 0
    ) -> dict[str, np.ndarray]:
        """What the generator is given of real samples, by the names of its inputs.

        Args:
            examples: the parts of a batch of the dataset.
            seed: of what is drawn.
        """
        return {"input": examples[0]}

    def shown_of(
        self, examples: tuple[np.ndarray, ...], inputs: dict[str, np.ndarray], made: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """What a picture shows of each sample, from left to right: input, output, target."""
        return inputs["input"], made, examples[1]

    def build_generator(self, height: int | None, width: int | None) -> tf.keras.Model:
        """The generator for other images, with fresh weights; None for any size."""
        raise NotImplementedError

    def resized(self, height: int | None, width: int | None) -> tf.keras.Model:
        """The generator that samples are taken from, for images of another size."""
        return with_weights(self.build_generator(height, width), self.sampling_generator)

    def exports(self) -> dict[str, ExportSpec]:
        generator = self.sampling_generator
        return {"generator": ExportSpec(generator, self.resized, self.facts(), self.inputs_of)}

    def previews(
        self, examples: tuple[np.ndarray, ...], *, about: int = SHOWN, seed: int = 0
    ) -> dict[str, View]:
        inputs = self.inputs_of(examples, seed=seed)
        made = self.run_generator(self.sampling_generator, inputs, batch_size=8)
        return {"": View(side_by_side(*self.shown_of(examples, inputs, made)), columns=2)}


def with_weights(network: tf.keras.Model, source: tf.keras.Model) -> tf.keras.Model:
    """A network with the weights of another, built alike for images of another size."""
    network.set_weights(source.get_weights())
    return network
