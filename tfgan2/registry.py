"""The flavours by name. Imports no TensorFlow until a flavour's class is asked for.

A flavour of this package is one line in `FLAVOURS`. Another package adds its own by an entry point
in the group `tfgan2.flavours`, name -> "module:Class".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from tfgan2.errors import UserError, unknown

if TYPE_CHECKING:
    from tfgan2.models.base import GenerativeModel

ENTRY_POINT_GROUP = "tfgan2.flavours"


@dataclass(frozen=True)
class Flavour:
    """Where a flavour is and what it is.

    Attributes:
        target: "module:Class".
        summary: one line.
        paper: authors, year and arXiv number.
    """

    target: str
    summary: str = ""
    paper: str = ""

    @property
    def module(self) -> str:
        return self.target.partition(":")[0]

    @property
    def class_name(self) -> str:
        return self.target.partition(":")[2]


FLAVOURS: dict[str, Flavour] = {
    "gan": Flavour(
        "tfgan2.models.gan:GAN",
        "the first GAN: fully connected, minimax or non-saturating",
        "Goodfellow et al. 2014, arXiv:1406.2661",
    ),
    "dcgan": Flavour(
        "tfgan2.models.dcgan:DCGAN",
        "deep convolutional GAN: strided convolutions and batch norm",
        "Radford et al. 2015, arXiv:1511.06434",
    ),
    "cgan": Flavour(
        "tfgan2.models.cgan:CGAN",
        "conditional GAN: both networks know the class",
        "Mirza and Osindero 2014, arXiv:1411.1784",
    ),
    "acgan": Flavour(
        "tfgan2.models.acgan:ACGAN",
        "auxiliary classifier GAN: the discriminator also predicts the class",
        "Odena et al. 2016, arXiv:1610.09585",
    ),
    "infogan": Flavour(
        "tfgan2.models.infogan:InfoGAN",
        "finds categories and continuous codes without labels",
        "Chen et al. 2016, arXiv:1606.03657",
    ),
    "lsgan": Flavour(
        "tfgan2.models.lsgan:LSGAN",
        "least squares in place of cross entropy",
        "Mao et al. 2016, arXiv:1611.04076",
    ),
    "wgan": Flavour(
        "tfgan2.models.wgan:WGAN",
        "Wasserstein GAN: a critic with clipped weights",
        "Arjovsky et al. 2017, arXiv:1701.07875",
    ),
    "wgan-gp": Flavour(
        "tfgan2.models.wgan_gp:WGANGP",
        "Wasserstein GAN with gradient penalty",
        "Gulrajani et al. 2017, arXiv:1704.00028",
    ),
    "dragan": Flavour(
        "tfgan2.models.dragan:DRAGAN",
        "gradient penalty around the data",
        "Kodali et al. 2017, arXiv:1705.07215",
    ),
    "began": Flavour(
        "tfgan2.models.began:BEGAN",
        "the discriminator is an autoencoder, kept at an equilibrium",
        "Berthelot et al. 2017, arXiv:1703.10717",
    ),
    "sngan": Flavour(
        "tfgan2.models.sngan:SNGAN",
        "spectral norm and hinge loss, plain CNN or ResNet",
        "Miyato et al. 2018, arXiv:1802.05957",
    ),
    "vae": Flavour(
        "tfgan2.models.vae:VAE",
        "variational autoencoder: Bernoulli or Gaussian likelihood",
        "Kingma and Welling 2013, arXiv:1312.6114",
    ),
    "pix2pix": Flavour(
        "tfgan2.models.pix2pix:Pix2Pix",
        "images become images, learned from pairs",
        "Isola et al. 2016, arXiv:1611.07004",
    ),
    "cyclegan": Flavour(
        "tfgan2.models.cyclegan:CycleGAN",
        "two kinds of images become each other, without pairs",
        "Zhu et al. 2017, arXiv:1703.10593",
    ),
    "inpainting": Flavour(
        "tfgan2.models.inpainting:Inpainting",
        "fills what a mask hides",
        "Pathak et al. 2016, arXiv:1604.07379; Iizuka et al. 2017",
    ),
    "srgan": Flavour(
        "tfgan2.models.srgan:SRGAN",
        "images become 2 or 4 times as large",
        "Ledig et al. 2016, arXiv:1609.04802",
    ),
    "stackgan": Flavour(
        "tfgan2.models.stackgan:StackGAN",
        "sentences become images, in two stages",
        "Zhang et al. 2016, arXiv:1612.03242",
    ),
}


@cache
def flavours() -> dict[str, Flavour]:
    """All flavours by name, those of other packages included; ours win a clash of names."""
    found = {
        entry.name: Flavour(entry.value, summary=f"from {entry.dist.name if entry.dist else '?'}")
        for entry in entry_points(group=ENTRY_POINT_GROUP)
    }
    return {**found, **FLAVOURS}


def find(name: str) -> Flavour:
    """The flavour of that name.

    Raises:
        UserError: no flavour has it; the message offers the closest names.
    """
    try:
        return flavours()[name]
    except KeyError:
        raise unknown("flavour", name, flavours()) from None


def load_class(name: str) -> type[GenerativeModel]:
    """The flavour's class; imports TensorFlow.

    Raises:
        UserError: no flavour has that name, or its module does not define the class.
    """
    flavour = find(name)
    try:
        return getattr(import_module(flavour.module), flavour.class_name)
    except (ImportError, AttributeError) as error:
        if name in FLAVOURS:
            raise
        raise UserError(f"flavour {name!r} ({flavour.target}) cannot be loaded: {error}") from error


def create(name: str, **hyperparameters: Any) -> GenerativeModel:
    """Makes a model.

    Args:
        name: a flavour, for example "dcgan"; `tfgan2 models` lists them.
        **hyperparameters: the arguments of its constructor, at least `image_shape`, (height, width,
            channels); `tfgan2 info NAME` lists them.

    Returns:
        A `tf.keras.Model`, built but not compiled.

    Raises:
        UserError: an unknown flavour or hyperparameter, or a value that is not possible.
    """
    return load_class(name)(**hyperparameters)
