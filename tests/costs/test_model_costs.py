"""What is counted of models, by what is known of them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import batch_for, make_small

from tfgan2 import registry
from tfgan2.costs.measuring import made_up_batch, made_up_facts, measure
from tfgan2.costs.model import ModelCost, count_model, planned_phases
from tfgan2.costs.report import Asked, report


def counted(name: str, **hyperparameters: object) -> ModelCost:
    model = make_small(name, **hyperparameters)
    model.compile()
    return count_model(model, batch_for(model))


def test_what_is_kept_and_shared() -> None:
    model = make_small("gan")
    model.compile()
    cost = count_model(model, batch_for(model))
    trained = [
        sum(np.size(v) for v in network.trainable_variables)
        for network in model.networks().values()
    ]
    assert list(cost.parameters.values()) == [
        network.count_params() for network in model.networks().values()
    ]
    (phase,) = cost.phases
    assert phase.gradient_bytes == 4 * sum(trained) and phase.updates == 2
    # Adam keeps two moments of each, a count and a learning rate.
    assert cost.optimizer_bytes == 2 * 4 * sum(trained) + 2 * (8 + 4)
    assert cost.checkpoint_bytes == cost.weight_bytes + cost.optimizer_bytes
    assert cost.checkpoint_bytes == sum(np.asarray(v).nbytes for v in model.state().values())
    assert cost.images_per_step == cost.batch_size == 8
    assert cost.input_bytes == 4 * 8 * 8 + 4  # and a label
    # Counting leaves the model as it was.
    assert all("apply" not in vars(each) for each in model.optimizers_by_name().values())
    assert int(model.step) == 0


def test_dense_networks_by_hand() -> None:
    """The game of two fully connected networks, product by product."""
    model = make_small("gan", ema_decay=0.0)
    model.compile()
    batch = 8
    cost = count_model(model, batch_for(model, batch))
    sizes = []
    for network in (model.generator, model.discriminator):
        kernels = [w for w in network.trainable_variables if len(w.shape) == 2]
        sizes.append([2 * batch * int(np.prod(kernel.shape)) for kernel in kernels])
    g, d = (sum(each) for each in sizes)
    # G forward; D forward and backward for real and fake, but for the gradient of its input;
    # then D and G forward or backward for G: of D no kernel's gradient, of G not its input's.
    updated = 2 * (d + d + (d - sizes[1][0]))
    expected = g + updated + (d + d) + (g + g - sizes[0][0])
    assert cost.phases[0].work.total_flops == expected
    assert cost.exports["generator"].work.total_flops == g / batch


def test_every_update_counts() -> None:
    costs = [counted("wgan", d_steps=number, network="mlp") for number in (1, 2, 3)]
    one, two, three = (cost.phases[0] for cost in costs)
    assert [phase.updates for phase in (one, two, three)] == [2, 3, 4]
    assert three.gradient_bytes - two.gradient_bytes == two.gradient_bytes - one.gradient_bytes > 0
    flops = [phase.work.total_flops for phase in (one, two, three)]
    assert flops[2] - flops[1] == flops[1] - flops[0] > 0
    assert [cost.images_per_step for cost in costs] == [8, 16, 24]


def test_second_order_gradients_count() -> None:
    plain = counted("wgan", d_steps=1, network="mlp").phases[0].work.total_flops
    penalised = counted("wgan-gp", d_steps=1, network="mlp").phases[0].work.total_flops
    assert penalised > 1.3 * plain


def test_half_precision_changes_bytes_alone() -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = counted("gan")
    finally:
        keras.config.set_dtype_policy("float32")
    whole = counted("gan")
    (one,), (other,) = half.phases, whole.phases
    assert one.work.total_flops == other.work.total_flops
    # The last layers stay in float32.
    assert set(one.work.flops) == {"float16", "float32"} and set(other.work.flops) == {"float32"}
    assert one.work.product_bytes < other.work.product_bytes
    assert (one.updates, one.gradient_bytes) == (other.updates, other.gradient_bytes)


def test_phases_share_the_steps() -> None:
    model = make_small("srgan", pretrain_steps=None)
    model.plan(100)
    assert list(planned_phases(model).values()) == [0.5, 0.5]
    model.compile()
    cost = count_model(model, made_up_batch(model, 2))
    first, second = cost.phases
    assert second.work.total_flops > 2 * first.work.total_flops
    assert (first.updates, second.updates, cost.mean.updates) == (1, 2, 1.5)
    assert cost.mean.work.total_flops == (first.work + second.work).total_flops / 2


def test_measured() -> None:
    model = make_small("gan")
    model.compile()
    model.plan(4)
    found = measure(model, batch_for(model), steps=2, xla=False)
    assert found.images_per_second == pytest.approx(8 / found.seconds_per_step)
    assert found.peak_flops > 1e8 and int(model.step) == 4


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.flavours())
def test_every_flavour(name: str) -> None:
    found = report(Asked(name, steps=0))
    step = found["counted"]["step"]
    assert step["flops"] > 0 and step["unsized_ops"] == 0
    assert step["updates"] >= 1 and step["gradient_bytes"] > 0
    assert all(item["flops"] > 0 for item in found["counted"]["exports"].values())


def test_made_up_facts_fit_every_flavour() -> None:
    facts = made_up_facts((32, 32, 3))
    for name in registry.flavours():
        assert registry.load_class(name).data_hyperparameters(facts)["image_shape"] == (32, 32, 3)
