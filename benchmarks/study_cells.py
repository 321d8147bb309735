"""Rows of study.py in each tier with their budgets, and published figures.

A row has one flavour with options; a cell is a row with a dataset and a seed.
"""

from __future__ import annotations

from typing import NamedTuple

FACES_SIZE = 32


class Row(NamedTuple):
    """The flavour and options of `tfgan2 fit`, and its steps."""

    words: tuple[str, ...]
    steps: int


class Tier(NamedTuple):
    """Rows by dataset and name, samples to evaluate by dataset, and options of all runs.

    `folder` is that of its results, beside that of other tiers.
    """

    folder: str
    rows: dict[str, dict[str, Row]]
    counts: dict[str, int]
    options: tuple[str, ...] = ()


def fit_words(row: Row, dataset: str, seed: int, tier: Tier, faces: str = "FACES") -> list[str]:
    """Returns the arguments of `tfgan2 fit`; `faces` is the folder of these."""
    size = ["--image-size", str(FACES_SIZE)]
    data = [f"folder:{faces}", *size] if dataset == "faces" else [dataset]
    words = [*row.words, "--dataset", *data, *tier.options]
    return [*words, "--steps", str(row.steps), "--seed", str(seed)]


def _set(**values: object) -> tuple[str, ...]:
    return tuple(word for key, value in values.items() for word in ("--set", f"{key}={value}"))


# The paper's DCGAN has no augmentation.
_PLAIN = ("dcgan", *_set(augment="none"))

# --- ten minutes on 2 cores ----------------------------------------------------------------------

# Steps of 64 images on MNIST, and on CIFAR-10 and the faces; their times differ by a factor of 20.
_CLASSIC = {
    "gan": (15_000, 12_000),
    "dcgan": (8_000, 6_500),
    "dcgan-plain": (8_000, 6_500),
    "cgan": (25_000, 11_000),
    "acgan": (8_000, 5_500),
    "infogan": (7_000, 5_500),
    "lsgan": (8_000, 6_500),
    "wgan": (3_500, 1_700),
    "wgan-gp": (2_300, 1_300),
    "dragan": (5_500, 4_500),
    "began": (7_000, 3_700),
    "sngan": (8_000, 6_500),
    "vae": (15_000, 15_000),
}
# Twice the budget, in batches of 32, and of 16, 32, 8, 16 and 32.
_LADDER = {
    "projection-cpu": 12_000,
    "sagan-cpu": 12_000,
    "biggan-cpu": 8_000,
    "reacgan-cpu": 12_000,
}
_WITHOUT_CLASSES = {
    "r3gan-cpu": 16_000,
    "stylegan2-cpu": 4_000,
    "fastgan-cpu": 4_500,
    "projected-cpu": 5_000,
    "sngan-cpu": 12_000,
}
_WITH_CLASSES = {"r3gan-classes-cpu": 16_000}


def _words(name: str) -> tuple[str, ...]:
    if name.startswith("dcgan-plain"):
        return (*_PLAIN, *_set(packing=2)) if name.endswith("packing-2") else _PLAIN
    named = name.removesuffix("-cpu")
    flavour = named.removesuffix("-classes")
    classes = () if flavour == named else _set(conditional="true")
    return (flavour, *classes, *(() if named == name else ("--preset", "cpu")))


def _rows(steps: dict[str, int]) -> dict[str, Row]:
    return {name: Row(_words(name), count) for name, count in steps.items()}


_ON_MNIST, _ON_CIFAR = ({name: both[i] for name, both in _CLASSIC.items()} for i in (0, 1))
_ON_FACES = {name: steps for name, steps in _ON_CIFAR.items() if name not in ("cgan", "acgan")}
_ON_STACKED = {"dcgan-plain": 7_000, "dcgan-plain-packing-2": 7_000}

