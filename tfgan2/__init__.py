"""Image GANs in TensorFlow, from a dataset's name to a verified file on a phone.

Importing this package imports no TensorFlow; what needs it is loaded when first used. Once Keras is
imported, before or after, `keras.models.load_model` knows the flavours.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfgan2.api import fit, open_run
    from tfgan2.data import load_dataset
    from tfgan2.registry import create
    from tfgan2.runtime import load

__version__ = "0.1.0"

# name -> module that defines it
_LAZY = {
    "create": "tfgan2.registry",
    "fit": "tfgan2.api",
    "load": "tfgan2.runtime",
    "load_dataset": "tfgan2.data",
    "open_run": "tfgan2.api",
}

__all__ = ["__version__", "create", "fit", "load", "load_dataset", "open_run"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'tfgan2' has no attribute {name!r}")


def _register() -> None:
    import_module("tfgan2.registry").register_with_keras()


class _AfterKeras(MetaPathFinder):
    """Calls `_register` when Keras has been imported."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "keras":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module: Any) -> None:
                execute(module)
                _register()

            spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec


if "keras" in sys.modules:
    _register()
else:
    sys.meta_path.insert(0, _AfterKeras())
