"""How good samples are. NumPy only, no TensorFlow, no weights to download."""

from tfgan2.metrics.features import RANDOM_CONVOLUTIONS, random_convolutions
from tfgan2.metrics.frechet import RunningStatistics, Statistics, frechet_distance, statistics
from tfgan2.metrics.inception_score import (
    InceptionScore,
    RunningInceptionScore,
    inception_score,
)
from tfgan2.metrics.kid import KID, kid
from tfgan2.metrics.modes import (
    Modes,
    label_accuracy,
    modes_found,
)
from tfgan2.metrics.neighbours import Neighbours, nearest_neighbours
from tfgan2.metrics.prdc import PRDC, prdc
from tfgan2.metrics.psnr import PSNR_LIMIT, psnr

__all__ = [
    "KID",
    "PRDC",
    "PSNR_LIMIT",
    "RANDOM_CONVOLUTIONS",
    "InceptionScore",
    "Modes",
    "Neighbours",
    "RunningInceptionScore",
    "RunningStatistics",
    "Statistics",
    "frechet_distance",
    "inception_score",
    "kid",
    "label_accuracy",
    "modes_found",
    "nearest_neighbours",
    "prdc",
    "psnr",
    "random_convolutions",
    "statistics",
]
