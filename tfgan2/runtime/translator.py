"""A translator in an exported file: images from images."""

from __future__ import annotations

import numpy as np
from PIL import Image

from tfgan2.errors import UserError
from tfgan2.images import from_uint8, to_pil, to_uint8
from tfgan2.images.files import NO_RANGES, UnreadableImageError, fit
from tfgan2.images.masks import check_hidden, marked
from tfgan2.images.ranges import Ranges
from tfgan2.runtime.backends import Inputs, Model


class Translator:
    """Makes images from images: translates, enlarges, or fills what a mask hides.

    Attributes:
        metadata: description of the file; docs/export.md lists the fields.
        size: (height, width) of the input images, or None for any.
        channels: of the input images.
        scale: size of the output relative to the input.
        takes_mask: whether it fills what a mask hides.
        ranges: the values of the inputs that become black and white, by kind of file, see
            `tfgan2.images.files.fit`.
        batch: number of images that the model makes at once, None where that is free.
    """

    def __init__(self, model: Model) -> None:
        self.metadata = metadata = model.metadata
        shapes = {item["name"]: item["shape"] for item in metadata["inputs"]}
        _, height, width, self.channels = shapes["input"]
        self.size: tuple[int, int] | None = None if height is None else (height, width)
        self.scale: int = metadata.get("scale", 1)
        self.takes_mask = "mask" in shapes
        self.ranges: Ranges = metadata.get("input_ranges", {})
        self.batch: int | None = metadata["batch"]
        self._multiple: int = metadata.get("multiple", 1)
        self._least: int = metadata.get("least", 1)
        # One at a time where the batch is free: images may be large.
        self._model = Model(model.backend, {**metadata, "batch": self.batch or 1})

    def __call__(self, images: np.ndarray, masks: np.ndarray | None = None) -> np.ndarray:
        """Makes images.

        Args:
            images: float32 in [-1, 1], or uint8, shape (N, H, W, C). Any H and W work where the
                size is free: the borders are mirrored up to the sizes that the model needs.
            masks: 1 where to fill and 0 elsewhere, shape (N, H, W, 1); only with `takes_mask`.

        Returns:
            float32 in [-1, 1], shape (N, scale * H, scale * W, output channels).

        Raises:
            UserError: another shape, missing or superfluous masks, or one that hides nothing or
                everything, or has other values.
        """
        images = np.asarray(images)
        if images.dtype == np.uint8:
            images = from_uint8(images)
        if images.ndim != 4 or images.shape[-1] != self.channels or not images.size:
            raise UserError(
                f"images must have the shape (N, height, width, {self.channels}), not "
                f"{images.shape}"
            )
        height, width = images.shape[1:3]
        if self.size not in (None, (height, width)):
            raise UserError(
                f"this file takes images of {self.size[0]}x{self.size[1]}, not {height}x{width}: "
                "fit them, or export with `tfgan2 export --dynamic-size`"
            )
        if (masks is None) == self.takes_mask:
            raise UserError(f"this file {'needs' if self.takes_mask else 'takes no'} masks")
        inputs = {"input": images}
        if masks is not None:
            masks = np.asarray(masks)
            if masks.shape != (shape := (*images.shape[:3], 1)):
                raise UserError(f"masks must have the shape {shape}, not {masks.shape}")
            others = masks[(masks != 0) & (masks != 1)]
            if others.size:
                raise UserError(f"masks must be 1 where to fill and 0 elsewhere, not {others[0]:g}")
            check_hidden(masks)
            inputs["mask"] = masks
        padded_height, padded_width = self.padded_size(height, width)
        borders = ((0, 0), (0, padded_height - height), (0, padded_width - width), (0, 0))
        outputs = self._model(
            {
                name: np.pad(np.asarray(array, np.float32), borders, mode="symmetric")
                for name, array in inputs.items()
            }
        )
        return outputs[:, : self.scale * height, : self.scale * width]

    def padded_size(self, height: int, width: int) -> tuple[int, int]:
        """Returns the size at which the model runs images of a size that it takes."""
        if self.size is not None:
            return height, width
        height, width = max(height, self._least), max(width, self._least)
        return height + -height % self._multiple, width + -width % self._multiple

    def run(self, inputs: Inputs) -> np.ndarray:
        """Makes images from what `prepare` returned, or several of the same size."""
        return self(**inputs)

    def translate(
        self,
        image: Image.Image,
        mask: Image.Image | None = None,
        *,
        invert_mask: bool | None = None,
    ) -> tuple[Image.Image, Image.Image]:
        """Makes one image from one image, both of Pillow.

        Args:
            image: of any mode and size; where the size is fixed, the centre is cut out and
                scaled, as in training.
            mask: of the same size; what it marks is filled, see `tfgan2.images.masks.marked`.
                Default: the middle; only with `takes_mask`.
            invert_mask: True fills what the mask does not mark. None fills what it marks, unless
                that is more than half of the image.

        Returns:
            The input as the model took it, and the output.

        Raises:
            UserError: a mask that is superfluous, of another size, or unclear, one that hides
                nothing or everything, or values that have no meaning as brightness.
        """
        inputs = self.prepare(image, mask, invert_mask=invert_mask)
        output = finish(self(**inputs), **inputs)
        (pixels,) = inputs["images"]
        if "masks" in inputs:
            pixels = np.where(inputs["masks"][0], np.uint8(128), pixels)
        return to_pil(pixels), output

    def prepare(
        self,
        image: Image.Image,
        mask: Image.Image | None = None,
        *,
        invert_mask: bool | None = None,
    ) -> dict[str, np.ndarray]:
        """Returns the arguments of a call for those of `translate`; its errors are the same.

        `images` are uint8, shape (1, H, W, C), and `masks` bool, shape (1, H, W, 1).
        """
        inputs = {"images": self._pixels("image", image, self.channels, self.ranges)}
        if mask is not None and not self.takes_mask:
            raise UserError("this file takes no mask: leave it out")
        if mask is None and invert_mask is not None:
            raise UserError("there is no mask to invert: give one")
        if self.takes_mask:
            if mask is None:
                mask = middle_mask(image)
            elif mask.size != image.size:
                raise UserError(
                    f"the mask is {mask.width}x{mask.height}, the image "
                    f"{image.width}x{image.height}: give a mask of the same size"
                )
            else:
                mask = Image.fromarray(marked(mask, invert=invert_mask))
            inputs["masks"] = self._pixels("mask", mask, 1) > 127
            fitted = self.size is not None and image.size != self.size[::-1]
            check_hidden(inputs["masks"], " in the middle part that is used" * fitted)
        return inputs

    def _pixels(
        self, name: str, image: Image.Image, channels: int, ranges: Ranges = NO_RANGES
    ) -> np.ndarray:
        """Returns uint8, shape (1, H, W, channels)."""
        try:
            return fit(image, size=self.size, channels=channels, ranges=ranges)[None]
        except UnreadableImageError as error:
            raise UserError(f"the {name} cannot be used: {error}") from error


def finish(outputs: np.ndarray, images: np.ndarray, masks: np.ndarray | None = None) -> Image.Image:
    """Turns the output of a call into an image; the rest is from `prepare`."""
    made = to_uint8(outputs)
    # Pixels outside the mask are those of the input: a round trip through [-1, 1] could differ.
    return to_pil((made if masks is None else np.where(masks, made, images))[0])


def middle_mask(image: Image.Image) -> Image.Image:
    """Returns a mask that hides the middle, half as wide and high as the image."""
    width, height = image.size
    mask = Image.new("L", image.size, 0)
    mask.paste(255, (width // 4, height // 4, width - width // 4, height - height // 4))
    return mask
