"""How good generated images are, judged by features of them. TensorFlow is loaded when needed."""

from tfgan2.evaluation.extractor import Extracted, Extractor
from tfgan2.evaluation.features import FEATURES, make_extractor
from tfgan2.evaluation.references import Cache, cache_folder

__all__ = ["FEATURES", "Cache", "Extracted", "Extractor", "cache_folder", "make_extractor"]
