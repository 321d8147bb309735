"""Features of EfficientNet-Lite in evaluations; tests/pretrained has the network."""

from __future__ import annotations

import hashlib

import keras
import numpy as np
import pytest
from helpers import clean_resized

from tfgan2.errors import UserError
from tfgan2.evaluation.efficientnet import make_efficientnet
from tfgan2.pretrained.efficientnet import efficientnet
from tfgan2.pretrained.packages import is_installed, weights_file

NAME = "efficientnet-lite0"
installed = pytest.mark.skipif(not is_installed(NAME), reason="needs its package")


def images(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


@pytest.mark.slow
@installed
@pytest.mark.parametrize(("channels", "policy"), [(1, "float32"), (4, "mixed_bfloat16")])
def test_images_get_the_preprocessing_of_the_protocol(channels: int, policy: str) -> None:
    """In float32, whatever the model that is evaluated computes in."""
    keras.config.set_dtype_policy(policy)
    try:
        space = make_efficientnet(NAME, (20, 30, channels))
    finally:
        keras.config.set_dtype_policy("float32")
    some = images(3, 20, 30, channels)
    found = space(some)
    assert found.features.shape == (3, 1280) and found.probabilities.shape == (3, 1000)
    colour = np.repeat(some, 3, axis=3) if channels == 1 else some[..., :3]
    outputs = efficientnet(NAME, 224)((clean_resized(colour, 224) - 127) / 128)
    scale = np.abs(outputs[-2]).max()
    np.testing.assert_allclose(found.features, outputs[-2], atol=1e-4 * scale)
    expected = keras.activations.softmax(outputs[-1])
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-2, atol=1e-5)


@installed
def test_the_protocol_names_weights_and_preprocessing() -> None:
    space = make_efficientnet(NAME, (8, 8, 3))
    digest = hashlib.sha256(weights_file(NAME).read_bytes()).hexdigest()
    assert digest.startswith(space.protocol["weights"]) and len(space.protocol["weights"]) == 16
    assert digest.startswith(weights_file(NAME).stem.rpartition("-")[2])  # as their makers say
    assert space.protocol["input"] == "uint8 RGB, (x - 127) / 128"
    assert space.protocol["resize"].startswith("bicubic with antialias in float32")
    assert space.protocol["resize"].endswith("to 224x224")
    assert (space.has_classes, space.class_names) == (True, ())


def test_two_channels_are_refused() -> None:
    with pytest.raises(UserError, match="efficientnet-lite0 needs grey, RGB or RGBA images, not 2"):
        make_efficientnet(NAME, (8, 8, 2))
