"""Precision "mixed": the layers that int8 ruins are found, named and kept in float."""

from __future__ import annotations

import json

import keras
import pytest

from tfgan2 import runtime
from tfgan2.export import ExportError, Options, export_generator
from tfgan2.export.quantize import GOAL, layer_of, mixed


@keras.saving.register_keras_serializable()
class WideAttention(keras.layers.Layer):
    """Self-attention over so many positions that int8 rounds most weights to zero."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.query = keras.layers.Dense(4, name="query")
        self.key = keras.layers.Dense(4, name="key")

    def call(self, x):
        height, width, channels = x.shape[1:]
        flat = keras.ops.reshape(x, (-1, height * width, channels))
        scores = keras.ops.matmul(self.query(flat), keras.ops.transpose(self.key(flat), (0, 2, 1)))
        attended = keras.ops.matmul(keras.ops.softmax(scores), flat)
        return keras.ops.reshape(attended, (-1, height, width, channels))


@pytest.fixture(scope="module")
def attentive(make_generator, settle_generator):
    generator = make_generator(widths=(12, 8, 8), extra=WideAttention)
    settle_generator(generator)
    return generator


def test_int8_that_anyone_sees_is_refused(attentive, tmp_path):
    options = Options(["tflite"], ["int8"], images=64)
    with pytest.raises(ExportError, match="dB from those of Keras, less than 25") as error:
        export_generator(attentive, tmp_path / "export", options)
    assert "\n" not in str(error.value)
    assert "--precision mixed" in str(error.value) and "--allow-lossy" in str(error.value)
    assert not (tmp_path / "export").exists()


@pytest.mark.slow
def test_mixed_keeps_the_attention_in_float(attentive, tmp_path):
    options = Options(["tflite"], ["float32", "int8", "mixed"], allow_lossy=True, images=64)
    full, int8, made = export_generator(attentive, tmp_path, options)
    assert int8.psnr < 25 < GOAL - 3 < made.psnr
    assert made.frechet["distance"] < int8.frechet["distance"]
    assert made.bytes < full.bytes
    assert "wide_attention" in made.float_layers
    every = {layer.name for layer in attentive._flatten_layers()}
    every.add("tanh")  # the output's operator belongs to no layer
    assert {layer.split("/")[0] for layer in made.float_layers} < every
    assert "dense" not in made.float_layers
    listed = json.loads((tmp_path / "metadata.json").read_text())["artefacts"]
    assert [item.get("float_layers") for item in listed] == [None, None, [*made.float_layers]]
    assert runtime.read_metadata(made.path)["float_layers"] == [*made.float_layers]
    assert listed[2]["calibration"] == "320 of latents"


@pytest.mark.slow
def test_nothing_is_kept_where_int8_is_good_enough(large):
    made, int8 = large.of("tflite", "mixed"), large.of("tflite", "int8")
    # Other images decide than those that verify.
    assert made.psnr >= GOAL - 1
    if int8.psnr >= GOAL + 1:
        assert made.float_layers == []
    if int8.psnr < GOAL - 1:
        assert made.float_layers
    if not made.float_layers:
        assert made.psnr == int8.psnr


class Layers:
    """A stand-in for a model in which each int8 layer adds its error."""

    def __init__(self, errors):
        self.errors = self.layers = errors
        self.made = 0

    def whole(self, except_for=()):
        self.made += 1
        return frozenset(self.errors) - frozenset(except_for)

    def only(self, layer):
        return frozenset([layer])

    def judge(self, chosen):
        return 60.0 - sum(self.errors[layer] for layer in chosen)


def test_the_fewest_layers_are_kept():
    model = Layers({"a": 1, "b": 30, "c": 2, "d": 12, "e": 3, "f": 0})
    made, kept = mixed(model, model.judge)
    assert kept == ["b"] and made == {"a", "c", "d", "e", "f"}  # 60 - 18 dB
    model = Layers({"a": 9, "b": 30, "c": 2, "d": 19, "e": 3, "f": 9})
    made, kept = mixed(model, model.judge)
    assert kept == ["b", "d"] and made == {"a", "c", "e", "f"}
    # "a" alone is the worst, and enough.
    model = Layers({"a": 14, "b": 13, "c": 12})
    assert mixed(model, model.judge)[1] == ["a"]
    model = Layers({"a": 9, "b": 8})
    assert mixed(model, model.judge) == ({"a", "b"}, [])
    model = Layers(dict.fromkeys("abcde", 26))
    assert len(mixed(model, model.judge)[1]) == 5


def test_layers_by_the_names_of_their_operators():
    names = {"dense", "conv2d_1", "re_lu", "batch_normalization_1", "to_image"}
    from ai_edge_quantizer.qtyping import TFLOperationName as Kind

    fused = (
        "model_1/re_lu_1/Relu;model_1/conv2d_1_1/convolution;model_1/batch_normalization_1_2/sub1;"
    )
    assert layer_of(fused, Kind.CONV_2D, names) == "conv2d_1"
    assert layer_of("model_1/to_image_1/conv2d_1_2/Add;", Kind.CONV_2D, names) == (
        "to_image/conv2d_1"
    )
    added = "model_1/re_lu_1/Relu;model_1/batch_normalization_1_2/batchnorm/add_1;"
    assert layer_of(added, Kind.ADD, names) == "batch_normalization_1"
    assert layer_of("StatefulPartitionedCall:0;", Kind.TANH, names) == "tanh"
