"""The model of GPUs, by numbers that can be followed."""

from __future__ import annotations

import pytest

from tfgan2.costs.cards import CARDS, NETWORKS, Card, Network, find_card, find_network
from tfgan2.costs.graph import Work
from tfgan2.costs.model import Phase
from tfgan2.costs.prediction import (
    BOUND,
    CAUTIOUS,
    Assumptions,
    all_reduce_seconds,
    compute_seconds,
    predict,
)
from tfgan2.errors import UserError

CARD = Card("made up", 1e12, 4e12, 2e12, memory=1e11, link=1e10, network="ethernet", source="")
SLOW = Network("made up", 1e9, "")
HALF = Assumptions(compute=0.5, memory=0.5, network=0.5, launch=1e-3, hop=1e-2, fused=False)


def test_products_take_their_flops_or_their_bytes() -> None:
    busy = Work(flops={"float32": 1e12, "float16": 4e12}, products=3, product_bytes=1e11)
    assert compute_seconds(busy, CARD, BOUND) == pytest.approx(1 + 1)
    large = Work(flops={"float32": 1e12}, products=3, product_bytes=5e11, other_bytes=1e11)
    assert compute_seconds(large, CARD, BOUND) == pytest.approx(5)
    unfused = Work(
        flops={"float32": 1e12}, products=3, product_bytes=1e10, others=7, other_bytes=1e11
    )
    assert compute_seconds(unfused, CARD, HALF) == pytest.approx(1 / 0.5 + 1 / 0.5 + 10 * 1e-3)


def test_a_ring_is_as_fast_as_its_slowest_link() -> None:
    def seconds(gpus: int, assumed: Assumptions = BOUND, times: float = 1) -> float:
        return all_reduce_seconds(1e9, times, gpus, CARD, SLOW, assumed)

    assert seconds(1, HALF) == 0
    assert seconds(2) == pytest.approx(0.1)  # all of it once to the other, at 10 GB/s
    assert seconds(8) == pytest.approx(2 * 7 / 8 * 0.1)
    assert seconds(16) == pytest.approx(2 * 15 / 16 * 1.0)  # between machines: 1 GB/s
    assert seconds(2, HALF, times=3) == pytest.approx(0.2 + 3 * 2 * 1e-2)


def test_every_gpu_has_a_batch_of_its_own() -> None:
    step = Phase("", 1.0, Work(flops={"float32": 1e12}), gradient_bytes=1e9, updates=2)
    one, two, many = predict(step, 64, CARD, SLOW, BOUND, gpus=(1, 2, 64))
    assert one.images_per_second == pytest.approx(64) and one.efficiency == 1
    assert two.images_per_second == pytest.approx(2 * 64 / 1.1)
    assert two.efficiency == pytest.approx(1 / 1.1)
    assert many.all_reduce_seconds > two.all_reduce_seconds
    slow = predict(step, 64, CARD, SLOW, CAUTIOUS, gpus=(1,))[0]
    assert slow.images_per_second < one.images_per_second


def test_published_figures() -> None:
    for card in CARDS.values():
        assert card.network in NETWORKS and card.source
        assert card.peak("float32") <= card.peak("float16")
        assert card.peak("float64") == card.float32
        # As TFLOPS and GB/s, in the words of the source.
        for figure in (card.float32 / 1e12, card.float16 / 1e12, 2 * card.link / 1e9):
            assert f"{figure:g}" in card.source
    assert all(network.source for network in NETWORKS.values())
    with pytest.raises(UserError, match="unknown GPU 'a10': did you mean 'a100'"):
        find_card("a10")
    with pytest.raises(UserError, match="unknown network"):
        find_network("token ring")
