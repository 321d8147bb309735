"""Exports generators as SavedModel, TFLite and ONNX, each verified against Keras.

Importing this package imports no TensorFlow; the functions that export do.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tfgan2.export.artifact import Artifact
from tfgan2.export.formats import FORMATS, PRECISIONS
from tfgan2.export.options import OUTPUTS, PAGE, Options
from tfgan2.export.spec import ExportError, ExportSpec

if TYPE_CHECKING:
    from tfgan2.export.exporting import (
        export_generator,
        export_model,
        export_networks,
        export_run,
    )

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


def __getattr__(name: str) -> Any:
    """Imports the functions when first used: the command line's help is to answer at once."""
    if name in __all__:
        return getattr(import_module("tfgan2.export.exporting"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
