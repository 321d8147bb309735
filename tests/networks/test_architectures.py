"""Generators and discriminators of every architecture."""

from __future__ import annotations

import math
import sys
from types import ModuleType

import keras
import numpy as np
import pytest
from helpers import layer_kinds, make_small, tensors_for

from tfgan2 import registry
from tfgan2.errors import UserError
from tfgan2.models import BEGAN, DCGAN, SAGAN, SNGAN, WGANGP, ProjectionGAN
from tfgan2.networks import ARCHITECTURES, Architecture
from tfgan2.networks.layers import LayerMaker

IMAGES = [name for name in ARCHITECTURES if name != "mlp"]


@pytest.mark.parametrize("network", [name for name in IMAGES if name != "r3gan"])
@pytest.mark.parametrize("size", [(48, 32), (9, 21), (8, 64)])
def test_sizes_that_are_not_square(network: str, size: tuple[int, int]) -> None:
    model = DCGAN((*size, 3), network=network, base_channels=2, max_channels=8)
    images = model.generate(model.draw_latents(2))
    assert images.shape == (2, *size, 3)
    assert model.discriminator(images).shape == (2, 1)
    first = next(x for x in model.generator.layers if isinstance(x, keras.layers.Reshape))
    assert size != (48, 32) or first.output.shape[1:3] in ((6, 4), (12, 8), (24, 16))


@pytest.mark.parametrize("network", IMAGES)
def test_256_pixels(network: str) -> None:
    model = DCGAN((256, 256, 1), network=network, base_channels=2, max_channels=4)
    assert model.generator.output_shape == (None, 256, 256, 1)
    with pytest.raises(UserError, match=r"edges of 8 to 256 pixels, not 264x256$"):
        DCGAN((264, 256, 1), network=network)
    with pytest.raises(UserError, match=r"edges of 8 to 256 pixels, not 256x7$"):
        DCGAN((256, 7, 1), network=network)


@pytest.mark.parametrize("network", ["dcgan", "tutorial"])
@pytest.mark.parametrize("size", [8, 9, 13, 16, 17, 28, 31, 32, 33, 48, 64, 100, 127, 128])
def test_any_square_size(network: str, size: int) -> None:
    model = DCGAN((size, size, 3), network=network, base_channels=2, max_channels=8)
    images = model.generate(model.draw_latents(2))
    assert images.shape == (2, size, size, 3) and images.dtype == np.float32
    assert model.discriminator(images).shape == (2, 1)


@pytest.mark.parametrize("size", [8, 13, 28, 32, 64])
def test_any_size_of_began_and_residual_networks(size: int) -> None:
    for model in (
        BEGAN((size, size, 3), base_channels=2, network="began"),
        SNGAN((size, size, 3), base_channels=2, network="resnet"),
        SNGAN((size, size, 3), base_channels=2, network="pyramid"),
    ):
        images = model.generate(model.draw_latents(2))
        assert images.shape == (2, size, size, 3)
        assert model.discriminator(images).shape[0] == 2


def test_a_pyramid_is_wider_where_images_are_smaller() -> None:
    model = SNGAN((64, 64, 1), base_channels=3, max_channels=12, network="pyramid")

    def shapes_of_blocks(network: keras.Model) -> list[tuple[int, ...]]:
        return [x.output.shape[1:] for x in network.layers if isinstance(x, keras.layers.Add)]

    shapes = [(8, 8, 12), (16, 16, 12), (32, 32, 6), (64, 64, 3)]
    assert shapes_of_blocks(model.generator) == shapes
    shapes = [(32, 32, 3), (16, 16, 6), (8, 8, 12), (8, 8, 12), (8, 8, 12)]
    assert shapes_of_blocks(model.discriminator) == shapes


def test_presets_of_the_papers_at_128_pixels() -> None:
    for flavour in (ProjectionGAN, SAGAN):
        paper = flavour.Config.presets["paper"]
        assert paper["network"] == "pyramid"
        make = LayerMaker(1, paper["base_channels"], max_channels=paper["max_channels"])
        assert make.level_channels(6) == [64, 128, 256, 512, 1024, 1024]
    assert SNGAN.Config.presets["paper"]["network"] == "resnet"


def test_residual_networks_of_the_papers_take_128_latents() -> None:
    for flavour in (SNGAN, ProjectionGAN, SAGAN, WGANGP):
        assert flavour.Config.presets["paper"]["latent_dim"] == 128


@pytest.mark.parametrize("channels", [1, 2, 4, 7])
def test_any_number_of_channels(channels: int) -> None:
    model = DCGAN((8, 8, channels), base_channels=2)
    assert model.generate(model.draw_latents(1)).shape == (1, 8, 8, channels)


@pytest.mark.parametrize("network", ["dcgan", "tutorial"])
def test_kernel_sizes_are_multiples_of_strides(network: str) -> None:
    model = DCGAN((28, 28, 1), network=network, base_channels=2)
    strided = 0
    for network in model.networks().values():
        for layer in network.layers:
            for kernel, stride in zip(
                getattr(layer, "kernel_size", ()), getattr(layer, "strides", ()), strict=False
            ):
                assert stride == 1 or kernel % stride == 0
                strided += stride > 1
    assert strided >= 4


def test_layers_of_equal_shape_have_different_initial_weights() -> None:
    model = DCGAN((32, 32, 3), network="tutorial", base_channels=4)
    kernels = [w.numpy() for w in model.generator.weights if w.shape == (5, 5, 8, 8)]
    assert len(kernels) == 2 and not np.array_equal(*kernels)


def test_a_new_architecture_takes_one_line_and_one_module(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = ModuleType("tfgan2.networks.tiny")

    def decoder(
        x: keras.KerasTensor, image_shape: tuple[int, int, int], make: LayerMaker
    ) -> keras.KerasTensor:
        return keras.layers.Reshape(image_shape)(make.dense(math.prod(image_shape))(x))

    def features(x: keras.KerasTensor, make: LayerMaker) -> keras.KerasTensor:
        x = keras.layers.Flatten()(x)
        return keras.layers.LeakyReLU()(make.normalize(make.dense(make.channels)(x)))

    tiny.decoder, tiny.features = decoder, features
    monkeypatch.setitem(sys.modules, tiny.__name__, tiny)
    monkeypatch.setitem(ARCHITECTURES, "tiny", Architecture("tiny", 24, norm="layer"))

    assert registry.parse_settings("dcgan", ["network=tiny"]) == {"network": "tiny"}
    assert "tiny" in registry.hyperparameters("dcgan")["network"].choices
    for name in ("dcgan", "acgan", "began", "vae"):
        model = make_small(name, network="tiny", base_channels=None)
        assert model.config.base_channels == 24
        assert model.get_config()["network"] == "tiny"
        model.compile()
        metrics = model.train_step(tensors_for(model))
        assert all(np.isfinite(float(value)) for value in metrics.values())
        assert model.generate(model.draw_latents(2)).shape == (2, 8, 8, 1)
    kinds = layer_kinds(make_small("dcgan", network="tiny").discriminator)
    assert "GroupNormalization" in kinds and "Conv2D" not in kinds
