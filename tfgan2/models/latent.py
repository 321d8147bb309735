"""Flavours whose generator turns latents, and perhaps labels, into images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgan2.distributed import microbatches, replicas
from tfgan2.errors import UserError
from tfgan2.hyperparameters import data_option, option, preset
from tfgan2.images import is_points
from tfgan2.inputs.labels import check_labels, grid_count, label_columns
from tfgan2.inputs.latents import check_latents, draw_latents, truncated
from tfgan2.models.adaptive import AdaptiveAugmentation, LeCam
from tfgan2.models.base import Batch, Examples, GenerativeModel, Metrics, View
from tfgan2.models.game import AdversarialModel, batch_size
from tfgan2.models.options import ModelConfig, NetworkChoice
from tfgan2.models.regularizers import Flip, Packing, Samples
from tfgan2.networks import ARCHITECTURES
from tfgan2.networks.pairs import discriminator, generator
from tfgan2.nn.statistics import batch_norms, recompute_statistics

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
    """

    class Config(ModelConfig):
        latent_dim: int = option(100, "number of latents", at_least=1)

    latent_distribution: str = "normal"
    views_need_reals: bool = False

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
            condition: labels, integers from 0 to num_labels - 1, shape (N,), or where the flavour
                takes sentences N texts; default: all labels, or the dataset's captions, in turn.
            batch_size: images per call.
            truncation: small values give more typical and less varied images, see `truncated`.
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
        if standing_statistics:
            self.check_batch_norm()
        if truncation is not None:
            latents, generator = self.truncated(latents, truncation, standing_statistics)
        elif standing_statistics:
            generator = self.standing_generator(standing_statistics)
        else:
            generator = self.sampling_generator
        inputs = {"z": latents, **self.condition_inputs(condition, len(latents))}
        return self.run_generator(generator, inputs, batch_size=batch_size)

    def truncated(
        self, latents: np.ndarray, truncation: float, standing_statistics: int
    ) -> tuple[np.ndarray, keras.Model]:
        """Latents and a generator of more typical images, from latents that are not truncated.

        Raises:
            UserError: the flavour has no truncation.
        """
        raise UserError(
            f"{type(self).__name__} has no truncation, as stylegan2 and biggan have: leave it out"
        )

    def check_batch_norm(self) -> None:
        """Raises a UserError if the sampling generator has no batch norm."""
        if not batch_norms(self.sampling_generator):
            raise UserError(
                f"the generator of {type(self).__name__} has no batch norm, so it has no "
                "statistics: leave them out"
            )

    def standing_generator(self, batches: int, truncation: float | None = None) -> keras.Model:
        """A copy of the sampling generator with other statistics in its batch norms.

        They are the means over batches of 64 latents, which may be truncated as BigGAN's are, with
        all labels in turn (Brock et al. 2019).

        Raises:
            UserError: it has no batch norm.
        """
        self.check_batch_norm()
        generator = keras.models.clone_model(self.sampling_generator)
        generator.set_weights(self.sampling_generator.get_weights())

        def inputs(seed: int) -> list[np.ndarray]:
            latents = self.draw_latents(64, seed=seed)
            if truncation is not None:
                latents = truncated(latents, truncation)
            arrays = {"z": latents, **self.condition_inputs(None, 64)}
            return [arrays[item.name] for item in generator.inputs]

        recompute_statistics(generator, (inputs(_STANDING_SEED + each) for each in range(batches)))
        return generator

    def condition_inputs(self, condition: Any, count: int) -> dict[str, np.ndarray]:
        """The generator's inputs besides the latents, by name; see `generate`."""
        labels = self.draw_labels(count) if condition is None else np.asarray(condition)
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


class LatentGANConfig(
    Packing.Config,
    Flip.Config,
    AdaptiveAugmentation.Config,
    LeCam.Config,
    AdversarialModel.Config,
    LatentModel.Config,
):
    """The options of all GANs from latents, whatever their networks."""

    freeze_d: int = option(
        0, "first blocks of D, from the image on, whose weights stay (FreezeD, Mo 2020)"
    )


