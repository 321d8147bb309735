"""How good samples are. NumPy only, no TensorFlow, no weights to download."""

from tfgan2.metrics.features import RANDOM_CONVOLUTIONS, random_convolutions
from tfgan2.metrics.frechet import Statistics, frechet_distance, statistics
from tfgan2.metrics.psnr import PSNR_LIMIT, psnr

__all__ = [
    "PSNR_LIMIT",
    "RANDOM_CONVOLUTIONS",
    "Statistics",
    "frechet_distance",
    "psnr",
    "random_convolutions",
    "statistics",
]
