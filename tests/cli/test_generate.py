"""`tfgan2 generate`."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import typer
from helpers import small_generator
from PIL import Image
from typer.testing import CliRunner

from tfgan2 import runtime
from tfgan2.cli.generate import generate
from tfgan2.errors import UserError
from tfgan2.images import to_uint8
from tfgan2.inputs.latents import draw_latents


@pytest.fixture(params=["generator.onnx", "generator.tflite"])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def call(*arguments):
    app = typer.Typer()
    app.command()(generate)
    return CliRunner().invoke(app, [str(item) for item in arguments])


def refused(message, *arguments):
    result = call(*arguments)
    assert isinstance(result.exception, UserError), result.output
    assert message in str(result.exception)


def test_a_grid(conditional, name, tmp_path):
    out = tmp_path / "made.png"
    result = call(conditional / name, "--out", out, "--count", 6, "--columns", 3)
    assert result.exit_code == 0, result.output
    (line,) = result.output.splitlines()
    assert line.startswith(f"{out}: 6 images, ")
    assert line.endswith(" ms per image")
    width, height = Image.open(out).size
    assert width > height


def test_seed_labels_and_arrays(conditional, name, tmp_path):
    out = tmp_path / "made.npz"
    result = call(conditional / name, "--out", out, "--seed", 3, "--label", "dog", "--label", "cat")
    assert result.exit_code == 0, result.output
    arrays = np.load(out)
    generator = runtime.load(conditional / name)
    latents, labels, _ = generator.draw(16, seed=3, label=["dog", "cat"])
    images = generator(latents, labels)
    np.testing.assert_array_equal(arrays["images"], to_uint8(images))
    np.testing.assert_array_equal(arrays["latents"], latents)
    np.testing.assert_array_equal(arrays["labels"], labels)


@pytest.mark.slow
def test_uint8_files(tmp_path):
    """Arrays, GIFs and single images of every precision equal the output of the file."""
    from tfgan2.export import Options, export_generator

    precisions = ["float32", "float16", "int8", "mixed"]
    options = Options(["onnx", "tflite"], precisions, output="uint8", images=16, allow_lossy=True)
    names = ["cat", "dog", "0"]
    for artifact in export_generator(small_generator(3), tmp_path, options, class_names=names):
        file = artifact.path
        made = runtime.open_file(file)[0]({"z": draw_latents(1, 6), "label": np.zeros(1, np.int32)})
        assert made["image"].dtype == np.uint8 and np.ptp(made["image"]) > 20
        for out in ("made.npz", "made.gif", "made"):
            result = call(file, "--count", 2, "--label", "cat", "--out", tmp_path / out)
            assert result.exit_code == 0, result.output
        images = np.load(tmp_path / "made.npz")["images"]
        assert np.abs(images[:1].astype(int) - made["image"]).max() <= 1
        shown = np.asarray(Image.open(tmp_path / "made" / "00000.png"))
        np.testing.assert_array_equal(shown, images[0])
        shutil.rmtree(tmp_path / "made")


def test_latents_from_a_file(conditional, tmp_path):
    np.save(tmp_path / "z.npy", draw_latents(3, 6, seed=1))
    out = tmp_path / "made.npz"
    file = conditional / "generator.onnx"
    result = call(file, "--latents", tmp_path / "z.npy", "--label", "1", "--out", out)
    assert result.exit_code == 0, result.output
    arrays = np.load(out)
    expected = runtime.load(file)(draw_latents(3, 6, seed=1), np.array([1, 1, 1]))
    np.testing.assert_array_equal(arrays["images"], to_uint8(expected))
    np.testing.assert_array_equal(arrays["labels"], [1, 1, 1])


def test_errors(conditional, unconditional, tmp_path):
    file = conditional / "generator.onnx"
    np.save(tmp_path / "wrong.npy", np.zeros((2, 5)))
    np.save(tmp_path / "empty.npy", np.zeros((0, 6)))
    np.save(tmp_path / "scalar.npy", np.zeros(()))
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04")
    refused("cannot write 'x.jpg'", file, "--out", "x.jpg")
    refused("does not exist", tmp_path / "none.onnx")
    refused("either --count or --latents", file, "--count", 3, "--latents", "z.npy")
    refused("either --seed or --latents", file, "--seed", 0, "--latents", "z.npy")
    refused("does not exist", file, "--latents", tmp_path / "none.npy")
    refused("cannot be replaced: name a folder in it", file, "--out", ".")
    for name in ("text.npy", "cut.npz"):
        refused("not a complete .npy file", file, "--latents", tmp_path / name)
    refused("holds no latents", file, "--latents", tmp_path / "empty.npy")
    refused("holds no latents", file, "--latents", tmp_path / "scalar.npy")
    refused("not (2, 5)", file, "--latents", tmp_path / "wrong.npy")
    refused("unknown label 'cow'", file, "--label", "cow")
    refused("takes no labels", unconditional / "generator.onnx", "--label", "cat")
    refused("count must be at least 1", file, "--count", 0)


def test_nothing_is_written_when_it_fails(conditional, tmp_path):
    call(conditional / "generator.onnx", "--label", "cow", "--out", tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [1, 2])
def test_one_image_is_one_image(conditional, tmp_path, count):
    result = call(conditional / "generator.tflite", "--count", count, "--out", tmp_path / "x.png")
    assert f"{count} image{'s' if count > 1 else ''}," in result.output
