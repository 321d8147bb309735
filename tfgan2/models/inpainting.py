"""Inpainting: context encoders with global and local judges."""

from __future__ import annotations

from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from tfgan2.distributed import replicas
from tfgan2.errors import UserError
from tfgan2.models.adversarial import Metrics, Samples
from tfgan2.models.base import Batch, check_choice, check_range
from tfgan2.models.translation import AdversarialTranslation
from tfgan2.networks import completion
from tfgan2.networks.parts import NORMS
from tfgan2.nn import masks
from tfgan2.nn.resizing import crops


class Inpainting(AdversarialTranslation):
    """Fills what a mask hides: Pathak et al. 2016 (arXiv:1604.07379), Iizuka et al. 2017.

    The generator sees the image with grey where the mask is 1, and the mask; outside the mask its
    output is the very input. It minimises
    reconstruction_weight * |x - G(x)|^2, averaged over what is hidden, + adversarial_weight *
    -log D(G(x)); the weights are those of Pathak et al. The networks are those of Iizuka et al.:
    dilated convolutions, and a discriminator that sees the whole image and the surroundings of the
    hole, and minimises -log D(x) - log(1 - D(G(x))).
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        mask: Literal["centre", "box", "free-form"] = "box",
        mask_size: float = 0.5,
        reconstruction: Literal["l1", "l2"] = "l2",
        reconstruction_weight: float = 0.999,
        adversarial_weight: float = 0.001,
        width: int = 64,
        norm: Literal["none", "batch", "layer", "instance"] = "batch",
        **shared: Any,
    ) -> None:
        """Builds the networks.

        Args:
            image_shape: (height, width, channels), edges multiples of 4.
            mask: what is hidden: centre (a square in the middle), box (a rectangle anywhere, its
                edges from half of mask_size to mask_size), free-form (strokes of a brush).
            mask_size: edge of the hidden part as a share of the image's.
            reconstruction: l2 (the papers') or l1, of what is hidden.
            reconstruction_weight: of the reconstruction.
            adversarial_weight: of the generator's adversarial loss; 0 leaves the reconstruction.
            width: channels of the first layers, both players.
            norm: of the generator: none, batch, layer or instance.
            **shared: see `AdversarialTranslation`.

        Raises:
            UserError: a value that is not possible.
        """
        super().__init__(image_shape, adversarial_weight=adversarial_weight, **shared)
        height, breadth, _ = self.image_shape
        if height % 4 or breadth % 4 or min(height, breadth) < 8:
            raise UserError(
                f"inpainting needs images whose edges are multiples of 4, 8 or more, not "
                f"{height}x{breadth}: give --image-size"
            )
        check_choice("mask", mask, masks.KINDS)
        check_range("mask_size", mask_size, 0.1, 0.9)
        check_choice("reconstruction", reconstruction, ("l1", "l2"))
        check_range("reconstruction_weight", reconstruction_weight, 0.0)
        check_range("width", width, 1)
        check_choice("norm", norm, NORMS)
        self.mask = mask
        self.mask_size = mask_size
        self.reconstruction = reconstruction
        self.reconstruction_weight = reconstruction_weight
        self.width = width
        self.norm = norm
        self.size_multiple = 4
        self.local_size = masks.local_size(min(height, breadth), mask_size)
        discriminator = completion.discriminator(
            self.image_shape, self.local_size, width=width, seed=2 * self.seed + 1
        )
        self.set_networks(self.build_generator(height, breadth), discriminator)

    def build_generator(self, height: int | None, width: int | None) -> keras.Model:
        return completion.generator(
            (height, width, self.image_shape[-1]),
            width=self.width,
            norm=self.norm,
            seed=2 * self.seed,
        )

    def draw_masks(self, count: int | tf.Tensor, stream: str) -> tf.Tensor:
        """Masks for training, float32, shape (count, height, width, 1), 1 where hidden."""
        return masks.draw(
            self.mask, count, self.image_shape[:2], self.mask_size, self.noise_seed(stream)
        )

    def real_samples(self, batch: Batch) -> Samples:
        real = super().real_samples(batch)
        return real._replace(inputs=self.draw_masks(tf.shape(real.images)[0], "masks"))

    def fake_samples(self, real: Samples, count: int | tf.Tensor, stream: str) -> Samples:
        return real._replace(images=self.generator([real.images, real.inputs], training=True))

    def as_seen(self, samples: Samples, stream: str) -> Samples:
        """Images as the discriminator sees them, and the masks moved with them."""
        masks_seen = self.augmented(samples.inputs, stream, without=("color", "cutout"))
        return super().as_seen(samples, stream)._replace(inputs=masks_seen)

    def judge(self, samples: Samples) -> tf.Tensor:
        tops, lefts = masks.surroundings(samples.inputs, self.local_size)
        local = crops(samples.images, tops, lefts, self.local_size, self.local_size)
        return self.discriminator([samples.images, local], training=True)

    def content_objective(self, fake: Samples, real: Samples) -> tuple[tf.Tensor, Metrics]:
        difference = tf.cast(real.images - fake.images, tf.float32) * real.inputs
        terms = tf.abs(difference) if self.reconstruction == "l1" else tf.square(difference)
        hidden = replicas.mean(tf.reduce_sum(real.inputs)) * self.image_shape[-1]
        loss = tf.reduce_sum(terms) / tf.maximum(hidden, 1.0)
        return self.reconstruction_weight * loss, {"reconstruction_loss": loss}

    def inputs_of(
        self, examples: tuple[np.ndarray, ...], *, seed: int = 0
    ) -> dict[str, np.ndarray]:
        images = examples[0]
        drawn = masks.draw(
            self.mask, len(images), self.image_shape[:2], self.mask_size, tf.constant([seed, 0])
        )
        return {"input": images, "mask": drawn.numpy()}

    def shown_of(
        self, examples: tuple[np.ndarray, ...], inputs: dict[str, np.ndarray], made: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        hidden = np.where(inputs["mask"] > 0.5, 0.0, inputs["input"])
        return hidden, made, examples[0]
