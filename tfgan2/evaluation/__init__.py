"""Evaluation: compares generated images with real ones and says which figures are comparable.

Imports no TensorFlow before features are extracted.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tfgan2.evaluation.available import METRICS, check_metrics
from tfgan2.evaluation.features import FEATURES, check_features
from tfgan2.evaluation.figures import FIGURES, Figure

if TYPE_CHECKING:
    from tfgan2.evaluation.request import EvaluationRequest, evaluate_source
    from tfgan2.evaluation.result import Evaluation, read_results

# Imported when first used: the command line's help is to answer at once.
_LAZY = {
    "Evaluation": "result",
    "EvaluationRequest": "request",
    "evaluate_source": "request",
    "read_results": "result",
}

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


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
