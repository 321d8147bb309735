"""Options that several flavours share, in groups to inherit from. Imports no TensorFlow."""

from __future__ import annotations

from tfgan2.errors import UserError
from tfgan2.hyperparameters import Hyperparameters, data_option, option
from tfgan2.networks import ARCHITECTURES, default_channels, fitting
from tfgan2.networks.sizes import attention_edges

OPTIMIZERS = ("adam", "adamw", "rmsprop", "sgd")
NORMS = ("none", "batch", "layer", "instance")


class ModelConfig(Hyperparameters):
    image_shape: tuple[int, int, int] = data_option(
        "height, width, channels", lambda facts: facts["image_shape"]
    )
    seed: int = option(0, "seed of weights and noise", at_most=2**31 - 1)

    def resolve(self) -> None:
        try:
            shape = tuple(map(int, self.image_shape))
        except (TypeError, ValueError):
            shape = ()
        if len(shape) != 3 or min(shape) < 1:
            raise UserError(
                f"image_shape must be (height, width, channels), not {self.image_shape!r}"
            )
        self.image_shape = shape

    def check_edges(self, multiple: int, least: int) -> None:
        """Raises a UserError unless height and width are multiples, and `least` or more."""
        height, width, _ = self.image_shape
        if height % multiple or width % multiple or min(height, width) < least:
            raise UserError(
                f"the edges of images must be multiples of {multiple}, {least} or more, not "
                f"{height}x{width}: give --image-size"
            )


class Channels(Hyperparameters):
    base_channels: int = option(64, "channels of the layers nearest to the image", at_least=1)


class MaxChannels(Channels):
    max_channels: int = option(512, "largest number of channels of a layer", at_least=1)


class NetworkChoice(MaxChannels, ModelConfig):
    network: str = option("dcgan", "architecture; points always get mlp", choices=ARCHITECTURES)
    base_channels: int = option(
        None,
        "channels of the layers nearest to the image, or units of mlp; none: mlp 512 (points 128), "
        "dcgan 64 (32 up to 32x32 pixels), resnet 128, pyramid 64, biggan 96, tutorial 128, "
        "began 64, fastgan 32, mobile 32, r3gan 32",
    )
    max_channels: int = option(
        help="largest number of channels of a layer of dcgan, pyramid, biggan, fastgan, mobile, "
        "r3gan",
        biggan=1536,
    )

    def resolve(self) -> None:
        super().resolve()
        self.network = fitting(self.network, self.image_shape)
        self.default("base_channels", default_channels(self.network, self.image_shape))


class Norm(Hyperparameters):
    norm: str = option("instance", "normalization of the layers", choices=NORMS)


class GeneratorNorm(Norm):
    norm: str = option("batch", "normalization of the generator")


class GradientPenalty(Hyperparameters):
    penalty_weight: float = option(10.0, "weight of the gradient penalty")


class Blocks(Hyperparameters):
    blocks: int = option(4, "number of residual blocks", at_least=1)


class OptionalClasses(Hyperparameters):
    conditional: bool = option(False, "give the classes to both networks")
    num_classes: int = data_option(
        "number of classes, 0 without labels",
        lambda facts: len(facts["class_names"] or ()),
        default=0,
    )

    def resolve(self) -> None:
        super().resolve()
        if self.conditional and not self.num_classes:
            raise UserError("conditional=true needs a dataset with labels")


class Attention(NetworkChoice):
    attention: int = option(
        None,
        "edge of the features with self-attention; 0: none; none: half of the images', at most "
        "about 32",
    )

    def resolve(self) -> None:
        super().resolve()
        edges = [] if self.network == "mlp" else attention_edges(self.image_shape)
        self.default("attention", next((edge for edge in edges if edge <= 32), 0))
        if self.attention not in (0, *edges):
            known = ", ".join(map(str, (0, *edges)))
            raise UserError(f"attention must be one of {known}, not {self.attention}")


class ImageInput(Norm, MaxChannels, ModelConfig):
    max_channels: int = option(
        help="largest number of channels of a layer of G; D has up to 8 * base_channels"
    )
    input_channels: int = data_option(
        "channels of the input images; none: those of the outputs",
        lambda facts: facts["input_shape"][2],
        default=None,
    )
    patch: int = option(
        0,
        "edge of the patches that have a logit each; 0: 70, below 128 pixels 34",
        choices=(0, 16, 34, 70),
    )
    jitter: bool = option(True, "enlarge images by 30/256 and crop them at random")
    mirror: bool = option(True, "mirror half of the images")

    def resolve(self) -> None:
        super().resolve()
        height, _, channels = self.image_shape
        self.patch = self.patch or (70 if height >= 128 else 34)
        self.default("input_channels", channels)


class Adam(Hyperparameters):
    beta_1: float = option(0.5, "decay of Adam's first moment", at_most=0.999999)


class LearningRate(Hyperparameters):
    learning_rate: float = option(2e-4, "learning rate of all optimizers")


class Decay(Hyperparameters):
    decay: float = option(
        0.0,
        "last fraction of the steps, in which learning rates fall linearly to 0; 0: none",
        at_most=1,
    )


class OptimizerChoice(LearningRate):
    optimizer: str = option("adam", "optimizer of all networks", choices=OPTIMIZERS)
