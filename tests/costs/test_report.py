"""Measured steps, and reports on every flavour."""

import pytest

from tfgan2 import registry
from tfgan2.costs.report import random_data_facts, report


def test_measured() -> None:
    costs = report("gan", (8, 8, 1), batch_size=4, steps=2, xla=False)
    measured = costs["measured"]
    assert measured["images_per_second"] == pytest.approx(4 / measured["seconds_per_step"])
    assert measured["seconds"] == {"": measured["seconds_per_step"]}
    assert measured["steps"] == 2 and not measured["xla"] and measured["peak_flops"] > 1e8


def test_xla_is_named_only_where_it_compiled_the_steps() -> None:
    sizes = {"base_channels": 4, "max_channels": 8, "group_size": 2}
    costs = report("r3gan", (8, 8, 1), batch_size=4, hyperparameters=sizes, steps=1)
    assert not costs["measured"]["xla"]  # its grouped convolutions are slow there


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.flavours())
def test_every_flavour(name: str) -> None:
    counted = report(name, steps=0)["counted"]
    step = counted["step"]
    assert step["flops"] > 0 and step["unsized_ops"] == 0
    assert step["updates"] >= 1 and step["gradient_bytes"] > 0
    assert all(item["flops"] > 0 for item in counted["exports"].values())


def test_random_data_facts_fit_every_flavour() -> None:
    facts = random_data_facts((32, 32, 3))
    for name in registry.flavours():
        assert registry.load_class(name).data_hyperparameters(facts)["image_shape"] == (32, 32, 3)
