"""Reads an image as a mask: what it marks, as it looks; NumPy and Pillow only."""

from __future__ import annotations

import numpy as np
from PIL import Image

from tfgan2.errors import UserError
from tfgan2.images.files import UnreadableImageError, fit

LEAST_CONTRAST = 32
"""Smaller differences of values in 0…255 are noise, as of JPEG."""
MOST_BETWEEN = 1 / 3
"""Largest fraction of pixels that are neither light nor dark; a photograph has more."""
HOW_TO = "draw what to fill in white on black, or in any colour on a transparent layer"


class LargeMaskError(UserError):
    """A mask marks more than half of an image, so it may mark what to keep.

    Attributes:
        fraction: of the image that is marked.
    """

    def __init__(self, fraction: float) -> None:
        super().__init__(
            f"the mask marks {fraction:.0%} of the image: invert_mask=false fills that, "
            "invert_mask=true fills the rest"
        )
        self.fraction = fraction


def marked(mask: Image.Image, *, invert: bool | None = None) -> np.ndarray:
    """Returns what a mask marks; docs/translate.md lists the kinds of masks.

    Args:
        mask: of any mode. With a transparent background, what is drawn is marked, in whatever
            colour. Without one, what is light or coloured on dark, or coloured on light.
        invert: True returns what is not marked. None returns what is marked, unless that is more
            than half of the image.

    Returns:
        bool, shape (H, W).

    Raises:
        LargeMaskError: more than half is marked and `invert` is None.
        UserError: it has many shades, or values that have no meaning as brightness.
    """
    colours, opacity = _channels(mask)
    brightness = colours.max(axis=-1)
    saturation = brightness - colours.min(axis=-1)
    if layer := _contrast(opacity):
        marks = _upper(opacity)
    else:
        grey = saturation <= _middle(saturation)
        coloured_on_light = _contrast(saturation) and np.median(brightness[grey]) > 127
        values = saturation if coloured_on_light else brightness
        marks = _upper(values) if _contrast(values) else brightness > 127
        marks &= opacity > 0
    fraction = float(marks.mean())
    if invert is None and 0.5 < fraction < 1:
        raise LargeMaskError(fraction)
    if invert is None and layer and np.ptp(brightness[marks]) > 127:
        raise _unclear("is transparent in places, and light and dark elsewhere")
    return ~marks if invert else marks


def check_hidden(masks: np.ndarray, where: str = "") -> None:
    """Raises a UserError if a mask, shape (N, H, W, 1), hides nothing or everything somewhere."""
    for number, mask in enumerate(masks):
        if mask.all() or not mask.any():
            name = f"mask {number} of {len(masks)}" if len(masks) > 1 else "the mask"
            hidden = "everything" if mask.all() else "nothing"
            raise UserError(f"{name} hides {hidden}{where}: {HOW_TO}")


def _channels(mask: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """Returns the colours and the opacity in 0…255, shapes (H, W, channels) and (H, W)."""
    colours: np.ndarray
    if mask.mode in ("I", "F") or mask.mode.startswith("I;16"):
        colours = np.asarray(mask).astype(np.float32)[..., None]
        low, high = colours.min(), colours.max()
        if not (low >= 0 and high < np.inf):  # in this form NaN fails too
            raise UserError(f"the mask cannot be used: its values go from {low:g} to {high:g}")
        top = next((top for top in (1, 255, 65535) if high <= top), high)
        return colours * (255 / top), np.full(colours.shape[:2], 255, np.uint8)
    try:
        pixels = fit(mask, channels=4)
    except UnreadableImageError as error:
        raise UserError(f"the mask cannot be used: {error}") from error
    colours, opacity = pixels[..., :3], pixels[..., 3]
    # In a file of 0 and 1, white is 1.
    colours, opacity = (v * np.uint8(255) if v.max() <= 1 else v for v in (colours, opacity))
    return colours, opacity


def _contrast(values: np.ndarray) -> bool:
    return bool(np.ptp(values) >= LEAST_CONTRAST)


def _middle(values: np.ndarray) -> float:
    return (float(values.min()) + float(values.max())) / 2


def _upper(values: np.ndarray) -> np.ndarray:
    """Returns where values are in the upper half of their range."""
    middle, quarter = _middle(values), float(np.ptp(values)) / 4
    if ((values > middle - quarter) & (values < middle + quarter)).mean() > MOST_BETWEEN:
        raise _unclear("has many shades")
    return values > middle


def _unclear(reason: str) -> UserError:
    return UserError(f"the mask {reason}, so what it marks is not clear: {HOW_TO}")
