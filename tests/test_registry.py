"""The registry of flavours."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tfgan2 import registry
from tfgan2.costs.report import random_data_facts
from tfgan2.errors import UserError
from tfgan2.runs import RunConfig


def test_unknown_flavours_are_refused_with_close_names() -> None:
    with pytest.raises(UserError, match=r"unknown flavour 'dcgna': did you mean 'dcgan'"):
        registry.find("dcgna")
    with pytest.raises(UserError, match=r"choose from .*dcgan"):
        registry.find("zzzzzz")


def test_a_class_in_place_of_a_name_is_refused_with_a_hint() -> None:
    with pytest.raises(UserError, match=r"given by its name, not as <class .*: .* entry point"):
        registry.find(RunConfig)  # type: ignore[arg-type]


def test_a_package_that_is_installed_later_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="unknown flavour 'late'"):
        registry.find("late")
    package = tmp_path / "late-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: late\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[tfgan2.flavours]\nlate = late:Late\n")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert registry.find("late") == ("late", "Late")
        assert list(registry.flavours())[-1] == "late"  # listed after ours
    finally:
        registry.flavours.cache_clear()


@pytest.mark.parametrize("name", registry.FLAVOURS)
def test_every_flavour_names_its_paper(name: str) -> None:
    assert "(arXiv:" in registry.summary(name)
    assert registry.outline(name).__doc__.startswith(registry.summary(name))


def test_options_of_all_flavours_are_read_without_tensorflow() -> None:
    code = (
        "import sys; from tfgan2 import registry\n"
        "for name in registry.FLAVOURS:\n"
        "    registry.hyperparameters(name)\n"
        "    assert 'tensorflow' not in sys.modules, name"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_create_refuses_unknown_hyperparameters_with_close_names() -> None:
    with pytest.raises(UserError, match="did you mean 'd_steps'"):
        registry.create("dcgan", image_shape=(8, 8, 1), dsteps=2)


@pytest.mark.parametrize("shape", [32, "32x32", (8, 8), (8, 8, 0), (8, 8, None)])
def test_create_refuses_impossible_shapes(shape: object) -> None:
    with pytest.raises(UserError, match=r"image_shape must be \(height, width, channels\), not "):
        registry.create("dcgan", image_shape=shape)


def test_settings_are_parsed_by_type() -> None:
    values = registry.parse_settings(
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
        ("network=dcgann", "unknown network 'dcgann': did you mean 'dcgan'"),
        ("seed=3", "unknown hyperparameter"),
    ],
)
def test_wrong_settings_are_refused(setting: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        registry.parse_settings("dcgan", [setting])
    assert message in str(caught.value) and "\n" not in str(caught.value)


# --- presets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", registry.FLAVOURS)
def test_every_preset_has_possible_values(name: str) -> None:
    cls = registry.load_class(name)
    assert "cpu" in cls.Config.presets
    assert cls.Config.presets == registry.outline(name).Config.presets
    facts = cls.data_hyperparameters(random_data_facts((32, 32, 3)))
    for preset, values in cls.Config.presets.items():
        config = RunConfig.create(name, "digits", preset=preset)
        assert config.training.preset == preset
        assert config.hyperparameters.keys() | vars(config.training).keys() >= set(values)
        cls.Config(**facts, **config.hyperparameters)


def test_given_values_win_over_those_of_a_preset() -> None:
    given = {"base_channels": 8, "network": "dcgan"}
    config = RunConfig.create("sngan", "digits", given, preset="paper", steps=7)
    preset = {"generator_channels": 256, "latent_dim": 128, "decay": 1.0, "ema_decay": 0.0}
    assert config.hyperparameters == {**given, **preset, "seed": 0}
    assert config.training.steps == 7 and config.training.preset == "paper"
    assert RunConfig.create("sngan", "digits").training.preset is None


def test_an_unknown_preset_is_refused_with_those_of_the_flavour() -> None:
    with pytest.raises(UserError, match=r"^cgan has no preset 'paper': it has few and cpu$"):
        RunConfig.create("cgan", "digits", preset="paper")
    with pytest.raises(UserError, match=r"^inpainting has no preset 'few': it has cpu$"):
        RunConfig.create("inpainting", "digits", preset="few")


@pytest.mark.parametrize("name", ["stylegan2", "r3gan"])
def test_values_for_small_images_are_refused_for_larger_ones(name: str) -> None:
    registry.check_preset(name, "paper", (32, 32, 3))
    registry.check_preset(name, "cpu", (256, 256, 3))
    message = f"^the preset paper of {name} has values .* up to 32x32 pixels, not 32x48: give --im"
    with pytest.raises(UserError, match=message):
        registry.check_preset(name, "paper", (32, 48, 3))


# --- what the source says ------------------------------------------------------------------------


@pytest.mark.parametrize("name", registry.FLAVOURS)
def test_options_from_source_are_those_of_the_class(name: str) -> None:
    cls = registry.load_class(name)
    from_source = registry.outline(name).Config.options
    assert list(from_source) == list(cls.Config.options)
    for key, item in cls.Config.options.items():
        same = {"from_data": None}  # the source is run again, so this is another function
        assert replace(from_source[key], **same) == replace(item, **same)
        assert item.help, f"{name}: {key} has no help"
    assert registry.outline(name).data_kind == cls.data_kind


PLUGIN = '''
"""A flavour of another package."""
from tfgan2.hyperparameters import option
from tfgan2.models import DCGAN

DEFAULT = 3


class Plugin(DCGAN):
    """A DCGAN."""

    class Config(DCGAN.Config):
        strength: int = option(DEFAULT, "strength of nothing", at_least=0)
'''


def test_a_plugin_whose_config_needs_its_module_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plugin_flavour.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(registry.flavours(), "plugin", "plugin_flavour:Plugin")
    options = registry.hyperparameters("plugin")
    assert next(iter(options)) == "strength" and options["strength"].default == 3
    assert "label_smoothing" in options and "image_shape" not in options
    assert registry.parse_settings("plugin", ["strength=5"]) == {"strength": 5}


PACKAGE = {
    "__init__.py": "from .flavours import Plugin\nraise AssertionError('imported')\n",
    "flavours.py": '''
import tensorflow as tf
from tfgan2.models import DCGAN
from .options import Strength


class Plugin(DCGAN):
    """A DCGAN in a package. Größe."""

    class Config(Strength, DCGAN.Config):
        pass
''',
    "options.py": """
