"""The residual networks of R3GAN: sizes, groups, initial weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tfgan2.errors import UserError
from tfgan2.models import ACGAN, R3GAN, SNGAN
from tfgan2.networks import fitting
from tfgan2.networks.r3gan import GAIN, group_count
from tfgan2.networks.sizes import halvings
from tfgan2.nn.resampling import Basis


@pytest.mark.parametrize(
    ("size", "basis"),
    [
        ((8, 8), (4, 4)),
        ((16, 16), (4, 4)),
        ((28, 28), (7, 7)),
        ((32, 48), (4, 6)),
        ((40, 24), (10, 6)),
        ((128, 64), (8, 4)),
        pytest.param((256, 256), (4, 4), marks=pytest.mark.slow),
    ],
)
def test_sizes(size: tuple[int, int], basis: tuple[int, int]) -> None:
    model = R3GAN((*size, 3), base_channels=2, max_channels=4, group_size=2)
    assert [each.size for each in model.generator.layers if isinstance(each, Basis)] == [basis]
    images = model.generate(model.draw_latents(2))
    assert images.shape == (2, *size, 3) and np.abs(images).max() <= 1
    assert model.discriminator(images).shape == (2, 1)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((30, 30, 3), "edges that are multiples of 4"),
        ((32, 36, 3), "edges that are multiples of 8"),
        ((4, 4, 1), "edges of 8 to 256 pixels"),
        ((512, 512, 3), "edges of 8 to 256 pixels"),
    ],
)
def test_sizes_that_are_refused(shape: tuple[int, int, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        fitting("r3gan", shape)


def test_halvings() -> None:
    found = [halvings((edge, edge, 1), "r3gan") for edge in (8, 16, 28, 32, 64, 256)]
    assert found == [1, 2, 2, 3, 4, 6]


def test_groups() -> None:
    sizes = ((64, 16), (16, 16), (8, 16), (50, 16), (48, 16))
    assert [group_count(*each) for each in sizes] == [4, 1, 1, 2, 3]
    model = R3GAN((16, 16, 3), base_channels=32, max_channels=64)
    grouped = [each for each in model.generator.layers if getattr(each, "groups", 1) > 1]
    # Twice as many channels as the features have, 16 in each group.
    assert [(each.groups, each.filters) for each in grouped] == [(8, 128), (8, 128), (4, 64)]


def test_initial_weights() -> None:
    model = R3GAN((32, 32, 3), base_channels=64, max_channels=64, blocks=2)
    assert pytest.approx(np.sqrt(2 / 1.04)) == GAIN
    for network in (model.generator, model.discriminator):
        assert not [each for each in network.layers if "ormalization" in type(each).__name__]
        adds = [each for each in network.layers if isinstance(each, keras.layers.Add)]
        assert len(adds) == 8  # two blocks at each of four sizes
        kernels = [each.kernel.numpy() for each in network.layers if hasattr(each, "kernel")]
        inner = [kernel for kernel in kernels if kernel.shape[-1] == 128]
        last = [kernel for kernel in kernels if kernel.shape[:3] == (1, 1, 128)]
        assert len(inner) == 16 and len(last) == 8
        assert not np.any(last)  # so blocks are the identity
        for kernel in inner:
            gain = kernel.std() * np.sqrt(np.prod(kernel.shape[:3]))
            assert gain == pytest.approx(np.sqrt(2 / 1.04) * 8**-0.25, rel=0.05)
    images = model.generate(model.draw_latents(64))
    assert 0.3 < images.std() < 1.0


def test_other_flavours_take_the_network() -> None:
    images = np.ones((2, 16, 16, 1), np.float32)
    model = SNGAN((16, 16, 1), base_channels=4, network="r3gan")
    assert np.isfinite(model.discriminator(images, training=True)).all()
    heads = ACGAN((16, 16, 1), base_channels=4, network="r3gan", num_classes=3).discriminator
    assert heads(images)["classes"].shape == (2, 3)
