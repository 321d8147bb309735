"""Image GANs in TensorFlow, from a dataset's name to a verified file on a phone.

Importing this package imports no TensorFlow; what needs it is loaded when first used. Once Keras is
imported, before or after, `keras.models.load_model` knows the flavours.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tfgan2 import startup
from tfgan2.keras_model import registration

if TYPE_CHECKING:
    from tfgan2.api import distill, fit, open_run
    from tfgan2.data import load_dataset
    from tfgan2.registry import create
    from tfgan2.runtime import load

__version__ = "0.2.0"

# name -> module that defines it
_LAZY = {
    "create": "tfgan2.registry",
    "distill": "tfgan2.api",
    "fit": "tfgan2.api",
    "load": "tfgan2.runtime",
    "load_dataset": "tfgan2.data",
    "open_run": "tfgan2.api",
}

_WITH_TENSORFLOW = ("create", "load_dataset")

__all__ = ["__version__", "create", "distill", "fit", "load", "load_dataset", "open_run"]


if not TYPE_CHECKING:  # type checkers would take any name for one of the package

    def __getattr__(name: str) -> Any:
        if name in _LAZY:
            if name in _WITH_TENSORFLOW and "tensorflow" not in sys.modules:
                startup.load()  # without its messages, which would fill a notebook
            return getattr(import_module(_LAZY[name]), name)
        raise AttributeError(f"module 'tfgan2' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})  # help() and completion find the names that are not loaded


registration.register_after_keras()
