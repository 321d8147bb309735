"""Perceptual features of VGG19, as SRGAN compares them (Ledig et al. 2016, arXiv:1609.04802)."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf

from tfgan2.errors import UserError

LAYER = "block5_conv4"
SCALE = 1 / 12.75  # of the features, as in the paper


def vgg_features() -> Callable[[tf.Tensor], tf.Tensor]:
    """The features of VGG19, a function of RGB images in [-1, 1], 32 pixels or more.

    Raises:
        UserError: its weights cannot be downloaded.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")  # the features exceed what float16 holds well
    try:
        vgg = keras.applications.VGG19(include_top=False, weights="imagenet")
    except Exception as error:  # Keras raises whatever its download does
        raise UserError(
            f"the weights of VGG19 cannot be downloaded ({type(error).__name__}): without a "
            "network, copy them into Keras' folder, or give content=pixels"
        ) from error
    finally:
        keras.config.set_dtype_policy(policy)
    network = keras.Model(vgg.inputs, vgg.get_layer(LAYER).output)
    network.trainable = False

    def features(images: tf.Tensor) -> tf.Tensor:
        pixels = (tf.cast(images, tf.float32) + 1.0) * 127.5
        return SCALE * network(keras.applications.vgg19.preprocess_input(pixels))

    return features
