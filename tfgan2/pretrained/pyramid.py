"""Features of images at four resolutions, of a frozen classifier of ImageNet."""

from __future__ import annotations

import contextlib
import sys

import keras

from tfgan2.errors import UserError
from tfgan2.pretrained.efficientnet import MEAN, PYRAMID_CHANNELS, SCALE, efficientnet
from tfgan2.pretrained.packages import EFFICIENTNETS

KERAS_WEIGHTS: str | None = "imagenet"
"""As for `keras.applications.EfficientNetB0`."""
STRIDES = (4, 8, 16, 32)
"""Pixels of the image for one of each output."""

_KERAS_LAYERS = ("block2b_add", "block3b_add", "block5c_add", "block7a_project_bn")


def feature_pyramid(name: str, size: int) -> keras.Model:
    """Builds a network with its weights, in the present precision.

    Args:
        name: one of `EFFICIENTNETS`, or "keras": Keras' EfficientNetB0, whose weights Keras
            downloads.
        size: edge of the images, a multiple of 32.

    Returns:
        A frozen model from RGB images in [-1, 1], shape (size, size, 3), to four tensors of
        (size / STRIDES[i], size / STRIDES[i], PYRAMID_CHANNELS[i]).

    Raises:
        UserError: the weights are not installed, damaged, or cannot be downloaded.
    """
    image = keras.Input((size, size, 3), name="image")
    if name in EFFICIENTNETS:
        network = efficientnet(name, size)
        outputs = network.outputs[: len(PYRAMID_CHANNELS)]
        inputs = keras.layers.Rescaling(127.5 / SCALE, (127.5 - MEAN) / SCALE)(image)
    else:
        network = _keras_network(size)
        outputs = [network.get_layer(layer).output for layer in _KERAS_LAYERS]
        inputs = keras.layers.Rescaling(127.5, 127.5)(image)
    model = keras.Model(image, keras.Model(network.input, outputs)(inputs), name=name)
    model.trainable = False
    return model


def _keras_network(size: int) -> keras.Model:
    shape = (size, size, 3)
    try:
        # Keras announces downloads on stdout, where results are expected.
        with contextlib.redirect_stdout(sys.stderr):
            return keras.applications.EfficientNetB0(
                include_top=False, weights=KERAS_WEIGHTS, input_shape=shape
            )
    except Exception as error:  # the download may raise anything
        raise UserError(
            f"the weights of EfficientNetB0 cannot be downloaded ({type(error).__name__}): copy "
            "them into the folder of Keras, or give features=efficientnet-lite0"
        ) from error
