"""The model card says what a run was trained on, how good it is, and names no local path."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers import eagerly, finished
from PIL import Image

from tfgan2 import cli, runs
from tfgan2.command import command

COMMAND = "dcgan --dataset folder:{folder} --image-size 16 --batch-size 8 --seed 4 --set flip=true"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluated run on a folder of images."""
    place = tmp_path_factory.mktemp("secret-place")
    folder = place / "pictures"
    folder.mkdir()
    for number, image in enumerate(
        np.random.default_rng(0).integers(0, 256, (12, 16, 16), np.uint8)
    ):
        Image.fromarray(image).save(folder / f"{number}.png")
    out = finished(place / "run", COMMAND.format(folder=folder))
    words = f"evaluate {out} --features random-conv-112 --metrics fid,prdc --count 16"
    assert cli.run(words.split()) == 0
    return out


def bundled(run: Path, *options: str) -> str:
    words = ["export", str(run), "--format", "onnx", "--images", "16", "--bundle", *options]
    assert cli.run(words) == 0
    return (run / "export" / "bundle" / "README.md").read_text(encoding="utf-8")


def test_the_card_of_a_run(run: Path) -> None:
    text = bundled(run, "--license", "cc-by-4.0")
    _, front_matter, page = text.split("---\n", 2)
    facts = yaml.safe_load(front_matter)
    assert facts["license"] == "cc-by-4.0" and facts["tags"] == ["gan", "dcgan", "onnx"]
    assert facts["pipeline_tag"] == "unconditional-image-generation"
    assert "datasets" not in facts  # a folder is none of the hub's
    (index,) = facts["model-index"]
    (result,) = index["results"]
    assert result["dataset"]["name"] == "pictures"
    (evaluated,) = (run / "evaluation").glob("*/result.json")
    figures = json.loads(evaluated.read_text())["figures"]
    assert {item["type"]: item["value"] for item in result["metrics"]} == figures
    assert "12 images, 2 steps, 16 images shown" in page
    assert f"| FID | {figures['fid']:,.3f} |" in page
    assert f"Recall {figures['recall']:.0%}" in page and "Licence of the files: cc-by-4.0." in page
    assert "secret-place" not in text


@pytest.mark.slow
def test_the_command_trains_alike(run: Path, tmp_path: Path) -> None:
    config = runs.RunConfig.read(run)
    words = command(config)
    assert words[:5] == ["tfgan2", "fit", "dcgan", "--dataset", "folder:pictures"]
    words[words.index("folder:pictures")] = config.data.name
    again = tmp_path / "again"
    assert cli.run([*words[1:], "--out", str(again), "--dry-run"]) == 0
    with eagerly():
        assert cli.run([*words[1:], "--out", str(again)]) == 0
    other = runs.RunConfig.read(again)
    assert other.hyperparameters == config.hyperparameters
    for name in ("steps", "batch_size", "seed", "xla", "precision"):
        assert getattr(other.training, name) == getattr(config.training, name)


@pytest.mark.slow
def test_without_an_evaluation_or_a_licence(run: Path, tmp_path: Path) -> None:
    out = finished(tmp_path / "run", "cgan --dataset digits --batch-size 8")
    text = bundled(out)
    facts = yaml.safe_load(text.split("---\n")[1])
    assert facts["license"] == "unknown" and facts["datasets"] == ["digits"]
    assert "model-index" not in facts
    assert "Not evaluated." in text and "No licence was given" in text
    assert "images of 16x16 pixels, grey, of 10 classes" in text


@pytest.mark.slow
def test_the_card_of_a_translator(tmp_path: Path) -> None:
    out = finished(tmp_path / "run", "inpainting --dataset digits --image-size 16 --hold-out 4")
    words = f"evaluate {out} --features random-conv-112 --metrics pairs"
    assert cli.run(words.split()) == 0
    text = bundled(out)
    facts = yaml.safe_load(text.split("---\n")[1])
    assert facts["pipeline_tag"] == "image-to-image"
    assert "4 samples from the inputs of the reference, compared with 4 real images" in text
    assert "| L1 |" in text


@pytest.mark.slow
def test_the_card_of_points(tmp_path: Path) -> None:
    out = finished(tmp_path / "run", "gan --dataset ring8")
    assert cli.run(["evaluate", str(out), "--count", "100"]) == 0
    text = bundled(out)
    assert "This generator makes points." in text
    assert "100 samples from latents, compared with ring8. Features: the points themselves." in text


def test_a_licence_needs_a_card(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.run(["export", str(tmp_path), "--license", "mit"]) == 2
    assert "--license is for the model card in a bundle: add --bundle" in capsys.readouterr().err
