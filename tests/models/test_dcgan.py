"""DCGAN, in both designs."""

from __future__ import annotations

import keras
import pytest

from tfgan2.errors import UserError
from tfgan2.models import DCGAN


def test_default_design_is_that_of_the_paper() -> None:
    model = DCGAN((64, 64, 3))
    kernels = [w.shape for w in model.discriminator.weights if len(w.shape) == 4]
    assert [shape[-1] for shape in kernels] == [64, 128, 256, 512]
    assert model.generator.layers[2].output.shape == (None, 4, 4, 512)
    norms = [
        sum(isinstance(layer, keras.layers.BatchNormalization) for layer in network.layers)
        for network in (model.generator, model.discriminator)
    ]
    assert norms == [4, 3]  # none after the last layer of G, none after the first of D
    config = model.config
    assert (config.generator_optimizer, config.generator_learning_rate) == ("adam", 2e-4)
    assert model.config.beta_1 == 0.5
    deviation = model.generator.get_layer(index=1).kernel.numpy().std()
    assert deviation == pytest.approx(0.02, rel=0.02)


def test_augmentation_of_each_design() -> None:
    def augment(shape: tuple[int, int, int], **more: object) -> str:
        return DCGAN(shape, **more).config.augment

    assert augment((16, 16, 1)) == "color,translation"
    assert augment((1, 1, 2)) == augment((32, 32, 3), network="tutorial") == "none"
    assert augment((32, 32, 3), network="tutorial", augment="color") == "color"
    assert DCGAN.Config.presets["paper"]["augment"] == "none"


def test_tutorial_design_is_that_of_the_book() -> None:
    model = DCGAN((32, 32, 3), network="tutorial")
    kinds = [type(layer).__name__ for layer in model.generator.layers]
    assert kinds.count("Conv2D") == 4 and kinds.count("Conv2DTranspose") == 1
    assert "BatchNormalization" not in kinds
    assert any(isinstance(layer, keras.layers.Dropout) for layer in model.discriminator.layers)
    model.compile()
    assert isinstance(model.optimizers["discriminator_optimizer"], keras.optimizers.RMSprop)
    assert model.optimizers["discriminator_optimizer"].clipvalue == 1.0
    assert model.config.label_noise > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"image_shape": (7, 7, 1)},
            "network=dcgan makes images with edges of 8 to 256 pixels, not 7x7",
        ),
        ({"image_shape": (264, 264, 1)}, "edges of 8 to 256"),
        ({"image_shape": (16, 16)}, "image_shape must be (height, width, channels)"),
        ({"network": "dcgann"}, "unknown network 'dcgann': did you mean 'dcgan'"),
        ({"d_steps": 0}, "d_steps must be at least 1"),
        ({"label_smoothing": 1.5}, "label_smoothing must be from 0 to 1"),
        ({"generator_optimizer": "adm"}, "unknown generator_optimizer 'adm': did you mean 'adam'"),
        ({"discriminator_learning_rate": -1.0}, "discriminator_learning_rate must be at least 0"),
        ({"latent_dim": 0}, "latent_dim must be at least 1"),
    ],
)
def test_values_out_of_range_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(UserError) as caught:
        DCGAN(**{"image_shape": (8, 8, 1), **arguments})
    assert message in str(caught.value)
