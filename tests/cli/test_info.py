"""`tfgan2 info NAME`, and with --cost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import assert_refused

from tfgan2 import cli, registry
from tfgan2.hyperparameters import Option

SMALL = "--image-size 8 --channels 1 --batch-size 4 --set base_channels=8"


@pytest.mark.slow
def test_counted_and_measured_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "cost.json"
    words = f"info gan --cost {SMALL} --steps 1 --no-xla --json {file}"
    assert cli.run(words.split()) == 0
    output = capsys.readouterr().out
    assert "FLOPs per image" in output and "measured on CPU, without XLA" in output
    content = json.loads(file.read_text())
    assert content["batch_size"] == 4 and content["hyperparameters"]["base_channels"] == 8
    step, measured = content["counted"]["step"], content["measured"]
    assert step["flops"] == 4 * step["flops_per_image"] == sum(step["flops_by_op"].values())
    speed = step["flops"] / measured["seconds_per_step"]
    assert measured["flops_per_second"] == pytest.approx(speed)
    assert measured["share_of_peak"] == pytest.approx(speed / measured["peak_flops"])


@pytest.mark.slow
def test_phases_in_half_precision(capsys: pytest.CaptureFixture[str]) -> None:
    words = "info srgan --cost --image-size 16 --batch-size 2 --set blocks=1 --set base_channels=4"
    assert cli.run([*words.split(), "--no-measure", "--precision", "mixed_bfloat16"]) == 0
    output = capsys.readouterr().out
    assert "mixed_bfloat16" in output and "phase adversarial" in output
    assert "measured on" not in output


@pytest.mark.slow
def test_all_values_of_a_preset(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(f"info sngan --preset paper {SMALL} --set lookahead=5".split()) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    values = {row[0]: row[1] for row in rows if len(row) > 1}
    changed = {row[1]: row[2:4] for row in rows if row[:1] == ["*"]}
    assert changed["network"] == ["resnet", "dcgan"] and changed["lookahead"] == ["5", "0"]
    assert values["d_steps"] == "5" and "d_steps" not in changed  # it follows from the network
    assert changed["--batch-size"] == ["4", "64"] and values["--steps"] == "50000"
    assert values["augment"] == "none" and "augment" not in changed
    last = rows[-1] if rows[-1] else rows[-2]
    text = " ".join(last)
    assert text.startswith("expected time of 50,000 steps of 4 images of 8x8x1 on CPU: about ")
    assert "(an estimate; --cost times steps)" in text


def test_defaults_are_those_of_the_chosen_network(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tfgan2.costs.estimate.training_seconds", lambda *arguments: 1.0)
    words = "info r3gan --preset cpu --set network=dcgan --set base_channels=2 --image-size 30"
    assert cli.run([*words.split(), "--channels", "1", "--batch-size", "2"]) == 0
    rows = [line.split()[:4] for line in capsys.readouterr().out.splitlines()]
    assert ["*", "network", "dcgan", "r3gan"] in rows
    assert ["*", "gamma", "1.0"] in [row[:3] for row in rows]


def test_costs_of_a_preset(tmp_path: Path) -> None:
    file = tmp_path / "cost.json"
    words = f"info began --cost --preset paper --image-size 8 --no-measure --json {file}"
    assert cli.run([*words.split(), "--set", "base_channels=4"]) == 0
    content = json.loads(file.read_text())
    assert content["batch_size"] == 16 and content["hyperparameters"]["gamma"] == 0.5
    assert content["hyperparameters"]["base_channels"] == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("info dcgan --batch-size 8", "--batch-size needs --cost or --preset"),
        ("info dcgan --preset cpu --steps 3", "--steps needs --cost"),
        ("info dcgan --preset big", "dcgan has no preset 'big': it has few, cpu and paper"),
        (
            "info r3gan --preset paper --image-size 64",
            "up to 32x32 pixels, not 64x64: give --image",
        ),
        ("info dcgan --no-measure", "--measure needs --cost"),
        ("info dcgan --set base_channels=8", "--set needs --cost"),
        ("info dcgan --cost --set widht=3", "unknown hyperparameter of dcgan 'widht'"),
        ("info dcgna --cost", "unknown flavour 'dcgna': did you mean 'dcgan'"),
        ("info dcgan --cost --no-measure --steps 3", "no effect with --no-measure"),
        ("info dcgan --cost --no-measure --no-xla", "no effect with --no-measure"),
        ("info stackgan --cost --no-measure --batch-size 1", "give a --batch-size of 2"),
    ],
)
def test_refused(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(words.split(), message, capsys)


def test_texts_of_other_packages_keep_their_brackets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(registry, "summary", lambda name: "a GAN [beta]")
    option = Option("[on]", "[on] or [off]", name="switch", type="str")
    monkeypatch.setattr(registry, "hyperparameters", lambda name: {"switch": option})
    assert cli.run(["models"]) == 0
    assert "a GAN [beta]" in capsys.readouterr().out
    assert cli.run(["info", "gan"]) == 0
    assert "[on] or [off]" in capsys.readouterr().out
