"""The flavours by name. Imports no TensorFlow until a flavour's class is asked for.

A flavour of this package is one line in `FLAVOURS`. Another package adds its own by an entry point
in the group `tfgan2.flavours`, name -> "module:Class".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from tfgan2.errors import UserError, unknown

if TYPE_CHECKING:
    from tfgan2.models.base import GenerativeModel

ENTRY_POINT_GROUP = "tfgan2.flavours"


@dataclass(frozen=True)
class Flavour:
    """Where a flavour is and what it is.

    Attributes:
        target: "module:Class".
        summary: one line.
        paper: authors, year and arXiv number.
    """

    target: str
    summary: str = ""
    paper: str = ""

    @property
    def module(self) -> str:
        return self.target.partition(":")[0]

    @property
    def class_name(self) -> str:
        return self.target.partition(":")[2]


FLAVOURS: dict[str, Flavour] = {
    "dcgan": Flavour(
        "tfgan2.models.dcgan:DCGAN",
        "deep convolutional GAN: strided convolutions and batch norm",
        "Radford et al. 2015, arXiv:1511.06434",
    ),
}


@cache
def flavours() -> dict[str, Flavour]:
    """All flavours by name, those of other packages included; ours win a clash of names."""
    found = {
        entry.name: Flavour(entry.value, summary=f"from {entry.dist.name if entry.dist else '?'}")
        for entry in entry_points(group=ENTRY_POINT_GROUP)
    }
    return {**found, **FLAVOURS}


def find(name: str) -> Flavour:
    """The flavour of that name.

    Raises:
        UserError: no flavour has it; the message offers the closest names.
    """
    try:
        return flavours()[name]
    except KeyError:
        raise unknown("flavour", name, flavours()) from None


def load_class(name: str) -> type[GenerativeModel]:
    """The flavour's class; imports TensorFlow.

    Raises:
        UserError: no flavour has that name, or its module does not define the class.
    """
    flavour = find(name)
    try:
        return getattr(import_module(flavour.module), flavour.class_name)
    except (ImportError, AttributeError) as error:
        if name in FLAVOURS:
            raise
        raise UserError(f"flavour {name!r} ({flavour.target}) cannot be loaded: {error}") from error


def create(name: str, **hyperparameters: Any) -> GenerativeModel:
    """Makes a model.

    Args:
        name: a flavour, for example "dcgan"; `tfgan2 models` lists them.
        **hyperparameters: the arguments of its constructor, at least `image_shape`, (height, width,
            channels); `tfgan2 info NAME` lists them.

    Returns:
        A `tf.keras.Model`, built but not compiled.

    Raises:
        UserError: an unknown flavour or hyperparameter, or a value that is not possible.
    """
    cls = load_class(name)
    cls.check_names(hyperparameters)
    return cls(**hyperparameters)
