"""FastGAN's networks: excitation, sizes of the maps, decoders."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tfgan2.networks import fastgan
from tfgan2.networks.layers import LayerMaker


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_excitation_multiplies_channels_by_gates_of_the_small_map() -> None:
    small, large = keras.Input((8, 12, 3)), keras.Input((16, 24, 2))
    model = keras.Model([small, large], fastgan.excite(small, large, LayerMaker(1)))
    rng = np.random.default_rng(0)
    kernels = [rng.normal(size=w.shape).astype(np.float32) for w in model.weights]
    model.set_weights(kernels)
    x, y = (rng.normal(size=(2, *each.shape[1:])).astype(np.float32) for each in (small, large))
    pooled = x.reshape(2, 4, 2, 6, 2, 3).mean(axis=(2, 4))  # edges of at most 7
    first, first_bias, second, second_bias = kernels
    assert first.shape == (4, 6, 3, 2) and second.shape == (1, 1, 2, 2)
    hidden = np.einsum("bhwc,hwco->bo", pooled, first) + first_bias
    hidden = np.where(hidden > 0, hidden, 0.1 * hidden)
    gates = sigmoid(hidden @ second[0, 0] + second_bias)
    np.testing.assert_allclose(model([x, y]), y * gates[:, None, None], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "pairs"),
    [
        (256, [(4, 64), (8, 128), (16, 256)]),  # the paper's
        (128, [(4, 64), (8, 128)]),
        (64, [(4, 32), (8, 64)]),
        (32, [(4, 16), (8, 32)]),
        (16, [(4, 8), (8, 16)]),
        (8, [(4, 8)]),
    ],
)
def test_which_maps_excite_which(
    size: int, pairs: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []

    def excite(small: keras.KerasTensor, large: keras.KerasTensor, make: LayerMaker) -> object:
        found.append((small.shape[1], large.shape[1]))
        return large

    monkeypatch.setattr(fastgan, "excite", excite)
    z = keras.Input((4,))
    assert fastgan.decoder(z, (size, size, 3), LayerMaker(0, 2)).shape == (None, size, size, 3)
    assert found == pairs


@pytest.mark.parametrize(
    ("size", "part", "whole", "logits", "image"),
    [
        ((256, 256), (16, 16), (8, 8), (5, 5), (128, 128)),  # the paper's
        ((64, 64), (16, 16), (8, 8), (5, 5), (32, 32)),
        ((32, 32), (16, 16), (8, 8), (5, 5), (16, 16)),
        ((48, 32), (24, 16), (12, 8), (9, 5), (24, 16)),
        ((8, 8), (4, 4), (2, 2), (1, 1), (4, 4)),
        ((25, 33), (13, 17), (7, 9), (4, 6), (14, 18)),
    ],
)
def test_maps_of_the_discriminator_and_images_of_the_decoders(
    size: tuple[int, int],
    part: tuple[int, int],
    whole: tuple[int, int],
    logits: tuple[int, int],
    image: tuple[int, int],
) -> None:
    model = fastgan.discriminator((*size, 3), LayerMaker(1, 2, norm="batch"), packing=2)
    assert model.input_shape == (None, *size, 6)
    found = {name: tuple(each.shape[1:3]) for name, each in model.output.items()}
    assert found == {"logits": logits, "part": part, "whole": whole}
    assert model.output["logits"].shape[-1] == 1
    images = fastgan.decoders(model, LayerMaker(2, 2)).output
    assert {tuple(each.shape[1:]) for each in images.values()} == {(*image, 6)}