from tfgan2.hyperparameters import Hyperparameters, option


class Strength(Hyperparameters):
    strength: int = option(3, "strength of nothing")
""",
}


@pytest.mark.parametrize("target", ["plugin_package.flavours:Plugin", "plugin_package:Plugin"])
def test_a_plugin_in_several_files_is_read_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    folder = tmp_path / "plugin_package"
    folder.mkdir()
    for name, text in PACKAGE.items():
        (folder / name).write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(registry.flavours(), "plugin", target)
    assert registry.summary("plugin") == f"A DCGAN in a package. Größe. ({target.split(':')[0]})"
    options = registry.hyperparameters("plugin")
    assert next(iter(options)) == "strength" and options["strength"].default == 3
    assert "label_smoothing" in options


ASSIGNED = '''
from tfgan2.hyperparameters import option
from tfgan2.models import DCGAN


class Settings(DCGAN.Config):
    strength: int = option(3, "strength of nothing")


class Plugin(DCGAN):
    """A DCGAN."""

    Config = Settings
'''


def test_a_plugin_whose_config_is_assigned_has_its_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plugin_assigned.py").write_text(ASSIGNED)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(registry.flavours(), "plugin", "plugin_assigned:Plugin")
    assert "strength" in registry.hyperparameters("plugin")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no_package.module:X", "cannot be loaded: No module named 'no_package'"),
        ("wrong_syntax:X", r"cannot be loaded: .* \(wrong_syntax.py, line 1\)"),
        ("no_flavour:Missing", "cannot be loaded: module 'no_flavour' has no attribute 'Missing'"),
        ("no_flavour:Plain", "is no flavour: derive it from LatentGAN"),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, message: str
) -> None:
    (tmp_path / "wrong_syntax.py").write_text("class X(\n")
    (tmp_path / "no_flavour.py").write_text("class Plain:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(registry.flavours(), "plugin", target)
    for function in (registry.hyperparameters, registry.create):
        with pytest.raises(UserError, match=rf"flavour 'plugin' \({target}\) {message}"):
            function("plugin")
