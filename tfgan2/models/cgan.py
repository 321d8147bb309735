"""CGAN: conditional generative adversarial nets."""

from __future__ import annotations

from typing import Any, Literal

import tensorflow as tf

from tfgan2.images import is_points
from tfgan2.models.adversarial import Samples
from tfgan2.models.base import check_range
from tfgan2.models.cross_entropy import CrossEntropyModel


class CGAN(CrossEntropyModel):
    """A GAN that is told what to make, Mirza and Osindero 2014 (arXiv:1411.1784).

    Both players know the label y: it is embedded and joined with z in the generator and with x in
    the discriminator. D minimises -log D(x|y) - log(1 - D(G(z|y)|y)), G -log D(G(z|y)|y). Generated
    samples take the labels of the real ones in the batch.
    """

    labels_are_classes = True

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        num_classes: int,
        network: Literal["mlp", "dcgan", "resnet", "tutorial", "began"] = "mlp",
        dropout: float | None = None,
        **shared: Any,
    ) -> None:
        """Builds the networks.

        Args:
            image_shape: (height, width, channels).
            num_classes: of the dataset.
            network: architecture of both players: mlp (the paper's kind), dcgan, resnet, tutorial,
                began.
            dropout: share of the discriminator's features dropped, after every layer of mlp; 0.3,
                points 0.
            **shared: see `CrossEntropyModel`.

        Raises:
            UserError: a value that is not possible.
        """
        if dropout is None:
            dropout = 0.0 if is_points(image_shape) else 0.3
        super().__init__(image_shape, network=network, dropout=dropout, **shared)
        check_range("num_classes", num_classes, 1)
        self.num_classes = self.num_labels = num_classes
        self.set_networks(*self.standard_networks(num_labels=num_classes))

    def judge(self, samples: Samples) -> tf.Tensor:
        labels = tf.reshape(samples.labels, (-1, self.packing))
        return self.discriminator([samples.images, labels], training=True)
