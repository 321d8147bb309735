"""Measures of sample quality: functions of arrays that need no TensorFlow and no downloads."""

from tfgan2.metrics.features import RANDOM_CONVOLUTIONS, random_convolutions
from tfgan2.metrics.frechet import RunningStatistics, Statistics, frechet_distance, statistics
from tfgan2.metrics.inception_score import RunningInceptionScore, inception_score
from tfgan2.metrics.kid import kid
from tfgan2.metrics.modes import modes_found
from tfgan2.metrics.neighbours import nearest_neighbours
from tfgan2.metrics.prdc import prdc
from tfgan2.metrics.psnr import PSNR_LIMIT, psnr

__all__ = [
    "PSNR_LIMIT",
    "RANDOM_CONVOLUTIONS",
    "RunningInceptionScore",
    "RunningStatistics",
    "Statistics",
    "frechet_distance",
    "inception_score",
    "kid",
    "modes_found",
    "nearest_neighbours",
    "prdc",
    "psnr",
    "random_convolutions",
    "statistics",
]
