"""Images as arrays and as files, with NumPy and Pillow only: the runtime uses this room too."""

from tfgan2.images.arrays import (
    encode_grid,
    encode_png,
    enlarged,
    from_uint8,
    grid,
    is_points,
    joined,
    resize_matrix,
    save_grid,
    scale_for,
    side_by_side,
    to_pil,
    to_uint8,
)
from tfgan2.images.samples import check_output, sample_arrays, save_samples

__all__ = [
    "check_output",
    "encode_grid",
    "encode_png",
    "enlarged",
    "from_uint8",
    "grid",
    "is_points",
    "joined",
    "resize_matrix",
    "sample_arrays",
    "save_grid",
    "save_samples",
    "scale_for",
    "side_by_side",
    "to_pil",
    "to_uint8",
]
