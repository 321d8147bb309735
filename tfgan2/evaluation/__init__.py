"""Evaluation: compares generated images with real ones and says which figures are comparable.

Imports no TensorFlow before features are extracted.
"""

from tfgan2.evaluation.available import METRICS, check_metrics
from tfgan2.evaluation.features import FEATURES, check_features
from tfgan2.evaluation.figures import FIGURES, Figure
from tfgan2.evaluation.request import EvaluationRequest, evaluate_source
from tfgan2.evaluation.result import Evaluation, read_results

__all__ = [
    "FEATURES",
    "FIGURES",
    "METRICS",
    "Evaluation",
    "EvaluationRequest",
    "Figure",
    "check_features",
    "check_metrics",
    "evaluate_source",
    "read_results",
]
