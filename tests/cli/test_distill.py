"""`tfgan2 distill`: from a run to the run of a smaller student."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import PLAIN_SGD, assert_refused, eagerly, fit, fit_small
from PIL import Image

import tfgan2
from tfgan2 import cli, runs
from tfgan2.command import command_text
from tfgan2.data.taught import Taught
from tfgan2.distillation import budget
from tfgan2.distillation.lessons import PairsOfImages
from tfgan2.errors import UserError
from tfgan2.images import from_uint8, to_uint8
from tfgan2.training import checkpoints

STUDENT = "--batch-size 16 --log-every 1 --checkpoint-every 1 --sample-every 2 --no-xla"


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A conditional run of the embedded digits."""
    out = tmp_path_factory.mktemp("teacher") / "run"
    words = "cgan --dataset digits --steps 2 --batch-size 16 --seed 3 --no-xla"
    with eagerly():
        assert fit(out, f"{words} --set base_channels=8 --set latent_dim=5") == 0
    return out


@pytest.mark.slow
def test_from_a_run_to_an_exported_student(
    teacher: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(budget, "_BASES", (16, 8))  # the widest takes longest
    out = tmp_path / "student"
    words = f"distill {teacher} --budget 50KB --images 64 --steps 2 {STUDENT} {PLAIN_SGD}"
    words += f" --out {out}"
    assert cli.run(words.split()) == 0
    shown = capsys.readouterr().out
    assert "student of" in shown
    assert f"tfgan2 export {out} --format tflite --precision int8" in shown
    # What the teacher drew is what it makes of these latents and labels.
    (file,) = (teacher / "taught").iterdir()
    taught, (model, about) = Taught.read(file), runs.load_model(teacher)
    expected = to_uint8(model.generate(taught.latents, taught.labels))
    np.testing.assert_array_equal(taught.images, expected)
    assert list(taught.class_names) == about["class_names"] == list("0123456789")
    assert taught.teacher["flavour"] == "cgan" and taught.teacher["step"] == 2
    # The student takes the same latents and labels, and its file keeps to the budget.
    config = runs.RunConfig.read(out)
    assert config.flavour == "student" and config.hyperparameters["latent_dim"] == 5
    words = f"export {out} --format tflite --precision int8 --images 16 --allow-lossy"
    assert cli.run(words.split()) == 0
    (artefact,) = json.loads((out / "export" / "metadata.json").read_text())["artefacts"]
    assert artefact["bytes"] <= 50_000
    assert [item["name"] for item in artefact["inputs"]] == ["z", "label"]
    # A student teaches as well, and what it drew is used again.
    words = f"distill {out} --set base_channels=4 --set max_channels=8 --images 32 --steps 1"
    for number in range(2):
        with eagerly():
            assert cli.run(f"{words} {STUDENT} --out {tmp_path / f'pupil-{number}'}".split()) == 0
    assert "made before" in capsys.readouterr().out
    assert runs.RunConfig.read(tmp_path / "pupil-1").source == "digits"
    # Killed after its first step, it resumes to bitwise the same weights.
    newest = checkpoints.newest(out)
    checkpoints.paths(out)[0].unlink()
    assert cli.run(["fit", "--resume", str(out)]) == 0
    again = checkpoints.newest(out)
    assert again.step == newest.step == 2
    for name, array in newest.arrays.items():
        assert again.arrays[name].tobytes() == array.tobytes(), name


def test_size_and_channels_and_images_drawn_before(
    teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "small.npz"
    words = f"distill {teacher} --size 8 --taught {file} --images 32 --steps 1 {STUDENT}"
    words += " --set base_channels=4 --set max_channels=4"
    with eagerly():
        assert cli.run([*words.split(), "--out", str(tmp_path / "one")]) == 0
    assert Taught.read(file).images.shape == (32, 8, 8, 1)
    before = file.stat().st_mtime_ns
    with eagerly():
        assert cli.run([*words.split(), "--out", str(tmp_path / "two")]) == 0
    assert "made before" in capsys.readouterr().out and file.stat().st_mtime_ns == before
    out = str(tmp_path / "three")
    other = words.replace("--size 8", "--size 12").split()
    message = f"{file} was made for another student: its size is (8, 8), not (12, 12)"
    assert_refused([*other, "--out", out], message, capsys)
    other = words.replace("--images 32", "--images 33").split()
    assert_refused([*other, "--out", out], "its images is 32, not 33", capsys)
    config = runs.RunConfig.read(tmp_path / "one")
    assert config.hyperparameters["image_shape"] == [8, 8, 1]
    command = command_text(config)
    assert command.startswith("tfgan2 distill RUN --size 8 --images 32 --steps 1 --batch-size 16 ")
    config.training.preset = "cpu"
    assert "--images 32 --preset cpu --steps 1" in command_text(config)


def test_refused(
    teacher: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, before = tmp_path / "out", set(teacher.rglob("*"))

    def refused(words: str, message: str) -> None:
        assert_refused(["distill", *words.split(), "--out", str(out)], message, capsys)
        assert not out.exists()

    refused(str(teacher), "budget is missing: give one like 300KB, 3ms or 20MFLOP")
    refused(f"{teacher} --budget 3elephants", "must be like 300KB, 3ms or 20MFLOP")
    refused(f"{teacher} --budget 9KB --size 3", "image_size must be from 4 to 1024")
    refused(f"{teacher} --budget 9KB --images 1", "images must be at least 2")
    refused(f"{teacher} --budget 9KB --checkpoint best", "has kept no best checkpoint")
    refused(f"{tmp_path}/none --budget 9KB", "no such run directory")
    refused(f"{teacher} --budget 9KB --set base_chanels=3", "did you mean 'base_channels'")
    refused("gs://bucket/run --budget 9KB", "is remote: give a file for its images, as --taught")
    refused(f"{teacher} --budget 9KB --set max_channels=8", "a budget chooses base_channels and")
    refused(f"{teacher} --set base_channels=8", "a budget chooses base_channels and")
    # Before the teacher draws.
    monkeypatch.setattr(budget, "_BASES", (4,))
    monkeypatch.setattr(budget, "_measured", lambda spec, flops: budget.Cost(20_000, 1.0, flops))
    refused(f"{teacher} --budget 9KB", "even the smallest student exceeds the budget: it needs 20")
    monkeypatch.setattr("tfgan2.api.distilling.lesson_of", lambda flavour: PairsOfImages)
    with pytest.raises(UserError, match="a budget is for network=mobile, not unet"):
        tfgan2.distill(teacher, budget=["9KB"], hyperparameters={"network": "unet"}, out=out)
    assert set(teacher.rglob("*")) == before


@pytest.mark.slow
def test_what_cannot_teach(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    points, texts = tmp_path / "points", tmp_path / "texts"
    small = "--steps 1 --batch-size 16 --no-xla --set base_channels=4"
    assert fit(points, f"gan --dataset ring8 {small}") == 0
    assert fit(texts, f"stackgan --dataset digits-captions --image-size 16 {small}") == 0
    for run, message in ((points, "makes points"), (texts, "takes images or texts")):
        words = f"distill {run} --budget 90KB --images 8 --out {tmp_path / 'out'}"
        assert_refused(words.split(), message, capsys)


@pytest.mark.slow
def test_a_run_without_labels(tmp_path: Path) -> None:
    teacher, out = tmp_path / "teacher", tmp_path / "student"
    assert fit_small(teacher, steps=2) == 0
    words = f"distill {teacher} --budget 50KB --images 32 --steps 1 {STUDENT} --out {out}"
    assert cli.run(words.split()) == 0
    assert runs.RunConfig.read(out).hyperparameters["num_labels"] == 0


@pytest.mark.slow
def test_a_student_of_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "data").mkdir()
    for number in range(10):
        both = rng.integers(0, 256, (16, 32, 3), np.uint8)
        Image.fromarray(both).save(tmp_path / "data" / f"{number}.png")
    teacher, out = tmp_path / "teacher", tmp_path / "student"
    words = f"pix2pix --dataset pairs:{tmp_path / 'data'} --image-size 16 --hold-out 2 --no-xla"
    words += " --set base_channels=4 --set max_channels=8 --steps 1 --batch-size 4"
    with eagerly():
        assert fit(teacher, words) == 0
    words = f"distill {teacher} --images 12 --quantize int8 --steps 3 --set float_steps=1"
    words += f" {PLAIN_SGD}"
    words += (
        " --set base_channels=4 --set max_channels=8 --batch-size 4 --checkpoint-every 1 --no-xla"
    )
    assert cli.run([*words.split(), "--out", str(out)]) == 0
    # All inputs as they are, then others that are cropped and mirrored; the held-out ones apart.
    (folder,) = (teacher / "taught").iterdir()
    files = {part: sorted((folder / part).iterdir()) for part in ("trainA", "trainB", "testA")}
    assert [len(each) for each in files.values()] == [12, 12, 2]
    lefts = {each.tobytes() for each in map(left_half, (tmp_path / "data").iterdir())}
    kept = [np.asarray(Image.open(path)).tobytes() in lefts for path in files["trainA"]]
    assert kept == [True] * 8 + [False] * 4
    model, _ = runs.load_model(teacher)
    inputs = np.stack([np.asarray(Image.open(path)) for path in files["trainA"]])
    outputs = np.stack([np.asarray(Image.open(path)) for path in files["trainB"]])
    expected = model.run_generator(model.sampling_generator, {"input": from_uint8(inputs)})
    assert np.abs(outputs - to_uint8(expected).astype(int)).max() <= 1
    # The student's run says who taught it, resumes, and exports.
    config = runs.RunConfig.read(out)
    assert config.flavour == "pix2pix" and config.hyperparameters["network"] == "mobile"
    assert config.hyperparameters["float_steps"] == 1 and config.dataset["held_out"] == 2
    assert config.source == f"pairs:{tmp_path / 'data'}"
    newest = checkpoints.newest(out)
    checkpoints.paths(out)[0].unlink()
    assert cli.run(["fit", "--resume", str(out)]) == 0
    for name, array in newest.arrays.items():
        assert checkpoints.newest(out).arrays[name].tobytes() == array.tobytes(), name
    words = command_text(config)
    assert words.startswith("tfgan2 distill RUN ") and "--set network=mobile" in words
    config.data.image_size, config.dataset["image_shape"] = "8x12", [8, 12, 3]
    assert "--size 8x12" in command_text(config) and "--image-size" not in command_text(config)
    # Pairs that another checkpoint or count would make are refused.
    capsys.readouterr()
    words = f"distill {teacher} --images 13 --taught {folder} --budget 90KB --out {tmp_path / 'o'}"
    assert_refused(words.split(), "its images is 12, not 13", capsys)
    (folder / "taught.json").write_text("{}")
    words = words.replace("--images 13", "--images 12")
    assert_refused(words.split(), "taught.json is damaged", capsys)


def left_half(path: Path) -> np.ndarray:
    image = np.asarray(Image.open(path))
    return np.ascontiguousarray(image[:, : image.shape[1] // 2])
