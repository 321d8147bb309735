"""Mixtures of classes: a generator at weighted means of its labels' embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import keras
import numpy as np

from tfgan2.nn.statistics import copied

Run = Callable[[keras.Model, Mapping[str, np.ndarray]], np.ndarray]


def run_mixed(generator: keras.Model, inputs: Mapping[str, np.ndarray], run: Run) -> np.ndarray:
    """Runs a generator between its classes.

    Args:
        generator: a model whose input "label" enters through `Embedding` layers alone.
        inputs: arrays by name, of equal lengths N; "label" are weights of the labels, shape
            (N, num_labels). A weight of 1 for one label gives the images of that label.
        run: computes images from a model and its inputs by name.

    Returns:
        What `run` returns, in the order of the inputs.
    """
    copy, weights = copied(generator), inputs["label"]
    layers = [each for each in copy._flatten_layers() if isinstance(each, keras.layers.Embedding)]
    tables = [layer.embeddings.numpy() for layer in layers]
    rows, which = np.unique(weights, axis=0, return_inverse=True)
    images: dict[int, np.ndarray] = {}
    for number, row in enumerate(rows):
        for layer, table in zip(layers, tables, strict=True):
            layer.embeddings.assign(np.concatenate([row[None] @ table, table[1:]]))
        chosen = np.flatnonzero(which.ravel() == number)
        part = {name: array[chosen] for name, array in inputs.items()}
        made = run(copy, {**part, "label": np.zeros(len(chosen), np.int32)})
        images |= dict(zip(chosen.tolist(), made, strict=True))
    return np.stack([images[index] for index in range(len(weights))])