CPU = Tier(
    "study",
    {
        "mnist": _rows(_ON_MNIST | _LADDER | _WITHOUT_CLASSES | _WITH_CLASSES),
        "cifar10": _rows(_ON_CIFAR | _WITHOUT_CLASSES | _WITH_CLASSES),
        "stacked_mnist": _rows(_ON_STACKED),
        "faces": _rows(_ON_FACES | _WITHOUT_CLASSES),
    },
    # The authors of PacGAN take 26,000 of stacked MNIST.
    {"mnist": 10_000, "cifar10": 10_000, "stacked_mnist": 26_000, "faces": 5_000},
)

# --- as long as the papers, on a GPU -------------------------------------------------------------

_WIDE = _set(base_channels=64)
_RESNET = _set(network="resnet")
# Steps are updates of G with 64 images for each update of D, but 8 for fastgan and those of the
# presets `paper`. 200,000 steps are 12,800 kimg; with 5 updates of D, 100,000 are 32,000 kimg:
# the length of SNGAN's and StudioGAN's trainings on CIFAR-10. The others are as long as their
# papers where these say so (WGAN-GP, StyleGAN2, FastGAN, R3GAN), and else as long as those.
_LONG = {
    "gan": Row(("gan",), 100_000),
    "dcgan": Row(("dcgan", *_WIDE), 200_000),
    "dcgan-plain": Row((*_PLAIN, *_WIDE), 200_000),
    "cgan": Row(("cgan",), 100_000),
    "acgan": Row(("acgan", *_WIDE), 100_000),
    "infogan": Row(("infogan", *_WIDE), 100_000),
    "lsgan": Row(("lsgan", *_WIDE), 200_000),
    "wgan": Row(("wgan", *_WIDE), 100_000),
    "wgan-gp": Row(("wgan-gp", *_WIDE), 100_000),
    "wgan-gp-resnet": Row(("wgan-gp", *_RESNET), 100_000),
    "dragan": Row(("dragan", *_WIDE), 200_000),
    "began": Row(("began", *_WIDE), 100_000),
    "sngan": Row(("sngan", *_WIDE), 200_000),
    "sngan-resnet": Row(("sngan", *_RESNET), 50_000),
    "projection": Row(("projection", *_WIDE), 200_000),
    "projection-resnet": Row(("projection", *_RESNET), 50_000),
    "sagan": Row(("sagan",), 100_000),
    "biggan": Row(("biggan",), 100_000),
    "reacgan": Row(("reacgan",), 100_000),
    "stylegan2": Row(("stylegan2",), 200_000),
    "stylegan2-ada": Row(("stylegan2", *_set(ada=0.6)), 200_000),
    "fastgan": Row(("fastgan",), 100_000),
    "projected": Row(("projected", *_WIDE), 100_000),
    "r3gan": Row(("r3gan",), 200_000),
    "r3gan-paper": Row(("r3gan", "--preset", "paper"), 200_000),
    "vae": Row(("vae",), 100_000),
}

GPU = Tier(
    "study-gpu",
    {"cifar10": _LONG, "mnist": _LONG, "faces": _LONG},
    {"cifar10": 50_000, "mnist": 50_000, "faces": 12_180},
    ("--precision", "mixed_bfloat16"),
)

TIERS = {"cpu": CPU, "gpu": GPU}

# --- other people's figures ----------------------------------------------------------------------

# FID by StudioGAN (arXiv:2206.09479 and the tables of its README): PyTorch's Inception, 10,000
# samples and the 10,000 test images; for StyleGAN2 50,000 and the training images; R3GAN's own.
PUBLISHED = {
    "cifar10": {
        "dcgan": "49.03",
        "dcgan-plain": "49.03",
        "lsgan": "66.69",
        "wgan": "159.09 (ResNet)",
        "wgan-gp-resnet": "25.85",
        "dragan": "41.59 (Wasserstein loss)",
        "acgan": "45.57 (ResNet, hinge loss)",
        "projection-resnet": "13.25",
        "sagan": "14.01",
        "biggan": "8.03",
        "reacgan": "7.79",
        "stylegan2": "3.89 (with classes)",
        "stylegan2-ada": "2.32 (with classes)",
        "r3gan": "1.96 (with classes)",
        "r3gan-paper": "1.96 (with classes)",
    }
}
