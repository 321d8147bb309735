"""Masks of a translator, as arrays and as images."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tfgan2.errors import UserError
from tfgan2.runtime.backends import Model
from tfgan2.runtime.translator import Translator

INPUTS = [
    {"name": "input", "shape": [None, 8, 8, 1]},
    {"name": "mask", "shape": [None, 8, 8, 1]},
]
BOX = np.zeros((8, 8), np.uint8)
BOX[2:5, 3:6] = 1


@pytest.fixture
def translator() -> Translator:
    """Paints what is hidden white."""
    metadata = {"inputs": INPUTS, "outputs": [{"name": "image"}], "batch": None}
    return Translator(Model(lambda inputs: {"image": 2 * inputs["mask"] - 1}, metadata))


def black(count: int) -> np.ndarray:
    return np.zeros((count, 8, 8, 1), np.uint8)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_masks_of_zero_and_one(translator: Translator, dtype: type) -> None:
    masks = BOX[None, ..., None].astype(dtype)
    np.testing.assert_array_equal(translator(black(1), masks) > 0, masks != 0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (BOX * 255, "must be 1 where to fill and 0 elsewhere, not 255"),
        (BOX * 0.5, "elsewhere, not 0.5"),
        (np.where(BOX, np.nan, 0.0), "elsewhere, not nan"),
        (BOX * 0, "^mask 1 of 2 hides nothing: "),
        (BOX * 0 + 1, "^mask 1 of 2 hides everything: "),
    ],
)
def test_masks_that_are_none(translator: Translator, values: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        translator(black(2), np.stack([BOX, values])[..., None])


def test_small_images_are_mirrored_to_the_least_size() -> None:
    sizes = []

    def backend(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        sizes.append(inputs["input"].shape[1:3])
        return {"image": inputs["input"]}

    metadata = {
        "inputs": [{"name": "input", "shape": [None, None, None, 1]}],
        "outputs": [{"name": "image"}],
        "batch": None,
        "multiple": 4,
        "least": 8,
    }
    translator = Translator(Model(backend, metadata))
    for shape in ((1, 3), (8, 9)):
        image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        _, made = translator.translate(Image.fromarray(image))
        np.testing.assert_array_equal(made, image)
    assert sizes == [(8, 8), (8, 12)]


def test_a_mask_is_used_where_the_image_is(translator: Translator) -> None:
    image, mask = Image.new("L", (24, 8)), Image.new("1", (24, 8))
    mask.paste(1, (0, 0, 6, 6))
    with pytest.raises(UserError, match="hides nothing in the middle part that is used: draw"):
        translator.translate(image, mask)
    mask.paste(1, (10, 2, 12, 5))
    taken, made = translator.translate(image, mask)
    assert np.asarray(made)[2:5, 2:4].min() == 255 and np.asarray(made).sum() == 6 * 255
    assert np.asarray(taken)[2:5, 2:4].min() == 128
    _, rest = translator.translate(image, mask, invert_mask=True)
    np.testing.assert_array_equal(np.asarray(rest), 255 - np.asarray(made))
    with pytest.raises(UserError, match="no mask to invert"):
        translator.translate(image, invert_mask=False)
