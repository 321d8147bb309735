"""What flavours share that turn latents, and perhaps labels, into images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfgan2.errors import UserError
from tfgan2.images import is_points
from tfgan2.inputs.labels import check_labels, grid_count, label_columns
from tfgan2.inputs.latents import check_latents, draw_latents
from tfgan2.models.base import GenerativeModel, View


class LatentModel(GenerativeModel):
    """A model whose generator turns latents into images.

    The generator is a functional Keras model with an input "z", float32, shape (latent_dim,), and
    if `num_labels` is not 0 an input "label", int32, shape (), that returns images, float32 in
    [-1, 1], shape (height, width, channels). Points, (1, 1, 2), are not bounded.

    Attributes:
        latent_distribution: see `tfgan2.inputs.latents`.
        num_labels: how many labels the generator tells apart, 0 for an unconditional one.
        labels_are_classes: whether they are the dataset's classes; then there is a hyperparameter
            `num_classes`.
        views_need_reals: whether `views` shows something of real images.
    """

    latent_distribution: str = "normal"
    latent_dim: int
    num_labels: int = 0
    labels_are_classes: bool = False
    views_need_reals: bool = False

    @classmethod
    def data_hyperparameters(cls, facts: Mapping[str, Any]) -> dict[str, Any]:
        found = super().data_hyperparameters(facts)
        if cls.labels_are_classes:
            if not facts["class_names"]:
                raise UserError("needs a dataset with labels")
            found["num_classes"] = len(facts["class_names"])
        return found

    def label_names(self, class_names: Sequence[str]) -> list[str]:
        if self.labels_are_classes:
            return list(class_names)
        return [str(number) for number in range(self.num_labels)]

    def random_latents(self, count: int | tf.Tensor, stream: str) -> tf.Tensor:
        """Latents for training, float32, shape (count, latent_dim)."""
        shape = (count, self.latent_dim)
        if self.latent_distribution == "uniform":
            return tf.random.stateless_uniform(shape, self.noise_seed(stream), -1.0, 1.0)
        return tf.random.stateless_normal(shape, self.noise_seed(stream))

    def draw_latents(self, count: int, *, seed: int = 0) -> np.ndarray:
        """Latents for sampling, float32, shape (count, latent_dim); see `tfgan2.inputs.latents`."""
        return draw_latents(
            count, self.latent_dim, seed=seed, distribution=self.latent_distribution
        )

    def preview_count(self, about: int = 64) -> int:
        """How many samples one picture takes: whole rows of labels, and of points a cloud."""
        return (
            max(about, 2500) if is_points(self.image_shape) else grid_count(self.num_labels, about)
        )

    def draw_labels(self, count: int) -> np.ndarray | None:
        """All labels in turn, int32, shape (count,); None for an unconditional generator."""
        if not self.num_labels:
            return None
        return np.resize(np.arange(self.num_labels, dtype=np.int32), count)

    def generate(
        self,
        latents: np.ndarray | tf.Tensor,
        labels: np.ndarray | Sequence[str] | None = None,
        *,
        batch_size: int = 64,
    ) -> np.ndarray:
        """Makes images in inference mode, with the averaged weights where there are any.

        Args:
            latents: shape (N, latent_dim); `draw_latents` makes some.
            labels: whole numbers from 0 to num_labels - 1, shape (N,); default: all in turn.
            batch_size: how many images at a time.

        Returns:
            float32 in [-1, 1], shape (N, height, width, channels); points are not bounded.

        Raises:
            UserError: latents or labels of another shape, or labels out of range.
        """
        latents = self.checked_latents(latents)
        inputs = {"z": latents}
        given = self.draw_labels(len(latents)) if labels is None else np.asarray(labels)
        checked = check_labels(given, len(latents), self.num_labels)
        if checked is not None:
            inputs["label"] = checked
        return self.run_generator(self.sampling_generator, inputs, batch_size=batch_size)

    def checked_latents(self, latents: np.ndarray | tf.Tensor) -> np.ndarray:
        """Latents as float32; raises a UserError for another shape, or none at all."""
        latents = check_latents(np.asarray(latents), self.latent_dim)
        if not len(latents):
            raise UserError("no latents given: nothing to make images of")
        return latents

    def views(self, reals: np.ndarray | None = None) -> dict[str, View]:
        """Further pictures of what the model has learned, by name; the same for the same weights.

        Args:
            reals: real images, float32 in [-1, 1], shape (N, height, width, channels), or None
                where none are at hand.
        """
        return {}

    def previews(
        self, examples: tuple[np.ndarray, ...], *, about: int = 64, seed: int = 0
    ) -> dict[str, View]:
        latents = self.draw_latents(self.preview_count(about), seed=seed)
        images = self.generate(latents)
        samples = View(images, label_columns(self.num_labels), reals=examples[0])
        return {"": samples, **self.views(examples[0])}
