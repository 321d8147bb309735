"""Batch statistics of a network: those that batch norms normalize with outside of training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras


def batch_norms(network: keras.Model) -> list[keras.layers.BatchNormalization]:
    """Returns the batch norms of a network, those of networks within it included."""
    layers = network._flatten_layers()
    return [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]


def copied(network: keras.Model) -> keras.Model:
    """Returns a network with copies of all weights."""
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    return copy


def recompute_statistics(network: keras.Model, batches: Iterable[Any]) -> None:
    """Sets the statistics of all batch norms to their means over batches of inputs.

    These are the standing statistics of Brock et al. 2019 (arXiv:1809.11096). Kernels with spectral
    norm stay as they are.
    """
    norms = batch_norms(network)
    before = [(layer, layer.trainable) for layer in network._flatten_layers()]
    momenta = [norm.momentum for norm in norms]
    try:
        network.trainable = False
        for norm in norms:
            norm.trainable = True  # else Keras does not change its statistics
        for count, inputs in enumerate(batches):
            for norm in norms:
                norm.momentum = count / (count + 1)
            network(inputs, training=True)
    finally:
        for layer, trainable in before:
            layer.trainable = trainable
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
