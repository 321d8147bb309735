"""Evaluation: compares generated images with real ones and says which figures are comparable.

Imports no TensorFlow before features are extracted.
"""

from tfgan2.evaluation.features import FEATURES
from tfgan2.evaluation.figures import FIGURES, check_best
from tfgan2.evaluation.request import EvaluationRequest
from tfgan2.evaluation.result import Evaluation, read_results
