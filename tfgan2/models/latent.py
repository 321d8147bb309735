"""Flavours whose generator turns latents, and perhaps labels, into images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgan2.distributed import microbatches
from tfgan2.errors import UserError
from tfgan2.export.spec import ExportSpec
from tfgan2.hyperparameters import option
from tfgan2.images import is_points
from tfgan2.inputs.labels import check_labels, check_weights, grid_count, label_columns
from tfgan2.inputs.latents import check_latents, draw_latents
from tfgan2.inputs.truncation import STYLES, truncated_inputs
from tfgan2.models.base import Examples, GenerativeModel, View
from tfgan2.models.options import ModelConfig
from tfgan2.nn.mixing import run_mixed
from tfgan2.nn.statistics import batch_norms, copied, recompute_statistics

_STANDING_SEED = 1_000_000  # so that the latents are not those of samples


class LatentModel(GenerativeModel):
    """A model whose generator turns latents into images.

    The generator is a functional Keras model with an input "z", float32, shape (latent_dim,), and
    if `num_labels` is not 0 an input "label", int32, shape (). It returns images, float32 in
    [-1, 1], shape (height, width, channels). Points, (1, 1, 2), are not bounded.

    Attributes:
        latent_distribution: "normal" or "uniform", see `tfgan2.inputs.latents`.
        num_labels: number of the generator's labels, 0 for an unconditional one.
        views_need_reals: true if `views` shows something of real images.
        truncation_of: what truncation moves, see `tfgan2.inputs.truncation`; "" without truncation.
    """

    class Config(ModelConfig):
        latent_dim: int = option(100, "number of latents", at_least=1)

    latent_distribution: str = "normal"
    views_need_reals: bool = False
    truncation_of: str = ""

    @property
    def latent_dim(self) -> int:
        return self.config.latent_dim

    @property
    def labels_are_classes(self) -> bool:
        """True if the labels are the dataset's classes; then `Config` has `num_classes`."""
        return getattr(self.config, "conditional", False)

    @property
    def num_labels(self) -> int:
        return self.config.num_classes if self.labels_are_classes else 0

    def label_names(self, class_names: Sequence[str]) -> list[str]:
        if self.labels_are_classes:
            return list(class_names)
        return [str(number) for number in range(self.num_labels)]

    def random_latents(self, count: int | tf.Tensor, stream: str) -> tf.Tensor:
        """Latents for training, float32, shape (count, latent_dim)."""
        shape = (count, self.latent_dim)
        if self.latent_distribution == "uniform":
            return microbatches.uniform(shape, self.noise_seed(stream), -1.0, 1.0)
        return microbatches.normal(shape, self.noise_seed(stream))

    def draw_latents(self, count: int, *, seed: int = 0) -> np.ndarray:
        """Latents for sampling, float32, shape (count, latent_dim); see `tfgan2.inputs.latents`."""
        return draw_latents(
            count, self.latent_dim, seed=seed, distribution=self.latent_distribution
        )

    def preview_count(self, about: int = 64) -> int:
        """Number of samples in one preview: whole rows of labels, and of points a cloud."""
        if is_points(self.image_shape):
            return max(about, 2500)
        return grid_count(self.num_labels, about)

    def draw_labels(self, count: int) -> np.ndarray | None:
        """All labels in turn, int32, shape (count,); None for an unconditional generator."""
        if not self.num_labels:
            return None
        return np.resize(np.arange(self.num_labels, dtype=np.int32), count)

    def generate(
        self,
        latents: np.ndarray | tf.Tensor,
        condition: Any = None,
        *,
        batch_size: int = 64,
        truncation: float | None = None,
        standing_statistics: int = 0,
    ) -> np.ndarray:
        """Generates images in inference mode, with the averaged weights if there are any.

        Args:
            latents: shape (N, latent_dim); `draw_latents` draws some.
            condition: labels, integers from 0 to num_labels - 1, shape (N,), or their weights, real
                numbers, shape (N, num_labels), which mix classes; where the flavour takes sentences
                N texts, or one for all; default: all labels, or the dataset's captions, in turn.
            batch_size: images per call.
            truncation: small values give more typical and less varied images, see `truncation_of`.
            standing_statistics: see `standing_generator`; 0: the statistics of training.

        Returns:
            float32 in [-1, 1], shape (N, height, width, channels); points are not bounded.

        Raises:
            UserError: latents or labels of another shape, labels out of range, a text without a
                known word, a truncation where the flavour has none, or statistics where it has no
                batch norm.
        """
        latents = check_latents(np.asarray(latents), self.latent_dim)
        if not len(latents):
            raise UserError("no latents: give at least one")
        generator = self.sampler(truncation, standing_statistics)
        inputs = {"z": latents, **self.condition_inputs(condition, len(latents))}
        if truncation is not None:
            inputs = truncated_inputs(inputs, self.truncation_of, truncation)
        run = partial(self.run_generator, batch_size=batch_size)
        if "label" in inputs and inputs["label"].ndim == 2:
            return run_mixed(generator, inputs, run)
        return run(generator, inputs)

    def sampler(self, truncation: float | None = None, standing_statistics: int = 0) -> keras.Model:
        """The sampling generator, or a copy of it with other statistics or for truncation.

        Raises:
            UserError: the flavour has no truncation, or no batch norm.
        """
        if truncation is not None and not self.truncation_of:
            raise UserError(
                f"{type(self).__name__} has no truncation, as stylegan2 and biggan have: omit it"
            )
        if standing_statistics:
            return self.standing_generator(standing_statistics, truncation)
        return self.sampling_generator

    def exports(
        self, *, truncation: float | None = None, standing_statistics: int = 0
    ) -> dict[str, ExportSpec]:
        """The networks to export, by file name; see `generate` for the arguments.

        A truncation is what the files do unless another one is given.
        """
        always = 1.0 if self.truncation_of == STYLES and truncation is None else truncation
        facts: dict[str, Any] = {}
        if self.truncation_of:
            facts["truncation"] = {"of": self.truncation_of, "default": truncation}
        if standing_statistics:
            facts["standing_statistics"] = standing_statistics
        return {"generator": ExportSpec(self.sampler(always, standing_statistics), facts=facts)}

    def check_batch_norm(self) -> None:
        """Raises a UserError if the sampling generator has no batch norm."""
        if not batch_norms(self.sampling_generator):
            raise UserError(
                f"the generator of {type(self).__name__} has no batch norm, so it has no "
                "statistics: omit them"
            )

    def standing_generator(self, batches: int, truncation: float | None = None) -> keras.Model:
        """A copy of the sampling generator with other statistics in its batch norms.

        They are the means over batches of 64 latents, which may be truncated as BigGAN's are, with
        all labels in turn, from one batch to the next (Brock et al. 2019).

        Raises:
            UserError: it has no batch norm.
        """
        self.check_batch_norm()
        generator = copied(self.sampling_generator)
        labels = self.draw_labels(64 * batches)

        def inputs(index: int) -> Any:
            latents = self.draw_latents(64, seed=_STANDING_SEED + index)
            own = None if labels is None else labels[64 * index : 64 * (index + 1)]
            arrays = {"z": latents, **self.condition_inputs(own, 64)}
            if truncation is not None:
                arrays = truncated_inputs(arrays, self.truncation_of, truncation)
            values = [arrays[item.name] for item in generator.inputs]
            return values if len(values) > 1 else values[0]

        recompute_statistics(generator, (inputs(index) for index in range(batches)))
        return generator

    def condition_inputs(self, condition: Any, count: int) -> dict[str, np.ndarray]:
        """The generator's inputs besides the latents, by name; see `generate`."""
        labels = self.draw_labels(count) if condition is None else np.asarray(condition)
        if labels is not None and labels.ndim == 2:
            return {"label": check_weights(labels, count, self.num_labels)}
        checked = check_labels(labels, count, self.num_labels)
        return {} if checked is None else {"label": checked}

    def views(self, reals: np.ndarray | None = None) -> dict[str, View]:
        """Further views of what the model has learned, by name; the same for the same weights.

        Args:
            reals: real images, float32 in [-1, 1], shape (N, height, width, channels), or None.
        """
        return {}

    def previews(self, examples: Examples, *, about: int = 64, seed: int = 0) -> dict[str, View]:
        latents = self.draw_latents(self.preview_count(about), seed=seed)
        columns = label_columns(self.num_labels)
        samples = View(self.generate(latents), columns, reals=examples[0])
        return {"": samples, **self.views(examples[0])}
