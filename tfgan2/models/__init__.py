"""Flavours: one file each, and the game, options and base classes that they share.

The classes, each in the module that `MODULES` says, are imported when they are first used, and
TensorFlow with them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tfgan2.registry import FLAVOURS

MODULES = {
    "AdversarialModel": "tfgan2.models.game",
    "ConditionalGAN": "tfgan2.models.latent_gan",
    "GenerativeModel": "tfgan2.models.base",
    "LatentGAN": "tfgan2.models.latent_gan",
    "LatentModel": "tfgan2.models.latent",
    "TranslationGAN": "tfgan2.models.translation",
    "TranslationModel": "tfgan2.models.translation",
}
MODULES |= {name: module for module, name in (each.split(":") for each in FLAVOURS.values())}
__all__ = sorted(MODULES)


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(MODULES[name]), name)
