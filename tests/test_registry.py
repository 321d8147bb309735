"""The registry and the hyperparameters that are read from source."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from tfgan2 import hyperparameters, registry
from tfgan2.errors import UserError


def test_unknown_flavour_offers_close_names() -> None:
    with pytest.raises(UserError, match=r"unknown flavour 'dcgna': did you mean 'dcgan'"):
        registry.find("dcgna")
    with pytest.raises(UserError, match=r"choose from .*dcgan"):
        registry.find("zzzzzz")


@pytest.mark.parametrize("name", registry.FLAVOURS)
def test_options_read_from_the_source_are_those_of_the_class(name: str) -> None:
    cls = registry.load_class(name)
    read = hyperparameters.config_class(name).options
    assert list(read) == list(cls.Config.options)
    for key, item in cls.Config.options.items():
        same = {"from_data": None}  # a function, made anew
        assert replace(read[key], **same) == replace(item, **same)
        assert item.help, f"{name}: {key} is not documented"
    assert hyperparameters.data_kind(name) == cls.data_kind


def test_each_option_is_declared_once() -> None:
    """Its help, its range and its choices: no flavour writes again what it inherits."""
    configs = {registry.load_class(name).Config for name in registry.FLAVOURS}
    declared: dict[str, set[str]] = {}
    for config in configs:
        for base in config.__mro__:
            for name, given in vars(base).items():
                if isinstance(given, dict) and "help" in given and name in config.options:
                    declared.setdefault(f"{name}: {given['help']}", set()).add(base.__qualname__)
    assert {text: places for text, places in declared.items() if len(places) > 1} == {}


@pytest.mark.parametrize("name", registry.FLAVOURS)
def test_every_flavour_names_its_paper(name: str) -> None:
    flavour = registry.FLAVOURS[name]
    assert flavour.summary and "arXiv" in flavour.paper
    assert len(hyperparameters.description(name)) > 100


def test_settings_are_parsed_by_type() -> None:
    values = hyperparameters.parse_settings(
        "dcgan", ["d-steps=2", "ema-decay=0.5", "generator_optimizer=sgd", "base_channels=none"]
    )
    assert values == {
        "d_steps": 2,
        "ema_decay": 0.5,
        "generator_optimizer": "sgd",
        "base_channels": None,
    }


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("d_stepps=3", "unknown hyperparameter of dcgan 'd_stepps': did you mean 'd_steps'"),
        ("d_steps=many", "d_steps must be a whole number, not 'many'"),
        ("d_steps", "--set takes key=value, not 'd_steps'"),
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


def test_the_table_in_the_docs_is_made_of_the_declarations() -> None:
    path = Path(__file__).parents[1] / "docs" / "make_options.py"
    module = runpy.run_path(str(path))
    assert module["PAGE"].read_text() == module["page"](), f"run python {path.name} again"
