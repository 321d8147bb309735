"""Flavours: one file each, and the game, options and base classes that they share.

The classes are imported, and TensorFlow with them, when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tfgan2.registry import FLAVOURS

_BASES = {
    "AdversarialModel": "tfgan2.models.game",
    "ConditionalGAN": "tfgan2.models.latent",
    "GenerativeModel": "tfgan2.models.base",
    "LatentGAN": "tfgan2.models.latent",
    "LatentModel": "tfgan2.models.latent",
    "TranslationGAN": "tfgan2.models.translation",
    "TranslationModel": "tfgan2.models.translation",
}
_CLASSES = {**_BASES, **{each.class_name: each.module for each in FLAVOURS.values()}}
__all__ = sorted(_CLASSES)


def __getattr__(name: str) -> Any:
    if name not in _CLASSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_CLASSES[name]), name)
