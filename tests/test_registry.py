"""The registry and the hyperparameters that are read from source."""

from __future__ import annotations

import inspect

import pytest

from tfgan2 import hyperparameters, registry
from tfgan2.errors import UserError


def test_unknown_flavour_offers_close_names() -> None:
    with pytest.raises(UserError, match=r"unknown flavour 'dcgna': did you mean 'dcgan'"):
        registry.find("dcgna")
    with pytest.raises(UserError, match=r"choose from .*dcgan"):
        registry.find("zzzzzz")


@pytest.mark.parametrize("name", registry.FLAVOURS)
def test_what_the_source_says_is_what_the_constructor_takes(name: str) -> None:
    cls = registry.load_class(name)
    read = hyperparameters.hyperparameters(name)
    assert set(read) == set(cls.hyperparameter_names()) - set(hyperparameters.NOT_SETTABLE)
    own = inspect.signature(cls.__init__).parameters
    for item in read.values():
        assert item.help, f"{name}: {item.name} is not documented"
        if item.name in own:
            assert item.default == str(own[item.name].default)


@pytest.mark.parametrize("name", registry.FLAVOURS)
def test_every_flavour_names_its_paper(name: str) -> None:
    flavour = registry.FLAVOURS[name]
    assert flavour.summary and "arXiv" in flavour.paper
    assert len(hyperparameters.description(name)) > 100


def test_settings_are_parsed_by_type() -> None:
    values = hyperparameters.parse_settings(
        "dcgan", ["width=32", "ema-decay=0.5", "generator_optimizer=sgd", "latent_dim=none"]
    )
    assert values == {
        "width": 32,
        "ema_decay": 0.5,
        "generator_optimizer": "sgd",
        "latent_dim": None,
    }


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("widht=3", "unknown hyperparameter of dcgan 'widht': did you mean 'width'"),
        ("width=wide", "width must be a whole number, not 'wide'"),
        ("width", "--set takes key=value, not 'width'"),
        ("network=dcgann", "unknown value of network 'dcgann': did you mean 'dcgan'"),
        ("seed=3", "unknown hyperparameter"),
    ],
)
def test_wrong_settings(setting: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        hyperparameters.parse_settings("dcgan", [setting])
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_create_offers_close_hyperparameters() -> None:
    with pytest.raises(UserError, match="did you mean 'd_steps'"):
        registry.create("dcgan", image_shape=(8, 8, 1), dsteps=2)
