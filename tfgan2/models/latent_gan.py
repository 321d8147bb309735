"""GANs whose generator turns latents, and perhaps labels, into images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfgan2.distributed import replicas
from tfgan2.errors import UserError
from tfgan2.hyperparameters import data_option, option, preset
from tfgan2.models.adaptive import AdaptiveAugmentation, LeCam
from tfgan2.models.base import Batch, Metrics
from tfgan2.models.game import AdversarialModel
from tfgan2.models.latent import LatentModel
from tfgan2.models.options import NetworkChoice
from tfgan2.models.regularizers import Flip, Packing, Samples
from tfgan2.networks import ARCHITECTURES
from tfgan2.networks.pairs import discriminator, generator


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
            augment="color,translation",
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

    @property
    def packing(self) -> Packing:
        return Packing(self.config)

    def build_networks(self) -> None:
        config = self.config
        architecture, shape = ARCHITECTURES[config.network], config.image_shape
        settings = {
            "channels": config.base_channels,
            "spectral": False,
            **self.generator_settings(),
        }
        of_layers = {key: settings.pop(key) for key in ("channels", "spectral")}
        make = self.layer_maker(0, **of_layers)
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
        """Settings of the flavour's generator.

        Returns:
            `channels`, by default `base_channels`; `spectral`: whether all kernels have a spectral
            norm of 1; `conditioning` and `embedding` of `tfgan2.networks.pairs`.
        """
        return {}

    def discriminator_settings(self) -> dict[str, Any]:
        """Settings of the flavour's discriminator.

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
                f"a batch of {batch_size} images cannot be packed by {self.packing.count}{parts}",
                f": give a --batch-size that is a multiple of {divisor}",
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

    def fake_labels(self, real: Samples, stream: str) -> tf.Tensor | None:
        """Labels to generate with: those of the real samples, int32, shape (B,)."""
        return real.labels if self.num_labels else None

    def fake_samples(self, real: Samples, stream: str) -> Samples:
        latents = self.random_latents(real.size, stream)
        labels = self.fake_labels(real, f"{stream}: labels")
        inputs = latents if labels is None else [latents, labels]
        return Samples(self.generator(inputs, training=True), labels, latents)

    def divided(self, batch: Batch) -> list[Samples]:
        samples = super().divided(batch)
        in_last = self.batches_per_step - self.config.d_steps + 1
        groups = [*[1] * (len(samples) - 1), in_last]
        return [
            each._replace(images=self.flip(each.images, f"real {index}", self.noise_seed, count))
            for index, (each, count) in enumerate(zip(samples, groups, strict=True))
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
        return self.lecam(loss, real_logits, fake_logits)

    def scores(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> Metrics:
        scores = super().scores(real_logits, fake_logits)
        followed = (each.metrics(real_logits, fake_logits) for each in (self.ada, self.lecam))
        return scores | {name: value for each in followed for name, value in each.items()}

    def update_discriminator(self, real: Samples, fake: Samples) -> Metrics:
        metrics = super().update_discriminator(real, fake)
        self.lecam.update(metrics)
        images = real.size * replicas.shares()
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