class LatentGAN(AdversarialModel, LatentModel):
    """A generator of images from latents against a discriminator, of any architecture."""

    class Config(NetworkChoice, LatentGANConfig):
        dropout: float = option(
            0.0,
            "fraction of features to drop before D's last layer; after each layer of mlp",
            at_most=0.99,
        )

        few = preset(
            flip=True,
            lecam=0.3,
            augment="color,translation,cutout",
            base_channels=32,
            max_channels=256,
            batch_size=32,
            steps=20_000,
        )
        cpu = preset(base_channels=32, max_channels=256, steps=20_000)

    def __init__(self, *args: Any, **hyperparameters: Any) -> None:
        super().__init__(*args, **hyperparameters)
        self.flip = Flip(self.config)
        self.ada = AdaptiveAugmentation(self.config, self, self.gan_loss)
        self.lecam = LeCam(self.config, self)

    def build_networks(self) -> None:
        config = self.config
        self.packing = Packing(config)
        architecture, shape = ARCHITECTURES[config.network], config.image_shape
        settings = {"spectral": False, **self.generator_settings()}
        make = self.layer_maker(0, spectral=settings.pop("spectral"))
        self.generator = generator(
            config.network, shape, config.latent_dim, make, num_labels=self.num_labels, **settings
        )
        settings = {"norm": architecture.norm, "spectral": False, **self.discriminator_settings()}
        of_layers = {key: settings.pop(key) for key in ("norm", "spectral")}
        make = self.layer_maker(1, dropout=config.dropout, **of_layers)
        self.discriminator = discriminator(
            config.network, shape, make, packing=self.packing.count, **settings
        )
        make.freeze(self.discriminator, config.freeze_d)

    def generator_settings(self) -> dict[str, Any]:
        """What the flavour's generator needs.

        Returns:
            `spectral`: whether all kernels have a spectral norm of 1; `conditioning` and
            `embedding` of `tfgan2.networks.pairs`.
        """
        return {}

    def discriminator_settings(self) -> dict[str, Any]:
        """What the flavour's discriminator needs.

        Returns:
            `norm`, by default the architecture's; `spectral`: whether all kernels have a spectral
            norm of 1; `num_labels`, `projected`, `heads`, `head_units` and `embedding` of
            `tfgan2.networks.pairs`.
        """
        return {}

    def check_batch_size(self, batch_size: int, replicas: int = 1) -> None:
        super().check_batch_size(batch_size, replicas)
        divisor = self.packing.count * self.accumulate * replicas
        if batch_size % divisor:
            parts = f" in {self.accumulate} micro-batches" if self.accumulate > 1 else ""
            parts += f" on {replicas} devices" if replicas > 1 else ""
            raise UserError(
                f"a batch of {batch_size} images cannot be packed by {self.packing.count}{parts}:"
                f" give a --batch-size that is a multiple of {divisor}"
            )

    @property
    def batch_multiple(self) -> int:
        return super().batch_multiple * self.packing.count

    def batch_parts(self) -> dict[str, tuple[int | None, ...]]:
        labels = {"labels": ()} if self.labels_are_classes else {}
        return {**super().batch_parts(), **labels}

    def real_samples(self, batch: Batch) -> Samples:
        """The real samples of a batch: images, and for conditional flavours their classes.

        Labels are numbers, shape (B,) or (B, 1), or one-hot, shape (B, num_labels).
        """
        samples = super().real_samples(batch)
        if not self.labels_are_classes:
            return samples
        labels = tf.convert_to_tensor(batch[1])
        if labels.shape.rank == 2:
            one_hot = labels.shape[1] > 1
            labels = tf.argmax(labels, axis=1) if one_hot else tf.squeeze(labels, axis=1)
        return samples._replace(labels=tf.cast(labels, tf.int32))

    def fake_labels(self, real: Samples, count: int, stream: str) -> tf.Tensor | None:
        """Labels to generate with: those of the real samples, int32, shape (count,)."""
        return real.labels if self.num_labels else None

    def fake_samples(self, real: Samples, count: int | tf.Tensor, stream: str) -> Samples:
        latents = self.random_latents(count, stream)
        labels = self.fake_labels(real, count, f"{stream}: labels")
        inputs = latents if labels is None else [latents, labels]
        return Samples(self.generator(inputs, training=True), labels, latents)

    def divided(self, batch: Batch) -> list[Samples]:
        samples = super().divided(batch)
        return [
            each._replace(images=self.flip(each.images, f"real {index}", self.noise_seed))
            for index, each in enumerate(samples)
        ]

    def discriminator_inputs(self, samples: Samples, stream: str) -> Samples:
        """Samples as the discriminator sees them: augmented, with noise, packed."""
        images = self.ada(samples.images, stream, self.noise_seed)
        samples = super().discriminator_inputs(samples._replace(images=images), stream)
        return samples._replace(images=self.packing(samples.images))

    def logits(self, samples: Samples) -> tf.Tensor:
        if "label" not in [item.name for item in self.discriminator.inputs]:
            return super().logits(samples)
        labels = tf.reshape(samples.labels, (-1, self.packing.count))
        return self.discriminator([samples.images, labels], training=True)

    def discriminator_loss(
        self, real_logits: tf.Tensor, fake_logits: tf.Tensor, stream: str
    ) -> tf.Tensor:
        loss = super().discriminator_loss(real_logits, fake_logits, stream)
        return self.lecam(loss, real_logits, fake_logits, self.step.value)

    def scores(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> Metrics:
        scores = super().scores(real_logits, fake_logits)
        followed = (each.metrics(real_logits, fake_logits) for each in (self.ada, self.lecam))
        return scores | {name: value for each in followed for name, value in each.items()}

    def update_discriminator(self, real: Samples, fake: Samples) -> Metrics:
        metrics = super().update_discriminator(real, fake)
        self.lecam.update(metrics, self.step.value)
        images = batch_size(real) * replicas.shares()
        return {**metrics, **self.ada.update(metrics, images)}


class ConditionalGAN(LatentGAN):
    """A LatentGAN whose labels are the dataset's classes."""

    class Config(LatentGAN.Config):
        num_classes: int = data_option(
            "number of classes", lambda facts: len(facts["class_names"]), at_least=1
        )

    labels_are_classes = True

    @classmethod
    def data_hyperparameters(cls, facts: Mapping[str, Any]) -> dict[str, Any]:
        if not facts["class_names"]:
            raise UserError("needs a dataset with labels")
        return super().data_hyperparameters(facts)
