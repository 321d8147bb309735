"""How good images are, in figures that say what they can be compared with.

Imports no TensorFlow until features are made.
"""

from tfgan2.evaluation.evaluate import METRICS, Evaluation, check_metrics, evaluate
from tfgan2.evaluation.extractor import Extracted, Extractor
from tfgan2.evaluation.features import FEATURES, check_features, extractor_for, make_extractor
from tfgan2.evaluation.figures import FIGURES, Figure
from tfgan2.evaluation.references import Cache, cache_folder
from tfgan2.evaluation.report import read_all, write

__all__ = [
    "FEATURES",
    "FIGURES",
    "METRICS",
    "Cache",
    "Evaluation",
    "Extracted",
    "Extractor",
    "Figure",
    "cache_folder",
    "check_features",
    "check_metrics",
    "evaluate",
    "extractor_for",
    "make_extractor",
    "read_all",
    "write",
]
