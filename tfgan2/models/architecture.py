"""What the flavours share whose two networks are of an architecture by choice."""

from __future__ import annotations

from typing import Any, Literal

import keras

from tfgan2 import networks
from tfgan2.models.adversarial import AdversarialModel
from tfgan2.models.base import check_choice, check_range


class ArchitectureModel(AdversarialModel):
    """An adversarial model with networks of `tfgan2.networks`."""

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        network: Literal["mlp", "dcgan", "resnet", "tutorial", "began"] = "dcgan",
        width: int | None = None,
        max_width: int = 512,
        dropout: float = 0.0,
        **shared: Any,
    ) -> None:
        """Keeps the choice.

        Args:
            image_shape: (height, width, channels).
            network: architecture of both players: mlp (fully connected), dcgan (strided
                convolutions), resnet (residual blocks), tutorial (Chollet's), began (ELU and
                upsampling); two-dimensional points always get the mlp.
            width: units or channels at the images' end; mlp 512 (points 128), dcgan 64 (up to
                32x32 pixels 32), resnet 128, tutorial 128, began 64.
            max_width: most channels of a layer of dcgan, whose layers double.
            dropout: share of the discriminator's features dropped, after every layer of mlp,
                before the last layer of the others.
            **shared: see `AdversarialModel`.

        Raises:
            UserError: a value that is not possible.
        """
        super().__init__(image_shape, **shared)
        check_choice("network", network, networks.WIDTHS)
        self.network = networks.choose(network, self.image_shape)
        if width is None:
            width = networks.default_width(self.network, self.image_shape)
        check_range("width", width, 1)
        check_range("max_width", max_width, 1)
        check_range("dropout", dropout, 0.0, 0.99)
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
