"""Generators and discriminators by architecture. Importing this package imports no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from tfgan2.errors import UserError
from tfgan2.images import is_points
from tfgan2.networks.sizes import halvings

MIN_SIZE, MAX_SIZE = 8, 256


@dataclass(frozen=True)
class Architecture:
    """A pair of networks that any flavour from latents can use.

    Its module has `decoder(x, image_shape, make)`, from features to the values before the last
    activation, and `features(x, make)`, from images to features; `make` is a
    `tfgan2.networks.layers.LayerMaker`.

    Attributes:
        module: its name in this package.
        channels: default number of base channels, or of units of fully connected layers.
        norm: normalization of the discriminator unless a flavour needs another.
        bounded: true if the generator ends with tanh; else its images are clipped to [-1, 1].
        conditional_norm: true if batch norms of the generator can depend on labels.
        blocks: true if the generator has the blocks of `tfgan2.networks.sizes.residual_blocks`.
    """

    module: str
    channels: int
    norm: str = "none"
    bounded: bool = True
    conditional_norm: bool = False
    blocks: bool = False

    def load(self) -> ModuleType:
        return import_module(f"tfgan2.networks.{self.module}")


ARCHITECTURES = {
    "mlp": Architecture("mlp", 512, conditional_norm=True),
    "dcgan": Architecture("dcgan", 64, norm="batch", conditional_norm=True),
    "resnet": Architecture("resnet", 128, norm="batch", conditional_norm=True, blocks=True),
    "pyramid": Architecture("pyramid", 64, norm="batch", conditional_norm=True, blocks=True),
    "biggan": Architecture("biggan", 96, norm="batch", conditional_norm=True, blocks=True),
    "tutorial": Architecture("tutorial", 128),
    "began": Architecture("began", 64),
    "fastgan": Architecture("fastgan", 32, norm="batch", conditional_norm=True),
    "mobile": Architecture("mobile", 32, norm="batch"),
    "r3gan": Architecture("r3gan", 32, bounded=False),
}


def fitting(network: str, image_shape: tuple[int, int, int]) -> str:
    """The architecture for images of a shape: the requested one, or "mlp" for points.

    Raises:
        UserError: the architecture cannot make images of this shape.
    """
    if is_points(image_shape):
        return "mlp"
    height, width, _ = image_shape
    if network == "mlp":
        return network
    if min(height, width) < MIN_SIZE or max(height, width) > MAX_SIZE:
        sizes = f"{MIN_SIZE} to {MAX_SIZE}"
        raise UserError(
            f"network={network} makes images with edges of {sizes} pixels, not {height}x{width}"
        )
    if network == "r3gan":
        halvings(image_shape, "network=r3gan")
    return network


def default_channels(network: str, image_shape: tuple[int, int, int]) -> int:
    """The number of base channels where none is given."""
    if is_points(image_shape):
        return 128
    if network == "dcgan" and max(image_shape[:2]) <= 32:
        return 32  # three times as fast as the paper's channels
    return ARCHITECTURES[network].channels
