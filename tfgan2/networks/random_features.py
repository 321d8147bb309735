"""Features of fixed random convolutions, in which images are compared where no data are at hand."""

from __future__ import annotations

import keras

from tfgan2.networks.layers import ImageShape, LayerMaker, size_of

CHANNELS = 32


def random_features(image_shape: ImageShape, make: LayerMaker) -> keras.Model:
    """A frozen network from images to features of each size, from half of the images' to 4 or so.

    3x3 convolutions with stride 2, which keep the variance, and LeakyReLU. Random ones tell images
    apart nearly as trained ones do where these are compared pixel by pixel (He et al. 2016,
    arXiv:1606.04801).
    """
    x = image = keras.Input(image_shape, name="image")
    outputs: list[keras.KerasTensor] = []
    while min(size_of(x)) > 4 or not outputs:
        init = make.scaled(2**0.5)
        x = make.conv(CHANNELS * 2 ** min(len(outputs), 2), 3, 2, init=init, use_bias=False)(x)
        x = keras.layers.LeakyReLU(0.2)(x)
        outputs.append(x)
    model = keras.Model(image, outputs, name="random_features")
    model.trainable = False
    return model
