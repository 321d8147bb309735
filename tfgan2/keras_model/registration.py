"""Lets `keras.models.load_model` find the flavours, which it does not import. Imports no Keras."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.util import find_spec
from typing import Any

from tfgan2.keras_model import registered_name

_LAYERS = (
    "tfgan2.nn.layers",
    "tfgan2.nn.convolutions",
    "tfgan2.nn.equalized",
    "tfgan2.nn.resampling",
    "tfgan2.nn.style",
)


class Deferred:
    """Stands for a class in Keras' registry, and imports it to make an object."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def from_config(self, config: dict[str, Any]) -> Any:
        return getattr(import_module(self.module), self.name).from_config(config)


def register() -> None:
    """Lets Keras find the classes of all flavours, and our layers, by their registered names.

    It looks for no module. A class that is imported takes the place of what stands for it.
    """
    import keras

    from tfgan2 import registry

    targets = [value.partition(":")[::2] for value in registry.flavours().values()]
    layers = [(module, name) for module in _LAYERS for name in registry.read_source(module)[0]]
    for module, name in [*targets, *layers]:
        known = keras.saving.get_custom_objects()
        known.setdefault(registered_name(module, name), Deferred(module, name))


class _AfterKeras(MetaPathFinder):
    """Calls `register` when Keras has been imported."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "keras":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module: Any) -> None:
                execute(module)
                register()

            spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec


def register_after_keras() -> None:
    """Calls `register` now if Keras is imported, else as soon as it is."""
    if sys.modules.get("keras") is not None:
        register()
    else:
        sys.meta_path.insert(0, _AfterKeras())
