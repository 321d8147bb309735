"""Declarations of hyperparameters: inheritance, checks, parsing, and reading them from source."""

from __future__ import annotations

import json
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfgan2 import load_dataset, registry
from tfgan2.errors import UserError
from tfgan2.evaluation import EvaluationRequest
from tfgan2.hyperparameters import Hyperparameters, data_option, option, preset
from tfgan2.options import parse_range
from tfgan2.runs import RunConfig


class Size(Hyperparameters):
    size: int = option(4, "edge in pixels", at_least=1, at_most=64)


class Shared(Size):
    network: str = option("small", "architecture", choices=("small", "large"))
    rate: float = option(0.1, "learning rate", at_least=0)
    dim: int = option(100, "number of latents", large=32)


class Own(Shared):
    rate: float = 0.5
    size: int = option(help="edge of the patches")
    double: int | None = option(None, "twice the size by default")
    mirror: bool = option(True, "mirror the images")
    names: tuple[str, ...] = data_option("class names", lambda facts: facts["names"], default=())

    def resolve(self) -> None:
        super().resolve()
        self.default("double", 2 * self.size)


# --- declarations --------------------------------------------------------------------------------


def test_own_options_come_first_and_all_are_inherited() -> None:
    assert list(Own.options) == ["rate", "size", "double", "mirror", "names", "network", "dim"]


def test_a_plain_value_changes_the_default_alone() -> None:
    assert Own.options["rate"].default == 0.5
    assert Own.options["rate"].help == "learning rate" and Own.options["rate"].at_least == 0
    assert Shared.options["rate"].default == 0.1


def test_an_option_keeps_what_it_does_not_declare() -> None:
    size = Own.options["size"]
    assert (size.default, size.at_least, size.at_most) == (4, 1, 64)
    assert size.help == "edge of the patches"


def test_values_and_defaults() -> None:
    config = Own(size=8, rate=0)
    assert (config.size, config.rate, config.mirror, config.names) == (8, 0, True, ())
    assert dict(config)["dim"] == 100


def test_numbers_of_numpy_become_those_of_python() -> None:
    given = {"size": np.int64(8), "rate": np.float32(0.5), "double": np.uint8(3)}
    values = dict(Own(**given))
    assert json.loads(json.dumps({name: values[name] for name in given})) == given
    assert {type(values[name]) for name in ("size", "double")} == {int}
    config = RunConfig.create("dcgan", "digits", seed=np.int64(1), device_share=np.float32(0.5))
    training = json.loads(config.to_json())["training"]
    assert (training["seed"], training["device_share"]) == (1, 0.5)
    with pytest.raises(UserError, match=r"size must be a whole number, not np.float64\(2.5\)"):
        Own(size=np.float64(2.5))


def test_what_python_has_in_place_of_texts_and_lists(tmp_path: Path) -> None:
    for classes in ("1, 3", ["1", "3"], np.array(["1", "3"])):
        config = RunConfig.create("dcgan", "digits", classes=classes)
        assert config.data.classes == ["1", "3"]
    for limits in ("0,4095", np.array([0, 4095]), (np.int16(0), np.int16(4095))):
        config = RunConfig.create("dcgan", "digits", value_range=limits)
        assert parse_range(json.loads(config.to_json())["data"]["value_range"]) == (0, 4095)
    config = RunConfig.create("dcgan", "digits", data_dir=tmp_path, init_from=tmp_path)
    assert (config.data.data_dir, config.training.init_from) == (str(tmp_path), str(tmp_path))
    config = RunConfig.create("dcgan", "digits", evaluate_every=5, evaluate_metrics="fid,prdc")
    assert config.training.evaluate_metrics == ["fid", "prdc"]
    assert EvaluationRequest("fid,prdc", data_dir=tmp_path).metrics == ["fid", "prdc"]
    dataset = load_dataset("digits", classes=np.arange(2), data_dir=tmp_path)
    assert dataset.class_names == ("0", "1")
    with pytest.raises(UserError, match="has no labels: leave --classes out"):
        load_dataset("captions:x", classes=np.arange(2))


