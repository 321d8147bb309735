"""Measures of sample quality: functions of arrays that need no TensorFlow and no downloads."""

from tfgan2.metrics.classes import RunningInceptionScore, modes_found
from tfgan2.metrics.distances import RunningStatistics, frechet_distance, kid, statistics
from tfgan2.metrics.images import PSNR_LIMIT, RANDOM_CONVOLUTIONS, psnr, random_convolutions
from tfgan2.metrics.neighbours import nearest_neighbours, prdc
