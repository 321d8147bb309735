"""Exports generators as SavedModel, TFLite and ONNX, each verified against Keras.

Importing this package imports no TensorFlow; the functions that export do.
"""

from tfgan2.export.exporting import (
    export_generator,
    export_networks,
    export_run,
    model_specs,
    with_samples,
)
from tfgan2.export.folder import Artifact
from tfgan2.export.options import FORMATS, PAGE, PRECISIONS, Options
from tfgan2.export.spec import ExportError, ExportSpec

__all__ = [
    "FORMATS",
    "PAGE",
    "PRECISIONS",
    "Artifact",
    "ExportError",
    "ExportSpec",
    "Options",
    "export_generator",
    "export_networks",
    "export_run",
    "model_specs",
    "with_samples",
]
