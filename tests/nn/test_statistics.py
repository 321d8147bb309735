"""Standing statistics of batch norms."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tfgan2.nn.layers import SpectralNormalization
from tfgan2.nn.statistics import batch_norms, recompute_statistics


def network() -> keras.Model:
    inputs = keras.Input((3,))
    x = SpectralNormalization(keras.layers.Dense(4))(inputs)
    x = keras.layers.BatchNormalization(momentum=0.9)(x)
    inner_input = keras.Input((4,))
    inner = keras.Model(inner_input, keras.layers.BatchNormalization()(inner_input))
    return keras.Model(inputs, inner(keras.layers.Dense(4)(x)))


def test_means_over_batches() -> None:
    model = network()
    norms = batch_norms(model)
    assert len(norms) == 2
    before = [w.numpy() for w in model.weights]
    rng = np.random.default_rng(0)
    batches = [rng.normal(1.0, 2.0, size=(50, 3)).astype(np.float32) for _ in range(5)]
    recompute_statistics(model, batches)
    features = keras.Model(model.inputs, norms[0].input)
    each = [features(batch).numpy() for batch in batches]
    mean = np.mean([x.mean(axis=0) for x in each], axis=0)
    variance = np.mean([x.var(axis=0) for x in each], axis=0)
    np.testing.assert_allclose(norms[0].moving_mean, mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(norms[0].moving_variance, variance, rtol=1e-4)
    # The second one normalizes what the batches of the first gave.
    assert np.abs(norms[1].moving_variance - 1.0).max() > 0.01
    # All else is as it was.
    statistics = {id(w) for norm in norms for w in norm.non_trainable_weights}
    for weight, value in zip(model.weights, before, strict=True):
        if id(weight) not in statistics:
            np.testing.assert_array_equal(weight, value)
    assert [norm.momentum for norm in norms] == [0.9, 0.99]
    assert len(model.trainable_weights) == 8


@pytest.mark.slow
def test_they_are_those_of_long_averages_with_the_same_weights() -> None:
    """Moving averages of many training passes come to the same statistics."""
    model, other = network(), network()
    other.set_weights(model.get_weights())
    rng = np.random.default_rng(0)
    batches = [rng.normal(size=(64, 3)).astype(np.float32) for _ in range(100)]
    recompute_statistics(model, batches)
    other.layers[1].trainable = False  # spectral norm as it is
    for layer in batch_norms(other):
        layer.momentum = 0.98
    for batch in batches * 3:
        other(batch, training=True)
    for norm, average in zip(batch_norms(model), batch_norms(other), strict=True):
        np.testing.assert_allclose(norm.moving_mean, average.moving_mean, atol=0.05)
        np.testing.assert_allclose(norm.moving_variance, average.moving_variance, rtol=0.1)
