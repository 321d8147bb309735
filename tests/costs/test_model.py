"""Counts of models compared with what is known about them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from helpers import batch_for, make_small

from tfgan2.costs.model import count_model, planned_phases
from tfgan2.costs.report import random_batch


def counted(name: str, **hyperparameters: object) -> dict[str, Any]:
    model = make_small(name, **hyperparameters)
    model.compile()
    return count_model(model, batch_for(model))


def test_sizes() -> None:
    model = make_small("gan")
    model.compile()
    cost = count_model(model, batch_for(model))
    trained = [
        sum(np.size(v) for v in network.trainable_variables)
        for network in model.networks().values()
    ]
    assert list(cost["parameters"].values()) == [
        network.count_params() for network in model.networks().values()
    ]
    (phase,) = cost["phases"]
    assert phase["gradient_bytes"] == 4 * sum(trained) and phase["updates"] == 2
    # Adam keeps two moments of each, a count and a learning rate.
    assert cost["optimizer_bytes"] == 2 * 4 * sum(trained) + 2 * (8 + 4)
    assert cost["checkpoint_bytes"] == cost["weight_bytes"] + cost["optimizer_bytes"]
    assert cost["checkpoint_bytes"] == sum(np.asarray(v).nbytes for v in model.state().values())
    assert cost["images_per_step"] == 8
    assert cost["input_bytes_per_image"] == 4 * 8 * 8 + 4  # with a label
    # Counting does not change the model.
    assert all("apply" not in vars(each) for each in model.optimizers.values())
    assert int(model.step) == 0


def test_dense_networks_by_hand() -> None:
    """A step of two fully connected networks, one matrix multiplication after the other."""
    model = make_small("gan", ema_decay=0.0)
    model.compile()
    batch = 8
    cost = count_model(model, batch_for(model, batch))
    sizes = []
    for network in (model.generator, model.discriminator):
        kernels = [w for w in network.trainable_variables if len(w.shape) == 2]
        sizes.append([2 * batch * int(np.prod(kernel.shape)) for kernel in kernels])
    g, d = (sum(each) for each in sizes)
    # G forward. D forward and backward for real and fake, without the gradient of its input. Then
    # D forward, and backward to its input only. G backward without the gradient of its input.
    updated = 2 * (d + d + (d - sizes[1][0]))
    expected = g + updated + (d + d) + (g + g - sizes[0][0])
    assert cost["step"]["flops"] == expected
    assert cost["exports"]["generator"]["flops"] == g / batch


@pytest.mark.slow
def test_every_update_counts() -> None:
    costs = [counted("wgan", d_steps=number, network="mlp") for number in (1, 2, 3)]
    one, two, three = (cost["step"] for cost in costs)
    assert [step["updates"] for step in (one, two, three)] == [2, 3, 4]
    for figure in ("gradient_bytes", "flops"):
        assert three[figure] - two[figure] == two[figure] - one[figure] > 0
    assert [cost["images_per_step"] for cost in costs] == [8, 16, 24]


def test_second_order_gradients_count() -> None:
    plain = counted("wgan", d_steps=1, network="mlp")["step"]["flops"]
    penalised = counted("wgan-gp", d_steps=1, network="mlp")["step"]["flops"]
    assert penalised > 1.3 * plain


def test_half_precision_changes_only_bytes() -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = counted("gan")["step"]
    finally:
        keras.config.set_dtype_policy("float32")
    whole = counted("gan")["step"]
    assert half["flops"] == whole["flops"]
    # The last layers stay in float32.
    assert set(half["flops_by_dtype"]) == {"float16", "float32"}
    assert set(whole["flops_by_dtype"]) == {"float32"}
    assert half["written_bytes"] != whole["written_bytes"]
    for figure in ("updates", "gradient_bytes"):
        assert half[figure] == whole[figure]


@pytest.mark.slow
def test_phases_share_the_steps() -> None:
    model = make_small("srgan", pretrain_steps=None)
    model.plan(100)
    assert list(planned_phases(model).values()) == [0.5, 0.5]
    model.compile()
    cost = count_model(model, random_batch(model, 2))
    first, second = cost["phases"]
    assert second["flops"] > 2 * first["flops"]
    assert (first["updates"], second["updates"], cost["step"]["updates"]) == (1, 2, 1.5)
    assert cost["step"]["flops"] == (first["flops"] + second["flops"]) / 2
