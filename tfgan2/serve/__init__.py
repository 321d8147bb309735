"""Serves an exported file over HTTP: NumPy, onnxruntime or LiteRT, FastAPI; no TensorFlow.

from tfgan2.serve import Limits, serve

serve("generator.onnx", port=8000)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tfgan2.errors import UserError
from tfgan2.serve.limits import Limits

if TYPE_CHECKING:
    from tfgan2.serve.app import create_app
    from tfgan2.serve.server import serve

__all__ = ["Limits", "create_app", "serve"]

# name -> module that defines it, which needs the packages of the extra `serve`
_LAZY = {"create_app": "tfgan2.serve.app", "serve": "tfgan2.serve.server"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'tfgan2.serve' has no attribute {name!r}")
    try:
        return getattr(import_module(_LAZY[name]), name)
    except ModuleNotFoundError as error:
        raise UserError(f"tfgan2 serve needs {error.name}: pip install 'tfgan2[serve]'") from None
