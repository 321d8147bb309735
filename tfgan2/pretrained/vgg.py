"""Features of VGG19 for the content loss of SRGAN (Ledig et al. 2016, arXiv:1609.04802)."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf

from tfgan2.errors import UserError

LAYER = "block5_conv4"
SCALE = 1 / 12.75  # the features are scaled as in the paper


def vgg_features() -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a function from RGB images in [-1, 1], 32 pixels or more, to features of VGG19.

    Raises:
        UserError: its weights cannot be downloaded.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")  # features are too large for the precision of float16
    try:
        vgg = keras.applications.VGG19(include_top=False, weights="imagenet")
    except Exception as error:  # the download may raise anything
        raise UserError(
            f"the weights of VGG19 cannot be downloaded ({type(error).__name__}): copy them into "
            "the folder of Keras, or give content=pixels"
        ) from error
    finally:
        keras.config.set_dtype_policy(policy)
    network = keras.Model(vgg.inputs, vgg.get_layer(LAYER).output)
    network.trainable = False

    def features(images: tf.Tensor) -> tf.Tensor:
        pixels = (tf.cast(images, tf.float32) + 1.0) * 127.5
        return SCALE * network(keras.applications.vgg19.preprocess_input(pixels))

    return features
