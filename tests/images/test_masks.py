"""Masks as people have them mean what they look like."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from tfgan2.errors import UserError
from tfgan2.images.masks import LargeMaskError, check_hidden, marked

MARKS = np.zeros((32, 32), bool)
MARKS[4:16, 10:22] = True
GREY = MARKS.astype(np.uint8)
CLEAR, BLACK, WHITE = (0, 0, 0, 0), (0, 0, 0, 255), (255, 255, 255, 255)


def painted(mode: str, ground: object, stroke: object) -> Image.Image:
    image = Image.new(mode, MARKS.shape[::-1], ground)
    image.paste(stroke, (10, 4, 22, 16))
    return image


def saved(image: Image.Image, kind: str, **options: object) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return Image.open(buffer)


def palette(*colours: tuple[int, int, int], **options: object) -> Image.Image:
    image = Image.frombytes("P", MARKS.shape[::-1], GREY.tobytes())
    image.putpalette([value for colour in colours for value in colour])
    return saved(image, "PNG", **options)


def shades() -> Image.Image:
    """An image with as many shades as a photograph."""
    ramp = np.add.outer(np.arange(32), np.arange(32)) * 4
    return Image.fromarray(np.dstack([ramp, ramp[::-1], ramp.T]).astype(np.uint8))


def erased(image: Image.Image) -> Image.Image:
    image.putalpha(Image.fromarray(np.where(MARKS, 0, 255).astype(np.uint8)))
    return image


MASKS: dict[str, Callable[[], Image.Image]] = {
    "0 and 1": lambda: Image.fromarray(GREY),
    "0 and 255": lambda: Image.fromarray(GREY * 255),
    "1 bit": lambda: Image.fromarray(MARKS),
    "16 bits of 0 and 1": lambda: Image.fromarray(GREY.astype(np.uint16)),
    "16 bits of 0 and 255": lambda: Image.fromarray(GREY.astype(np.uint16) * 255),
    "16 bits of 0 and 65535": lambda: Image.fromarray(GREY.astype(np.uint16) * 65535),
    "32 bits": lambda: Image.fromarray(GREY.astype(np.int32)),
    "floats of 0 and 1": lambda: Image.fromarray(GREY.astype(np.float32)),
    "floats of 0 and 255": lambda: Image.fromarray(GREY.astype(np.float32) * 255),
    "RGBA of 0 and 1": lambda: Image.fromarray(np.dstack([GREY] * 3 + [np.ones_like(GREY)])),
    "palette": lambda: palette((0, 0, 0), (255, 255, 255)),
    "palette of classes": lambda: palette((0, 0, 0), (128, 0, 0)),
    "palette with a transparent colour": lambda: palette((255,) * 3, (0,) * 3, transparency=0),
    "grey on black": lambda: painted("L", 0, 128),
    "white on grey": lambda: painted("L", 100, 255),
    "red on black": lambda: painted("RGB", "black", "red"),
    "dark blue on black": lambda: painted("RGB", "black", (0, 0, 64)),
    "red on white": lambda: painted("RGB", "white", "red"),
    "red on transparent": lambda: painted("RGBA", CLEAR, (255, 0, 0, 255)),
    "half of red on transparent": lambda: painted("RGBA", CLEAR, (255, 0, 0, 100)),
    "white on transparent": lambda: painted("RGBA", CLEAR, WHITE),
    "white on transparent white": lambda: painted("RGBA", (255, 255, 255, 0), WHITE),
    "black on transparent": lambda: painted("RGBA", CLEAR, BLACK),
    "white on black, all of it opaque": lambda: painted("RGBA", BLACK, WHITE),
    "grey with transparency": lambda: painted("LA", (0, 0), (255, 255)),
    "CMYK": lambda: painted("RGB", "black", "white").convert("CMYK"),
    "HSV": lambda: painted("RGB", "black", "red").convert("HSV"),
    "WebP, transparent": lambda: saved(painted("RGBA", CLEAR, WHITE), "WEBP", quality=50),
    "GIF, transparent": lambda: saved(painted("RGBA", CLEAR, BLACK), "GIF"),
    "JPEG, white on black": lambda: saved(painted("L", 0, 255), "JPEG", quality=40),
    "JPEG, red on black": lambda: saved(painted("RGB", "black", "red"), "JPEG", quality=40),
}


@pytest.mark.parametrize("kind", MASKS)
def test_what_is_marked(kind: str) -> None:
    mask = MASKS[kind]()
    np.testing.assert_array_equal(marked(mask), MARKS)
    np.testing.assert_array_equal(marked(mask, invert=True), ~MARKS)


def test_a_jpeg_of_red_on_white_is_read_but_for_its_edge() -> None:
    mask = saved(painted("RGB", "white", "red"), "JPEG", quality=40)
    assert (marked(mask) != MARKS).sum() < 48


@pytest.mark.parametrize(
    "mask",
    [
        painted("L", 255, 0),
        palette((255, 255, 255), (0, 0, 0)),
        erased(Image.new("RGB", (32, 32), "black")),
        erased(shades()),
        painted("RGB", "red", "white"),
    ],
)
def test_most_of_it_marked_must_be_meant(mask: Image.Image) -> None:
    with pytest.raises(LargeMaskError, match="marks 86% of the image: invert_mask=false fills"):
        marked(mask)
    np.testing.assert_array_equal(marked(mask, invert=False), ~MARKS)
    np.testing.assert_array_equal(marked(mask, invert=True), MARKS)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (shades(), "has many shades"),
        (shades().convert("L"), "has many shades"),
        (painted("RGBA", CLEAR, WHITE), None),
        (Image.fromarray(GREY.astype(np.int32) - 1), "values go from -1 to 0"),
        (Image.fromarray(np.where(MARKS, np.nan, 0).astype(np.float32)), "go from nan to nan"),
    ],
)
def test_what_is_no_mask(mask: Image.Image, message: str | None) -> None:
    if message is None:
        mask.paste(BLACK, (10, 20, 22, 30))  # strokes of both white and black
        message = "light and dark elsewhere"
    with pytest.raises(UserError, match=message):
        marked(mask)


@pytest.mark.parametrize(
    ("mask", "everything"),
    [
        (Image.new("L", (32, 32)), False),
        (Image.new("L", (32, 32), 255), True),
        (Image.new("L", (32, 32), 1), True),
        (Image.fromarray(GREY * 3), False),
        (Image.new("RGBA", (32, 32), (255, 255, 255, 0)), False),
        (Image.fromarray(np.dstack([GREY * 255] * 3 + [GREY * 0])), False),
        (Image.new("RGB", (32, 32), "red"), True),
        (saved(Image.effect_noise((32, 32), 3).point(lambda v: max(0, v - 128)), "JPEG"), False),
    ],
)
def test_nothing_and_everything(mask: Image.Image, everything: bool) -> None:
    marks = marked(mask)
    assert marks.all() == everything and marks.any() == everything
    with pytest.raises(UserError, match="hides " + ("everything" if everything else "nothing")):
        check_hidden(marks[None, ..., None])
