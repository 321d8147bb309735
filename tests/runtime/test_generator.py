"""Images from exported files."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest

from tfgan2 import runtime
from tfgan2.errors import UserError
from tfgan2.inputs.latents import draw_latents
from tfgan2.runtime.backends import Model


def test_no_tensorflow_and_only_the_library_needed(conditional, name):
    code = f"""
import os, sys
from tfgan2 import runtime
assert not {{"onnxruntime", "ai_edge_litert"}} & set(sys.modules)
images = runtime.load({str(conditional / name)!r}).generate(5)
assert images.shape == (5, 8, 8, 3)
heavy = {{"onnxruntime", "ai_edge_litert", "tensorflow", "keras", "onnx"}}
assert "onnxruntime" not in sys.modules or os.environ["ORT_DISABLE_TELEMETRY"] == "1"
print(*sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["onnxruntime" if name.endswith("onnx") else "ai_edge_litert"]
    assert done.stderr == ""


def test_what_it_knows_of_itself(conditional, unconditional, name):
    generator = runtime.load(conditional / name)
    assert (generator.latent_dim, generator.latent_distribution) == (6, "uniform")
    assert (generator.conditional, generator.class_names) == (True, ("cat", "dog", "0"))
    assert generator.image_shape == (8, 8, 3)
    assert generator.batch == (None if name.endswith("onnx") else 1)
    assert generator.metadata == runtime.read_metadata(conditional / name)
    plain = runtime.load(str(unconditional / name), threads=1)
    assert (plain.conditional, plain.class_names, plain.batch) == (False, (), 4)


def test_the_same_seed_gives_the_same_images_in_both_formats(conditional):
    onnx = runtime.load(conditional / "generator.onnx")
    lite = runtime.load(conditional / "generator.tflite")
    images = onnx.generate(40, seed=7)
    np.testing.assert_allclose(images, lite.generate(40, seed=7), atol=1e-5)
    for generator in (onnx, lite):
        latents, labels, texts = generator.draw(40, seed=7)
        np.testing.assert_array_equal(latents, draw_latents(40, 6, seed=7, distribution="uniform"))
        np.testing.assert_array_equal(labels, np.arange(40) % 3)
        assert texts is None
    np.testing.assert_array_equal(onnx(*onnx.draw(40, seed=7)), images)
    assert np.abs(onnx.generate(40, seed=8) - images).max() > 0.1


@pytest.mark.parametrize("folder", ["conditional", "unconditional"])
@pytest.mark.parametrize("count", [0, 1, 4, 33, 70])
def test_any_count(request, name, folder, count):
    generator = runtime.load(request.getfixturevalue(folder) / name)
    latents = draw_latents(70, 6)
    labels = np.arange(70) % 3 if generator.conditional else None
    everything = generator(latents, labels)
    some = generator(latents[:count], None if labels is None else labels[:count])
    assert some.shape == (count, 8, 8, 3)
    assert some.dtype == np.float32
    np.testing.assert_allclose(some, everything[:count], atol=1e-6)
    assert np.abs(everything).max() <= 1
    # No image is a copy left in a buffer of the one before.
    assert len(np.unique(everything.reshape(70, -1), axis=0)) == 70


@pytest.mark.parametrize(("edge", "largest"), [(8, 32), (64, 32), (128, 8), (1024, 1)])
@pytest.mark.parametrize("free", [False, True])
def test_large_images_are_made_a_few_at_a_time(edge, largest, free):
    sizes = []

    def backend(inputs):
        sizes.append(len(inputs["input"]))
        return {"image": np.zeros((sizes[-1], 1, 1, 1), np.float32)}

    output = {"name": "image", "shape": [None, *((None, None) if free else (edge, edge)), 1]}
    model = Model(backend, {"outputs": [output], "batch": None, "scale": 2})
    model({"input": np.zeros((40, edge // 2, edge // 2, 1), np.float32)})
    assert max(sizes) == largest and sum(sizes) == 40


def test_labels_by_name_number_and_in_turn(conditional, name):
    generator = runtime.load(conditional / name)
    latents = np.repeat(draw_latents(1, 6), 3, axis=0)
    each = generator(latents, np.arange(3))
    assert np.abs(each[0] - each[1]).max() > 0.01
    for label, expected in [
        ("dog", [1, 1, 1, 1]),
        (1, [1, 1, 1, 1]),
        ("2", [2, 2, 2, 2]),
        ("0", [2, 2, 2, 2]),  # the class called "0" comes before the class number 0
        (["dog", "cat"], [1, 0, 1, 0]),
        (None, [0, 1, 2, 0]),
        ([], [0, 1, 2, 0]),
    ]:
        np.testing.assert_array_equal(generator.draw(4, label=label)[1], expected)


def test_wrong_arguments(conditional, unconditional, name):
    generator, plain = runtime.load(conditional / name), runtime.load(unconditional / name)
    latents = draw_latents(2, 6)
    good = np.array([0, 1])
    nan = np.full((2, 6), np.nan)
    cases = [
        (lambda: generator(latents[:, :5], good), "shape (count, 6), not (2, 5)"),
        (lambda: generator(latents[0], good), "shape (count, 6), not (6,)"),
        (lambda: generator(nan, good), "finite real numbers"),
        (lambda: generator(latents.astype(str), good), "finite real numbers"),
        (lambda: generator(latents, np.array([0, 3])), "label 3 is out of range"),
        (lambda: generator(latents, np.array([0, -1])), "whole numbers from 0 to 2"),
        (lambda: generator(latents, np.array([0.0, 1.0])), "whole numbers from 0 to 2"),
        (lambda: generator(latents, good[:1]), "labels must have the shape (2,), not (1,)"),
        (lambda: generator(latents), "needs labels"),
        (lambda: plain(latents, good), "takes no labels"),
        (lambda: plain.generate(2, label="cat"), "takes no labels"),
        (lambda: generator.generate(2, label="dgo"), "unknown label 'dgo': did you mean 'dog'?"),
        (lambda: generator.generate(2, label="3"), "unknown label '3'"),
        (lambda: generator.generate(2, label=-1), "unknown label '-1'"),
        (lambda: generator.generate(0), "count must be at least 1"),
        (lambda: generator.generate(1, seed=-1), "seed must be 0 or more"),
        (lambda: runtime.load(conditional / name, threads=0), "threads must be at least 1"),
    ]
    for call, message in cases:
        with pytest.raises(UserError, match=re.escape(message)) as error:
            call()
        assert "\n" not in str(error.value)