def test_defaults_that_depend_on_the_network() -> None:
    assert Shared(network="large").dim == 32
    assert Shared(network="large", dim=5).dim == 5
    assert Shared.options["dim"].default_text() == "100 (32 with network=large)"


def test_a_plain_value_replaces_defaults_by_network() -> None:
    class Fixed(Shared):
        dim: int = 7

    assert Fixed(network="large").dim == 7


def test_resolve_computes_options_that_are_none() -> None:
    assert Own(size=8).double == 16
    assert Own(size=8, double=3).double == 3
    assert Own(double=None).double == 8


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sise": 3}, "unknown hyperparameter 'sise': did you mean 'size'"),
        ({"size": 0}, "size must be from 1 to 64, not 0"),
        ({"size": 65}, "size must be from 1 to 64, not 65"),
        ({"size": 2.5}, "size must be a whole number, not 2.5"),
        ({"size": True}, "size must be a whole number, not True"),
        ({"size": None}, "size must be a whole number, not None"),
        ({"rate": -1.0}, "rate must be at least 0, not -1"),
        ({"rate": float("nan")}, "rate must be at least 0, not nan"),
        ({"mirror": 1}, "mirror must be true or false, not 1"),
        ({"network": "huge"}, "unknown network 'huge': choose from small, large"),
    ],
)
def test_impossible_values_are_refused(values: Mapping[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        Own(**values)
    assert message in str(caught.value)


def test_a_missing_value_is_refused() -> None:
    class Needed(Hyperparameters):
        shape: tuple[int, ...] = data_option("shape of the images", lambda facts: facts["shape"])

    with pytest.raises(UserError, match="shape is missing: shape of the images"):
        Needed()
    assert Needed(shape=[1, 2]).shape == (1, 2)


def test_a_preset_adds_to_that_of_the_bases() -> None:
    class Base(Size):
        small = preset(up_to=32, size=8, steps=10)
        large = preset(size=64)

    class Other(Hyperparameters):
        small = preset(batch_size=2)

    class Both(Base, Other):
        small = preset(steps=20)
        paper = preset()

    assert Base.presets == {"small": {"size": 8, "steps": 10}, "large": {"size": 64}}
    assert Both.presets == {
        "small": {"batch_size": 2, "size": 8, "steps": 20},
        "large": {"size": 64},
        "paper": {},
    }
    assert [values.sizes for values in Both.presets.values()] == ["up to 32x32 pixels", "", ""]
    assert list(Both.options) == ["size"] and Both().size == 4


# --- parsing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("size", "12", 12),
        ("rate", "1e-3", 0.001),
        ("mirror", "False", False),
        ("network", "large", "large"),
        ("double", "none", None),
        ("double", "6", 6),
    ],
)
def test_parse(name: str, text: str, value: Any) -> None:
    assert Own.options[name].parse(text) == value


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("size", "many", "size must be a whole number, not 'many'"),
        ("mirror", "yes", "mirror must be true or false, not 'yes'"),
        ("network", "larg", "unknown network 'larg': did you mean 'large'"),
    ],
)
def test_texts_of_another_type_are_refused(name: str, text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        Own.options[name].parse(text)
    assert message in str(caught.value)


# --- the flavours' declarations -------------------------------------------------------------------


def test_each_option_is_declared_once() -> None:
    declared: dict[str, set[str]] = {}
    for config in {registry.load_class(name).Config for name in registry.FLAVOURS}:
        for base in config.__mro__:
            for name, item in vars(base).items():
                if isinstance(item, dict) and "help" in item and name in config.options:
                    declared.setdefault(f"{name}: {item['help']}", set()).add(base.__qualname__)
    assert {text: classes for text, classes in declared.items() if len(classes) > 1} == {}


def test_the_table_in_the_docs_comes_from_the_declarations() -> None:
    path = Path(__file__).parents[1] / "docs" / "make_options.py"
    module = runpy.run_path(str(path))
    assert module["PAGE"].read_text() == module["page"](), f"run python docs/{path.name}"
