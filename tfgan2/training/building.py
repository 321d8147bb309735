"""Models ready to train: precision, batch norm over replicas, deterministic kernels."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import keras
import tensorflow as tf

from tfgan2 import registry

if TYPE_CHECKING:
    from tfgan2.models.base import GenerativeModel
    from tfgan2.runs import RunConfig


@contextlib.contextmanager
def precision(policy: str) -> Iterator[None]:
    """Layers made in the block compute with this Keras policy, for example mixed_float16."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def build_model(config: RunConfig) -> GenerativeModel:
    """Builds and compiles the model of a run, with fresh weights."""
    with precision(config.training.precision):
        model = registry.create(config.flavour, **config.hyperparameters)
        if config.training.sync_batch_norm:
            for network in model.networks().values():
                synchronize_batch_norm(network)
        model.compile()
    return model


def synchronize_batch_norm(network: keras.Model) -> None:
    """Makes all batch norm layers take their statistics over the batches of all replicas."""
    for layer in network._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True


def make_deterministic() -> None:
    """Asks for bitwise repeatable GPU kernels; those of the CPU are.

    They are slower, but without them a resumed run would only come close to an uninterrupted one.
    """
    if tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()
