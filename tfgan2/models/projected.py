"""Projected GAN: discriminators of features that were trained on ImageNet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from tfgan2.errors import UserError
from tfgan2.hyperparameters import option, preset
from tfgan2.images import is_points, resize_matrix
from tfgan2.models.latent_gan import LatentGAN
from tfgan2.models.options import OptionalClasses
from tfgan2.models.regularizers import Samples
from tfgan2.networks.pairs import generator
from tfgan2.networks.projected import discriminators, mixed
from tfgan2.nn import losses
from tfgan2.nn.precision import precision
from tfgan2.nn.resizing import resampled
from tfgan2.pretrained.hashing import weights_hash
from tfgan2.pretrained.pyramid import STRIDES, feature_pyramid


class ProjectedGAN(LatentGAN):
    """A GAN with discriminators of ImageNet features, Sauer et al. 2021 (arXiv:2111.01007).

    A frozen classifier of ImageNet turns images, augmented and then resized, into features of four
    resolutions. Random convolutions that are never trained mix them: 1x1 across channels, 3x3 with
    upsampling across resolutions. Each resolution has a small discriminator with spectral norm.
    They minimize the hinge loss, mean max(0, 1 - D(x)) + mean max(0, 1 + D(G(z))), the generator
    -mean D(G(z)), with the means over the logits of all four.

    Any `network` is the generator; the paper has that of FastGAN. The paper's features are those of
    EfficientNet-Lite1, its authors' code has Lite0, which is faster and the default here. Smaller
    `feature_size` and `feature_channels` train faster: the preset `cpu` takes 64 and 32. With
    `conditional=true` each discriminator projects the class (Miyato and Koyama 2018).

    Checkpoints do not hold what is frozen. `features_hash` names it, so that a run goes on with the
    very same weights or not at all. Only training needs them.
    """

    class Config(OptionalClasses, LatentGAN.Config):
        features: str = option(
            "efficientnet-lite0",
            "frozen network; keras: its EfficientNetB0, which it downloads",
            choices=("efficientnet-lite0", "efficientnet-lite1", "keras"),
        )
        feature_size: int = option(
            224, "edge that images are resized to for it, a multiple of 32", at_least=32
        )
        feature_channels: int = option(
            64,
            "channels of mixed features at the highest resolution; 8 times as many at the lowest",
            at_least=1,
        )
        features_hash: str | None = option(
            None, "hash of all frozen weights that training requires; none: of those installed"
        )
        augment: str = "color,translation,cutout"
        beta_1: float = 0.0
        beta_2: float = 0.99

        few = preset(lecam=0.3)
        cpu = preset(feature_size=64, feature_channels=32, batch_size=16, steps=5_000)

        def resolve(self) -> None:
            super().resolve()
            if is_points(self.image_shape):
                raise UserError("points have no features of ImageNet: choose gan")
            if self.image_shape[2] not in (1, 3):
                raise UserError(
                    f"features of ImageNet need grey or RGB images, not {self.image_shape[2]} "
                    "channels: give --channels 3"
                )
            if self.freeze_d:
                raise UserError(
                    "projected freezes its features; its D has no freeze_d: leave it out"
                )
            if self.feature_size % STRIDES[-1]:
                raise UserError(
                    f"feature_size must be a multiple of {STRIDES[-1]}, not {self.feature_size}"
                )

    gan_loss = losses.HINGE

    def build_networks(self) -> None:
        config, shape = self.config, self.image_shape
        make = self.layer_maker(0)
        labels = self.num_labels
        self.generator = generator(
            config.network, shape, config.latent_dim, make, num_labels=labels
        )
        edges = [config.feature_size // stride for stride in STRIDES]
        shapes = [(n, n, config.feature_channels * 2**level) for level, n in enumerate(edges)]
        make = self.layer_maker(1, dropout=config.dropout, norm="batch", spectral=True)
        packing = self.packing.count
        self.discriminator = discriminators(shapes, make, num_labels=labels, packing=packing)
        self._matrices = [resize_matrix(n, config.feature_size) for n in shape[:2]]

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Like `GenerativeModel.compile`, and loads the frozen network.

        Raises:
            UserError: its weights are not there, or not those of `features_hash`.
        """
        super().compile(*args, **kwargs)
        config = self.config
        with precision(self.dtype_policy):
            pyramid = feature_pyramid(config.features, config.feature_size)
            network = mixed(pyramid, config.feature_channels, config.seed)
        found = weights_hash(network.get_weights())
        if config.features_hash not in (None, found):
            raise UserError(
                f"the frozen weights, those of {config.features} and the random ones of seed "
                f"{config.seed}, are not those that this run began with (hash {found}, not "
                f"{config.features_hash}): install the versions from then of the package of the "
                "weights and of NumPy, or start a new run"
            )
        config.features_hash = found
        # XLA's depthwise convolutions take some 30 times as long as TensorFlow's on a CPU.
        self.supports_jit = bool(tf.config.list_logical_devices("GPU"))
        # In a function: Keras would count the weights as this model's, and save them.
        self._frozen = lambda: network

    def takes_weight(self, name: str, source: Mapping[str, Any]) -> bool:
        """False for discriminators of other features, or of features mixed by other numbers."""
        if not name.startswith("discriminator/"):
            return True
        own = {key: getattr(self.config, key) for key in ("features", "feature_channels", "seed")}
        return all(source.get(key, value) == value for key, value in own.items())

    def frozen_networks(self) -> list[keras.Model]:
        return [self._frozen()]

    def logits(self, samples: Samples) -> tf.Tensor:
        inputs = list(samples.images)
        if self.num_labels:
            inputs.append(tf.reshape(samples.labels, (-1, self.packing.count)))
        return self.discriminator(inputs, training=True)

    def discriminator_inputs(self, samples: Samples, stream: str) -> Samples:
        """Samples whose images are their features, of four resolutions, packed."""
        packed = super().discriminator_inputs(samples, stream).images
        images = resampled(self.packing.unpacked(packed), *self._matrices)
        if self.image_shape[2] == 1:
            images = tf.repeat(images, 3, axis=-1)
        features = self._frozen()(images, training=False)
        return samples._replace(images=[self.packing(each) for each in features])
