"""What GPUs and networks can do, as their makers publish it. Nothing here was measured."""

from __future__ import annotations

from dataclasses import dataclass

from tfgan2.errors import unknown

TERA, GIGA = 1e12, 1e9
GPUS_PER_MACHINE = 8


@dataclass(frozen=True)
class Card:
    """A GPU.

    Attributes:
        title: as its maker calls it.
        float32: FLOPs per second of products of float32, as TensorFlow computes them: in TF32
            where the card has it.
        float16: likewise, accumulated in float32.
        bfloat16: likewise; that of float32 where the card has none.
        memory: bytes per second that its memory reads and writes.
        link: bytes per second that it sends to another GPU of the machine, in one direction.
        network: how its machines are joined, of `NETWORKS`.
        source: where the figures stand.
    """

    title: str
    float32: float
    float16: float
    bfloat16: float
    memory: float
    link: float
    network: str
    source: str

    def peak(self, dtype: str) -> float:
        """FLOPs per second of products of a dtype; of what tensor cores lack, that of float32."""
        return {"float16": self.float16, "bfloat16": self.bfloat16}.get(dtype, self.float32)


@dataclass(frozen=True)
class Network:
    """What joins machines of eight GPUs.

    Attributes:
        title: adapters and their speed.
        bandwidth: bytes per second that a machine sends, all of its adapters together.
        source: where the figures stand.
    """

    title: str
    bandwidth: float
    source: str


NETWORKS = {
    "ndr": Network(
        "8 x InfiniBand NDR 400 Gb/s", 400 * GIGA, "NVIDIA DGX H100 datasheet: 8x ConnectX-7"
    ),
    "hdr": Network(
        "8 x InfiniBand HDR 200 Gb/s", 200 * GIGA, "NVIDIA DGX A100 datasheet: 8x ConnectX-6"
    ),
    "edr": Network(
        "4 x InfiniBand EDR 100 Gb/s", 50 * GIGA, "NVIDIA DGX-1 with V100 datasheet: 4x EDR"
    ),
    "ethernet": Network("1 x Ethernet 100 Gb/s", 12.5 * GIGA, "IEEE 802.3: 100GBASE"),
}

CARDS = {
    "t4": Card(
        title="NVIDIA T4",
        float32=8.1 * TERA,
        float16=65 * TERA,
        bfloat16=8.1 * TERA,
        memory=300 * GIGA,
        link=16 * GIGA,
        network="ethernet",
        source="NVIDIA T4 datasheet: 8.1 TFLOPS FP32, 65 mixed, 300 GB/s, PCIe 3.0 x16 (32 GB/s)",
    ),
    "v100": Card(
        title="NVIDIA V100 SXM2",
        float32=15.7 * TERA,
        float16=125 * TERA,
        bfloat16=15.7 * TERA,
        memory=900 * GIGA,
        link=150 * GIGA,
        network="edr",
        source="NVIDIA V100 datasheet: 15.7 TFLOPS FP32, 125 tensor, 900 GB/s, NVLink 300 GB/s",
    ),
    "rtx4090": Card(
        title="NVIDIA GeForce RTX 4090",
        float32=82.6 * TERA,
        float16=165.2 * TERA,
        bfloat16=165.2 * TERA,
        memory=1008 * GIGA,
        link=32 * GIGA,
        network="ethernet",
        source="NVIDIA Ada GPU architecture whitepaper, appendix A: 82.6 TFLOPS TF32, 165.2 FP16 "
        "and BF16 with FP32 accumulate, 1008 GB/s, PCIe 4.0 x16 (64 GB/s)",
    ),
    "a100": Card(
        title="NVIDIA A100 SXM 80 GB",
        float32=156 * TERA,
        float16=312 * TERA,
        bfloat16=312 * TERA,
        memory=2039 * GIGA,
        link=300 * GIGA,
        network="hdr",
        source="NVIDIA A100 datasheet: 156 TFLOPS TF32 (19.5 FP32), 312 BF16 and FP16, 2039 GB/s, "
        "NVLink 600 GB/s",
    ),
    "h100": Card(
        title="NVIDIA H100 SXM",
        float32=494.7 * TERA,
        float16=989.4 * TERA,
        bfloat16=989.4 * TERA,
        memory=3350 * GIGA,
        link=450 * GIGA,
        network="ndr",
        source="NVIDIA H100 architecture whitepaper, dense: 494.7 TFLOPS TF32 (66.9 FP32), 989.4 "
        "BF16 and FP16; H100 datasheet: 3.35 TB/s, NVLink 900 GB/s",
    ),
}
"""Links are published as the sum of both directions: half of it is what one sends."""


def find_card(name: str) -> Card:
    """The card of that name; a UserError offers the closest where there is none."""
    if name.lower() not in CARDS:
        raise unknown("GPU", name, CARDS)
    return CARDS[name.lower()]


def find_network(name: str) -> Network:
    """The network of that name; a UserError offers the closest where there is none."""
    if name.lower() not in NETWORKS:
        raise unknown("network", name, NETWORKS)
    return NETWORKS[name.lower()]
