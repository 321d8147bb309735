"""What networks for photographs get of the images: RGB, resized without aliasing or rounding.

Parmar et al. 2022 (arXiv:2104.11222) show how much a distance changes if shrinking aliases, or if
resized values are rounded to bytes. So images are resized as Pillow resizes images of floats:
bicubic, with a kernel that grows as the image shrinks.
"""

from __future__ import annotations

import tensorflow as tf

from tfgan2.errors import UserError
from tfgan2.images import resize_matrix
from tfgan2.nn.resizing import resampled

FORMATS = {1: "grey, repeated to RGB", 3: "RGB", 4: "RGBA, alpha left out"}
"""What is made of images, by their number of channels."""


def check_channels(name: str, channels: int) -> None:
    """Raises a UserError unless the network of this name can be given such images."""
    if channels not in FORMATS:
        raise UserError(
            f"{name} needs grey, RGB or RGBA images, not {channels} channels: choose the features "
            "pixels or random-conv-112"
        )


def rgb(images: tf.Tensor) -> tf.Tensor:
    """Returns uint8 images of any of the `FORMATS` as RGB, float32, from 0 to 255."""
    images = tf.cast(images, tf.float32)
    return tf.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images[..., :3]


def resized(images: tf.Tensor, edge: int) -> tf.Tensor:
    """Resizes images, float32, from 0 to 255, to (B, edge, edge, C); see `resizing`."""
    rows, columns = (resize_matrix(size, edge) for size in images.shape[1:3])
    with tf.device("CPU"):  # a GPU would round to the 10 bits of TensorFloat-32
        return tf.clip_by_value(resampled(images, rows, columns), 0.0, 255.0)


def resizing(edge: int) -> str:
    """Describes `resized` for the protocol."""
    return f"bicubic with antialias in float32, as Pillow, clipped to 0…255, to {edge}x{edge}"
