"""A small generator that imitates a trained one."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfgan2.hyperparameters import data_option, option, preset
from tfgan2.inputs.truncation import LATENTS
from tfgan2.models.base import Batch, Examples, Objective, View, rows_of_pairs
from tfgan2.models.imitation import ImitatingGAN
from tfgan2.models.latent import LatentModel
from tfgan2.models.options import MaxChannels
from tfgan2.models.regularizers import Samples
from tfgan2.networks.layers import LayerMaker
from tfgan2.networks.pairs import discriminator, generator
from tfgan2.nn import losses, schedules


class Student(ImitatingGAN, LatentModel):
    """A small generator that imitates a trained one, Aguinaldo et al. 2019 (arXiv:1902.00159).

    The teacher has drawn images from latents, and perhaps labels. The student, of
    depthwise-separable convolutions, makes an image of the same latents. It minimizes the mean
    absolute error of the pixels and of the features of fixed random convolutions, and plays against
    a discriminator for which the teacher's images are the real ones: hinge loss, spectral norm, a
    projection of the labels. `tfgan2 distill` draws the images and chooses the channels.

    So the same latents show the same image, smaller. No data are needed but the teacher's images.
    """

    class Config(MaxChannels, ImitatingGAN.Config, LatentModel.Config):
        base_channels: int = 16
        max_channels: int = 128
        latent_dim: int = data_option(
            "number of the teacher's latents", lambda facts: facts["teacher"]["latent_dim"]
        )
        latent_distribution: str = data_option(
            "the teacher's latents: normal or uniform",
            lambda facts: facts["teacher"]["latent_distribution"],
        )
        num_labels: int = data_option(
            "number of the teacher's labels", lambda facts: len(facts["class_names"] or ())
        )
        labels_are_classes: bool = data_option(
            "whether the labels are classes of the teacher's data",
            lambda facts: facts["teacher"]["labels_are_classes"],
        )
        truncation_of: str = data_option(
            "what truncation moves: latents or nothing",
            lambda facts: facts["teacher"]["truncation_of"],
        )
        pixel_weight: float = option(10.0, "weight of the mean absolute error of pixels")
        feature_weight: float = 10.0
        discriminator_channels: int = option(
            32, "channels of the discriminator's layer nearest to the image", at_least=1
        )
        generator_learning_rate: float = option(
            2e-3,
            "the generator's learning rate at first; both fall along half a cosine to a hundredth",
        )
        beta_2: float = 0.99

        cpu = preset(batch_size=32, steps=10_000)

    data_kind = "taught"
    gan_loss = losses.HINGE

    @property
    def latent_distribution(self) -> str:  # type: ignore[override]
        return self.config.latent_distribution

    @property
    def truncation_of(self) -> str:  # type: ignore[override]
        """The teacher's, if it moves latents: the student has no styles."""
        return LATENTS if self.config.truncation_of == LATENTS else ""

    @property
    def labels_are_classes(self) -> bool:
        return self.config.labels_are_classes

    @property
    def num_labels(self) -> int:
        return self.config.num_labels

    def label_names(self, class_names: Any) -> list[str]:
        return list(class_names)

    def build_networks(self) -> None:
        config, shape, labels = self.config, self.image_shape, self.num_labels
        make = self.layer_maker(0)
        self.generator = generator("mobile", shape, config.latent_dim, make, num_labels=labels)
        first = self.network_count * config.seed + 1
        make = LayerMaker(first, config.discriminator_channels, spectral=True)
        self.discriminator = discriminator("mobile", shape, make, num_labels=labels, projected=True)
        self.add_imitation()

    @property
    def follows_plan(self) -> bool:
        return True

    def learning_rate(self, name: str) -> Any:
        rate, updates = super().learning_rate(name), self.updates_per_step(name)
        return schedules.Cosine(rate, rate / 100, lambda: updates * self.planned_steps)

    def batch_parts(self) -> dict[str, tuple[int | None, ...]]:
        labels = {"labels": ()} if self.num_labels else {}
        return {"images": self.image_shape, "latents": (self.latent_dim,), **labels}

    def real_samples(self, batch: Batch) -> Samples:
        """The teacher's images, with the latents and labels that they were made from."""
        labels = tf.cast(batch[2], tf.int32) if self.num_labels else None
        return Samples(batch[0], labels, latents=batch[1])

    def fake_samples(self, real: Samples, stream: str) -> Samples:
        inputs = real.latents if real.labels is None else [real.latents, real.labels]
        return real._replace(images=self.trained_generator()(inputs, training=True))

    def logits(self, samples: Samples) -> tf.Tensor:
        if samples.labels is None:
            return super().logits(samples)
        return self.discriminator([samples.images, samples.labels[:, None]], training=True)

    def content_objective(self, fake: Samples, real: Samples) -> Objective:
        pixels = losses.absolute_error(real.images, fake.images)
        features, metrics = self.feature_objective(fake, real)
        return self.config.pixel_weight * pixels + features, {"pixel_loss": pixels, **metrics}

    def previews(self, examples: Examples, *, about: int = 64, seed: int = 0) -> dict[str, View]:
        """The student's images, and in "teacher" the same ones, each below its teacher's."""
        images = self.generate(*examples[1:])
        views = {"": View(images, 8, reals=examples[0])}
        return {**views, "teacher": rows_of_pairs(examples[0], images)}
