"""Flavours that turn images into images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfgan2.export.spec import ExportSpec
from tfgan2.images import side_by_side
from tfgan2.models.base import Examples, GenerativeModel, View
from tfgan2.models.game import ContentGAN
from tfgan2.nn import losses
from tfgan2.nn.augment import random_crop

PREVIEW_COUNT = 16


class TranslationModel(GenerativeModel):
    """A model that turns images into images.

    A generator is a functional Keras model with an input "input", float32 in [-1, 1], shape
    (height, width, channels), perhaps further ones, and the output "image".

    Attributes:
        size_multiple: height and width of the inputs must be multiples of this.
        least_size: height and width of the inputs are at least this.
    """

    hold_out = PREVIEW_COUNT
    size_multiple: int = 1
    least_size: int = 1

    def preview_count(self, about: int = 64) -> int:
        return min(about, PREVIEW_COUNT)

    def jittered(self, images: tf.Tensor, stream: str) -> tf.Tensor:
        """Random crops of enlarged images, half of them mirrored, as the options say."""
        jitter, mirror = self.config.jitter, self.config.mirror
        return random_crop(images, stream, self.noise_seed, crop=jitter, mirror=mirror)

    def export_facts(self) -> dict[str, Any]:
        """Facts for the metadata of an export; see `tfgan2.export`."""
        shape = self.sampling_generator.inputs[0].shape
        multiple, least = self.size_multiple, self.least_size
        return {"size": list(shape[1:3]), "multiple": multiple, "least": least, "scale": 1}


class TranslationGAN(ContentGAN, TranslationModel):
    """One generator of images from images against a discriminator, with cross entropy.

    D minimizes -log D(y) - log(1 - D(G(x))), G -adversarial_weight * log D(G(x)) + its content.
    """

    gan_loss = losses.NON_SATURATING

    def inputs_of(self, examples: Examples, *, seed: int = 0) -> dict[str, np.ndarray]:
        """The generator's inputs for real samples, by name; what is drawn depends on `seed`."""
        return {"input": examples[0]}

    def preview_columns(
        self, examples: Examples, inputs: Mapping[str, np.ndarray], images: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """Images of each sample in a preview, from left to right: input, output, target."""
        return inputs["input"], images, examples[1]

    def build_generator(self, height: int | None, width: int | None) -> tf.keras.Model:
        """The generator for images of a size, with fresh weights; None for any size."""
        raise NotImplementedError

    def resized(self, height: int | None, width: int | None) -> tf.keras.Model:
        """The generator to sample from, for images of another size."""
        return with_weights(self.build_generator(height, width), self.sampling_generator)

    def exports(self) -> dict[str, ExportSpec]:
        generator, facts = self.sampling_generator, self.export_facts()
        return {"generator": ExportSpec(generator, self.resized, facts, self.inputs_of)}

    def previews(self, examples: Examples, *, about: int = 64, seed: int = 0) -> dict[str, View]:
        inputs = self.inputs_of(examples, seed=seed)
        images = self.run_generator(self.sampling_generator, inputs, batch_size=8)
        columns = self.preview_columns(examples, inputs, images)
        return {"": View(side_by_side(*columns), columns=2)}


def with_weights(network: tf.keras.Model, source: tf.keras.Model) -> tf.keras.Model:
    """A network with the weights of another one, which was built alike for another size."""
    network.set_weights(source.get_weights())
    return network
