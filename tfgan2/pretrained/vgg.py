"""Features of VGG19 for the content loss of SRGAN (Ledig et al. 2016, arXiv:1609.04802)."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextvars import ContextVar

import keras
import tensorflow as tf

from tfgan2.errors import UserError

LAYER = "block5_conv4"
SCALE = 1 / 12.75  # the features are scaled as in the paper


_WEIGHTS: ContextVar[str | None] = ContextVar("weights", default="imagenet")


@contextlib.contextmanager
def without_download() -> Iterator[None]:
    """Gives VGG19 random weights: what it costs does not depend on them."""
    token = _WEIGHTS.set(None)
    try:
        yield
    finally:
        _WEIGHTS.reset(token)


def vgg19() -> keras.Model:
    """Returns a frozen VGG19 up to `LAYER`, in float32; `features` calls it.

    Raises:
        UserError: its weights cannot be downloaded.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")  # features are too large for the precision of float16
    try:
        # Keras announces downloads on stdout, where results are expected.
        with contextlib.redirect_stdout(sys.stderr):
            vgg = keras.applications.VGG19(include_top=False, weights=_WEIGHTS.get())
    except Exception as error:  # the download may raise anything
        raise UserError(
            f"the weights of VGG19 cannot be downloaded ({type(error).__name__}): copy them into "
            "the folder of Keras, or give content=pixels"
        ) from error
    finally:
        keras.config.set_dtype_policy(policy)
    network = keras.Model(vgg.inputs, vgg.get_layer(LAYER).output)
    network.trainable = False
    return network


def features(vgg: keras.Model, images: tf.Tensor) -> tf.Tensor:
    """Features of RGB images in [-1, 1], 32 pixels or more, by the network of `vgg19`."""
    pixels = (tf.cast(images, tf.float32) + 1.0) * 127.5
    return SCALE * vgg(keras.applications.vgg19.preprocess_input(pixels))
