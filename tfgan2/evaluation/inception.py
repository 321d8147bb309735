"""Features of Keras' Inception v3 (Szegedy et al. 2016, arXiv:1512.00567).

The Fréchet Inception distance (Heusel et al. 2017, arXiv:1706.08500) and the inception score
(Salimans et al. 2016, arXiv:1606.03498) are published for the frozen graph of 2015, see
`frozen_inception`. Keras has other weights and resizes differently: its distances are close to the
published ones, but not comparable with them.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from tfgan2.errors import UserError
from tfgan2.evaluation.extractor import Extractor, weights_hash

if TYPE_CHECKING:
    import tensorflow as tf

WEIGHTS: str | None = "imagenet"
"""As for `keras.applications.InceptionV3`."""

DIM = 2048
BATCH = 50
_EDGE = 299


def make_inception(image_shape: tuple[int, int, int]) -> Extractor:
    """Returns the 2,048 averages of the last layer, and probabilities of the ImageNet classes.

    Args:
        image_shape: (height, width, channels) of the images. Grey becomes RGB; alpha is ignored.

    Raises:
        UserError: the weights cannot be downloaded, or the images have 2 channels.
    """
    import keras
    import tensorflow as tf

    check_channels(image_shape)
    try:
        # Keras announces downloads on stdout, where results are expected.
        with contextlib.redirect_stdout(sys.stderr):
            inception = keras.applications.InceptionV3(weights=WEIGHTS)
    except Exception as error:  # Keras raises a plain Exception without a network
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"the ImageNet weights of Inception cannot be downloaded ({reason}): give --features "
            "classifier, or inception-tf:FILE with a local file"
        ) from error
    network = keras.Model(
        inception.input, [inception.get_layer("avg_pool").output, inception.output]
    )

    @tf.function(autograph=False, input_signature=[tf.TensorSpec((BATCH, *image_shape), tf.uint8)])
    def compute(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        resized = tf.image.resize(to_rgb(images), (_EDGE, _EDGE), "bilinear", antialias=True)
        features, probabilities = network(resized / 127.5 - 1.0, training=False)
        return features, probabilities

    return Extractor(
        name="inception",
        dim=DIM,
        protocol={
            "features": "inception: Keras' InceptionV3, its global average pooling",
            "weights": weights_hash(network.get_weights()),
            "resize": f"bilinear with antialias to {_EDGE}x{_EDGE}",
            "input": input_format(image_shape),
        },
        image_shape=image_shape,
        batch_size=BATCH,
        compute=compute,
        num_classes=int(network.outputs[1].shape[-1]),
    )


def check_channels(image_shape: tuple[int, int, int]) -> None:
    """Raises a UserError unless images of this shape can become RGB."""
    if image_shape[2] not in (1, 3, 4):
        raise UserError(
            f"Inception needs grey, RGB or RGBA images, not {image_shape[2]} channels: give "
            "--features pixels or random-conv-112"
        )


def input_format(image_shape: tuple[int, int, int]) -> str:
    """Returns how images become RGB, for the protocol."""
    formats = {1: "grey, repeated to RGB", 3: "RGB", 4: "RGBA, alpha left out"}
    return f"uint8 {formats[image_shape[2]]}"


def to_rgb(images: tf.Tensor) -> tf.Tensor:
    """Converts uint8 images of 1, 3 or 4 channels to float32 RGB, 0…255."""
    import tensorflow as tf

    images = tf.cast(images, tf.float32)
    return tf.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images[..., :3]
