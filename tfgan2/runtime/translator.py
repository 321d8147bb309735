"""A network that makes images of images, in an exported file."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from tfgan2.errors import UserError
from tfgan2.images import to_pil, to_uint8
from tfgan2.images.files import UnreadableImageError, as_pixels, fit
from tfgan2.runtime.backends import Backend, in_batches


class Translator:
    """Makes images of images.

    Attributes:
        metadata: what the file says of itself.
        size: height and width of the images that it takes, or None for any.
        channels: of the images that it takes.
        scale: how many times as large the images are that it makes.
        takes_mask: whether it fills what a mask hides.
        batch: how many images it makes at once, None where that is free.
    """

    def __init__(self, backend: Backend, metadata: dict[str, Any]) -> None:
        """
        Args:
            backend: runs the file.
            metadata: of the file.
        """
        self.metadata = metadata
        shapes = {item["name"]: item["shape"] for item in metadata["inputs"]}
        _, height, width, self.channels = shapes["input"]
        self.size: tuple[int, int] | None = None if height is None else (height, width)
        self.scale: int = metadata.get("scale", 1)
        self.takes_mask = "mask" in shapes
        self.batch: int | None = metadata["batch"]
        self._multiple: int = metadata.get("multiple", 1)
        self._backend = backend

    def __call__(self, images: np.ndarray, masks: np.ndarray | None = None) -> np.ndarray:
        """Makes images.

        Args:
            images: float32 in [-1, 1], shape (N, H, W, C). Where any size is possible, H and W need
                not be multiples of anything: they are made so by mirroring the borders.
            masks: 1 where to fill and 0 elsewhere, shape (N, H, W, 1); for those that take a mask.

        Returns:
            float32 in [-1, 1], shape (N, scale * H, scale * W, channels made).

        Raises:
            UserError: another shape, or masks that are missing or not wanted.
        """
        images = np.ascontiguousarray(images, np.float32)
        if images.ndim != 4 or images.shape[-1] != self.channels or not images.size:
            raise UserError(
                f"images must be of shape (N, height, width, {self.channels}), not {images.shape}"
            )
        height, width = images.shape[1:3]
        if self.size not in (None, (height, width)):
            raise UserError(
                f"this file takes images of {self.size[0]}x{self.size[1]}, not {height}x{width}: "
                "fit them, or export with --dynamic-size"
            )
        if (masks is None) == self.takes_mask:
            raise UserError("masks are needed" if self.takes_mask else "masks are not wanted here")
        inputs = {"input": images}
        if masks is not None:
            if masks.shape != (*images.shape[:3], 1):
                raise UserError(
                    f"the masks must be of shape {(*images.shape[:3], 1)}, not {masks.shape}"
                )
            inputs["mask"] = np.ascontiguousarray(masks, np.float32)
        if self.size is None:
            inputs = {name: _padded(array, self._multiple) for name, array in inputs.items()}
        made = in_batches(self._backend, inputs, "image", self.batch, chunk=1)
        return made[:, : self.scale * height, : self.scale * width]

    def picture(
        self, picture: Image.Image, mask: Image.Image | None = None
    ) -> tuple[Image.Image, Image.Image]:
        """Makes a picture of a picture.

        Args:
            picture: of any mode and size; where the size is fixed, its middle is cut out and
                resized, as in training.
            mask: of the same size, light where to fill; for those that take a mask.

        Returns:
            What was taken, as it went in, and what was made of it.

        Raises:
            UserError: a mask that is missing, not wanted, or of another size, or values that have
                no meaning as brightness.
        """
        pixels, hidden = self.prepare(picture, mask)
        image = pixels[None].astype(np.float32) / 127.5 - 1.0
        made = self(image, None if hidden is None else hidden[None].astype(np.float32))
        taken = pixels if hidden is None else np.where(hidden, np.uint8(128), pixels)
        return to_pil(taken), finish(made[0], pixels, hidden)

    def prepare(
        self, picture: Image.Image, mask: Image.Image | None = None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """What `picture` does before it runs the model; the arguments are the same.

        Returns:
            The pixels that go in, uint8, shape (H, W, C), and what is to be filled, bool, shape
            (H, W, 1), or None.

        Raises:
            UserError: a mask of another size, or values that have no meaning as brightness.
        """
        if mask is not None and mask.size != picture.size:
            raise UserError(
                f"the mask is {mask.width}x{mask.height}, the picture "
                f"{picture.width}x{picture.height}: give a mask of the picture's size"
            )
        pixels = self._pixels("picture", picture, self.channels)
        return pixels, None if mask is None else self._pixels("mask", mask, 1) > 127

    def _pixels(self, what: str, picture: Image.Image, channels: int) -> np.ndarray:
        """Uint8, shape (height, width, channels)."""
        try:
            if self.size is None:
                return as_pixels(picture, channels)
            return fit(picture, size=self.size[0], channels=channels)
        except UnreadableImageError as error:
            raise UserError(f"the {what} cannot be used: {error}") from error


def finish(made: np.ndarray, pixels: np.ndarray, hidden: np.ndarray | None) -> Image.Image:
    """The picture that was made.

    Args:
        made: in [-1, 1], shape (H, W, C), as a translator made it.
        pixels: what it was made of, uint8.
        hidden: what was to be filled, bool, shape (H, W, 1), or None.
    """
    shown = to_uint8(made)
    # What is not filled is the very input: no step through [-1, 1] may change it.
    return to_pil(shown if hidden is None else np.where(hidden, shown, pixels))


def middle(picture: Image.Image) -> Image.Image:
    """A mask that hides the middle, half as large as the picture."""
    width, height = picture.size
    mask = Image.new("L", picture.size, 0)
    mask.paste(255, (width // 4, height // 4, width - width // 4, height - height // 4))
    return mask


def _padded(images: np.ndarray, multiple: int) -> np.ndarray:
    """With borders mirrored to the right and below, up to a multiple."""
    missing = [-size % multiple for size in images.shape[1:3]]
    if not any(missing):
        return images
    around = ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0))
    return np.pad(images, around, mode="symmetric")
