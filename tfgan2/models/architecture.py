"""What the flavours share whose two networks are of an architecture by choice."""

from __future__ import annotations

from typing import Any, Literal

import keras
import tensorflow as tf

from tfgan2 import networks
from tfgan2.errors import UserError
from tfgan2.models.adversarial import AdversarialModel, Samples
from tfgan2.models.base import Batch, check_choice, check_range
from tfgan2.models.latent import LatentModel


class ArchitectureModel(AdversarialModel, LatentModel):
    """Latents become images; the networks are those of `tfgan2.networks`."""

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        latent_dim: int = 100,
        network: Literal["mlp", "dcgan", "resnet", "tutorial", "began"] = "dcgan",
        width: int | None = None,
        max_width: int = 512,
        dropout: float = 0.0,
        packing: int = 1,
        **shared: Any,
    ) -> None:
        """Keeps the choice.

        Args:
            image_shape: (height, width, channels).
            latent_dim: length of the latents.
            network: architecture of both players: mlp (fully connected), dcgan (strided
                convolutions), resnet (residual blocks), tutorial (Chollet's), began (ELU and
                upsampling); two-dimensional points always get the mlp.
            width: units or channels at the images' end; mlp 512 (points 128), dcgan 64 (up to
                32x32 pixels 32), resnet 128, tutorial 128, began 64.
            max_width: most channels of a layer of dcgan, whose layers double.
            dropout: share of the discriminator's features dropped, after every layer of mlp,
                before the last layer of the others.
            packing: samples that the discriminator judges together (PacGAN, Lin 2018); the batch
                size must be a multiple of it.
            **shared: see `AdversarialModel`.

        Raises:
            UserError: a value that is not possible.
        """
        super().__init__(image_shape, **shared)
        check_range("latent_dim", latent_dim, 1)
        check_range("packing", packing, 1)
        check_choice("network", network, networks.WIDTHS)
        self.network = networks.choose(network, self.image_shape)
        if width is None:
            width = networks.default_width(self.network, self.image_shape)
        check_range("width", width, 1)
        check_range("max_width", max_width, 1)
        check_range("dropout", dropout, 0.0, 0.99)
        self.latent_dim = latent_dim
        self.packing = packing
        self.width = width
        self.max_width = max_width
        self.dropout = dropout

    def standard_networks(self, **discriminator: Any) -> tuple[keras.Model, keras.Model]:
        """The two players as `network`, `width` and the rest say.

        Args:
            **discriminator: what the flavour wants of its discriminator, see
                `tfgan2.networks.discriminator`: use_spectral, num_labels, heads, and norm, by
                default batch norm where the architecture is made for it.
        """
        discriminator.setdefault("norm", networks.NORMS[self.network])
        sizes: dict[str, Any] = {"width": self.width, "max_width": self.max_width}
        generator = networks.generator(
            self.network,
            self.image_shape,
            self.latent_dim,
            seed=2 * self.seed,
            num_labels=self.num_labels,
            **sizes,
        )
        return generator, networks.discriminator(
            self.network,
            self.image_shape,
            seed=2 * self.seed + 1,
            dropout=self.dropout,
            packing=self.packing,
            **sizes,
            **discriminator,
        )

    def check_batch_size(self, batch_size: int, replicas: int = 1) -> None:
        together = self.packing * replicas
        if batch_size % together:
            shared = f" on {replicas} devices" if replicas > 1 else ""
            raise UserError(
                f"a batch of {batch_size} images cannot be packed by {self.packing}{shared}: give "
                f"a --batch-size that is a multiple of {together}"
            )

    def real_samples(self, batch: Batch) -> Samples:
        """The real samples of a batch: images, and for some flavours their classes.

        Raises:
            UserError: labels are needed and there are none.
        """
        parts = tuple(batch) if isinstance(batch, tuple | list) else (batch,)
        if not self.labels_are_classes:
            return Samples(parts[0])
        if len(parts) < 2:
            raise UserError(f"{type(self).__name__} needs images with labels")
        return Samples(parts[0], tf.cast(parts[1], tf.int32))

    def fake_labels(self, real: Samples, count: int, stream: str) -> tf.Tensor | None:
        """The labels to generate with: those of the real samples, int32, shape (count,)."""
        return real.labels if self.num_labels else None

    def fake_samples(self, real: Samples, count: int | tf.Tensor, stream: str) -> Samples:
        latents = self.random_latents(count, stream)
        labels = self.fake_labels(real, count, f"{stream}: labels")
        inputs = latents if labels is None else [latents, labels]
        return Samples(self.generator(inputs, training=True), labels, latents)

    def as_seen(self, samples: Samples, stream: str) -> Samples:
        """Samples as the discriminator sees them: besides, packed."""
        samples = super().as_seen(samples, stream)
        if self.packing == 1:
            return samples
        height, width, channels = self.image_shape
        images = tf.reshape(samples.images, (-1, self.packing, height, width, channels))
        images = tf.transpose(images, (0, 2, 3, 1, 4))
        images = tf.reshape(images, (-1, height, width, self.packing * channels))
        return samples._replace(images=images)
