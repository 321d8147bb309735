"""What a flavour is to Keras: compile, fit, predict, callbacks, saving and loading."""

from __future__ import annotations


def registered_name(module: str, name: str) -> str:
    """The name that a class has in a .keras file."""
    return f"{module.partition('.')[0]}>{name}"
