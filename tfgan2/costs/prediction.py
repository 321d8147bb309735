"""What training would take on GPUs, by what was counted and what their makers publish.

Predicted, not measured: a model of bounds. Two of them are given. `BOUND` takes every published
figure at its word and everything between products for free; `CAUTIOUS` runs each op of the graph as
a kernel of its own, at shares of the published figures that are assumed, not measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfgan2.costs.cards import GPUS_PER_MACHINE, Card, Network

if TYPE_CHECKING:
    from tfgan2.costs.graph import Work
    from tfgan2.costs.model import Phase

GPUS = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Assumptions:
    """What published figures do not tell.

    Attributes:
        compute: share of a GPU's peak that products reach.
        memory: share of its memory's bandwidth that is reached.
        network: share of the bandwidth between GPUs that is reached.
        launch: seconds that each kernel takes besides.
        hop: seconds that a message from GPU to GPU takes besides.
        fused: whether ops that are no products cost nothing, since kernels of products do them.
    """

    compute: float
    memory: float
    network: float
    launch: float
    hop: float
    fused: bool


BOUND = Assumptions(compute=1.0, memory=1.0, network=1.0, launch=0.0, hop=0.0, fused=True)
CAUTIOUS = Assumptions(compute=0.4, memory=0.8, network=0.7, launch=5e-6, hop=5e-6, fused=False)
ASSUMPTIONS = {"bound": BOUND, "cautious": CAUTIOUS}


@dataclass(frozen=True)
class Prediction:
    """What one step takes on some GPUs, each with a batch of its own.

    Attributes:
        gpus: how many.
        compute_seconds: that each computes.
        all_reduce_seconds: that they add up gradients, which TensorFlow does after computing them.
        images_per_second: of all together.
        efficiency: share of that many times what one GPU does.
    """

    gpus: int
    compute_seconds: float
    all_reduce_seconds: float
    images_per_second: float
    efficiency: float


def compute_seconds(work: Work, card: Card, assumed: Assumptions) -> float:
    """What a GPU needs for some work.

    Products take as long as their FLOPs or their bytes do, whichever is longer; what is between
    them, as long as its bytes do.
    """
    needed = sum(flops / card.peak(dtype) for dtype, flops in work.flops.items())
    bandwidth = card.memory * assumed.memory
    seconds = max(needed / assumed.compute, work.product_bytes / bandwidth)
    kernels = work.products
    if not assumed.fused:
        seconds += work.other_bytes / bandwidth
        kernels += work.others
    return seconds + assumed.launch * kernels


def all_reduce_seconds(
    size: float, times: float, gpus: int, card: Card, network: Network, assumed: Assumptions
) -> float:
    """What GPUs need to add up gradients in a ring.

    Each sends 2 (n - 1) / n of the bytes to the next, in 2 (n - 1) messages. The ring is as fast as
    its slowest link: within a machine that of the cards, between machines all adapters together.

    Args:
        size: bytes of all gradients of a step.
        times: in how many parts they come, one for each update.
        gpus: how many, eight in a machine.
        card: of which kind.
        network: between machines.
        assumed: what is reached of it.
    """
    if gpus == 1:
        return 0.0
    link = card.link if gpus <= GPUS_PER_MACHINE else min(card.link, network.bandwidth)
    messages = 2 * (gpus - 1)
    return messages / gpus * size / (link * assumed.network) + times * messages * assumed.hop


def predict(
    step: Phase,
    images_per_step: int,
    card: Card,
    network: Network,
    assumed: Assumptions,
    gpus: Sequence[int] = GPUS,
) -> list[Prediction]:
    """What a step takes where every GPU has the batch that was counted (weak scaling).

    Args:
        step: as it was counted, of one GPU.
        images_per_step: real samples of one GPU.
        card: of which kind.
        network: between machines.
        assumed: `BOUND`, `CAUTIOUS` or others.
        gpus: numbers of GPUs.
    """
    alone = compute_seconds(step.work, card, assumed)
    found = []
    for number in gpus:
        shared = all_reduce_seconds(
            step.gradient_bytes, step.updates, number, card, network, assumed
        )
        seconds = alone + shared
        speed = number * images_per_step / seconds
        found.append(Prediction(number, alone, shared, speed, alone / seconds))
    return found
