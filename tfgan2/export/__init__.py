"""Exports generators as SavedModel, TFLite and ONNX, each verified against Keras.

Importing this package imports no TensorFlow; the functions that export do.
"""

from tfgan2.export.artifact import Artifact
from tfgan2.export.exporting import export_generator, export_model, export_networks, export_run
from tfgan2.export.formats import FORMATS, PRECISIONS
from tfgan2.export.options import OUTPUTS, PAGE, Options
from tfgan2.export.spec import ExportError, ExportSpec

__all__ = [
    "FORMATS",
    "OUTPUTS",
    "PAGE",
    "PRECISIONS",
    "Artifact",
    "ExportError",
    "ExportSpec",
    "Options",
    "export_generator",
    "export_model",
    "export_networks",
    "export_run",
]
