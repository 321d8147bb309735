"""Sizes of features, from the image down. Imports no TensorFlow."""

from __future__ import annotations

from tfgan2.errors import UserError

Size = tuple[int, int]
"""Height and width."""


def sizes_down(size: Size, smallest: int) -> list[Size]:
    """The sizes from `size` down, each half of the one before, rounded up.

    The smaller edge of the last one is at most `smallest`. Example: sizes_down((28, 42), 7) is
    [(28, 42), (14, 21), (7, 11)].
    """
    sizes = [size]
    while min(sizes[-1]) > smallest:
        height, width = sizes[-1]
        sizes.append((-(-height // 2), -(-width // 2)))
    return sizes


def residual_blocks(image_shape: tuple[int, int, int]) -> int:
    """Blocks of the generators of resnet, pyramid and biggan: each doubles 4 to 7 pixels."""
    return len(sizes_down(image_shape[:2], 7)) - 1


def attention_edges(image_shape: tuple[int, int, int]) -> list[int]:
    """Larger edges of the features that self-attention may be added to, the largest first."""
    return [max(size) for size in sizes_down(image_shape[:2], 7)[1:-1]]


def halvings(image_shape: tuple[int, int, int], network: str) -> int:
    """Returns how often a network halves an image: until its smaller edge has 4 to 7 pixels.

    Raises:
        UserError: an edge does not halve that often; names the network.
    """
    height, width, _ = image_shape
    count = max(0, (min(height, width) // 4).bit_length() - 1)
    if height % 2**count or width % 2**count:
        raise UserError(
            f"{network} makes images of about this size with edges that are multiples of "
            f"{2**count}, not {height}x{width}: give --image-size"
        )
    return count
