"""SavedModels as Keras layers, and in folders with any name."""

from __future__ import annotations

import os
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import make_small, small_generator

from tfgan2.export import Options, export_generator, model_specs, saved_model
from tfgan2.export.graph import checked, reference
from tfgan2.export.spec import ExportSpec, draw_inputs

TFSMLayer = keras.layers.TFSMLayer
DOCS = Path(__file__).parents[2] / "docs" / "export.md"
NETWORKS = [
    ("dcgan", "generator", ["z"]),
    ("cgan", "generator", ["z", "label"]),
    ("pix2pix", "generator", ["input"]),
    ("inpainting", "generator", ["input", "mask"]),
    ("stackgan", "text_encoder", ["words"]),
    ("stackgan", "generator", ["z", "text"]),
]
# Brackets, a backslash and a star are patterns to TensorFlow; bytes that are not UTF-8 it refuses.
NAMES = ["run[1]\\b", "a*b?", os.fsdecode(b"a\xffb\n\t\"'#%41 ~;${HOME}::\xf0\x9f\x90\xb8")]


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda item: "-".join(item[:2]))
def saved(request, tmp_path_factory) -> tuple[ExportSpec, str, TFSMLayer]:
    flavour, network, names = request.param
    spec = checked(model_specs(make_small(flavour), ["a", "b", "c"])[network])
    assert spec.input_names == names
    path = tmp_path_factory.mktemp("saved") / "saved_model"
    saved_model.save(spec, path, None)
    return spec, str(path), TFSMLayer(path)


def test_a_keras_layer_takes_a_dict_or_a_list(saved):
    spec, path, layer = saved
    named = TFSMLayer(path, call_endpoint="serving_default")
    inputs = draw_inputs(spec, 3, seed=1)
    expected = reference(spec, inputs)
    forms = [inputs, dict(reversed(inputs.items())), list(inputs.values())]
    if len(inputs) == 1:
        forms += inputs.values()
    for form in forms:
        np.testing.assert_allclose(layer(form), expected, atol=1e-5)
        ((name, values),) = named(form).items()
        assert name == spec.output_name
        np.testing.assert_allclose(values, expected, atol=1e-5)


def test_the_signature_still_takes_one_tensor_for_each_input(saved):
    spec, path, _ = saved
    inputs = draw_inputs(spec, 2, seed=1)
    loaded = tf.saved_model.load(path)
    assert list(loaded.signatures) == ["serving_default"]
    tensors = {name: tf.constant(array) for name, array in inputs.items()}
    made = loaded.signatures["serving_default"](**tensors)[spec.output_name]
    np.testing.assert_allclose(made, reference(spec, inputs), atol=1e-5)


def test_a_keras_layer_in_a_model_learns(saved):
    spec, _, layer = saved
    assert len(layer.weights) == len(spec.network.weights)
    inputs = {
        item.name: keras.Input(item.shape[1:], dtype=item.dtype, name=item.name)
        for item in spec.network.inputs
    }
    output = layer(inputs)
    assert output.shape[1:] == spec.network.outputs[0].shape[1:]
    model = keras.Model(inputs, keras.layers.Flatten()(output))
    model.compile(keras.optimizers.SGD(1.0), "mse")
    values = draw_inputs(spec, 4, seed=1)
    before = [weight.numpy() for weight in layer.trainable_weights]
    model.fit(values, np.zeros((4, model.output_shape[1])), verbose=0)
    after = layer.trainable_weights
    assert any((old != new.numpy()).any() for old, new in zip(before, after, strict=True))


def test_the_code_in_the_docs_runs(conditional, tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.[^`]*?TFSMLayer.*?)```", DOCS.read_text(), re.DOTALL)
    (tmp_path / "export").symlink_to(conditional.folder)
    monkeypatch.chdir(tmp_path)
    assert "(16, 100)" in code
    scope = {}
    exec(code.replace("(16, 100)", "(16, 8)"), scope)
    assert scope["images"].shape == (16, 16, 16, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_folder_of_any_name(name, tmp_path):
    (tmp_path / "aXbY").mkdir()  # what a*b? would match as a pattern
    out = tmp_path / name / name
    options = Options(["saved_model", "tflite"], images=16)
    artifacts = export_generator(small_generator(0), out, options, about={"dataset": name})
    assert [artifact.path.parent for artifact in artifacts] == [out, out]
    model = saved_model.open_folder(out / "saved_model")
    assert model({"z": np.zeros((2, 6), np.float32)}).shape == (2, 8, 8, 3)
    assert model.metadata["about"]["dataset"] == name.encode(errors="replace").decode()
    assert {path.name for path in out.iterdir()} == {
        "metadata.json",
        "saved_model",
        "generator.tflite",
    }
