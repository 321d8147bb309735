"""Networks and options that are refused; a refusal leaves nothing behind."""

from __future__ import annotations

import functools
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf2onnx

from tfgan2.errors import UserError
from tfgan2.export import (
    PRECISIONS,
    ExportError,
    ExportSpec,
    Options,
    export_generator,
    onnx_file,
    tflite,
)
from tfgan2.export.graph import in_float32


class FixedNoise(keras.layers.Layer):
    """A random operator that gives the same values at each call."""

    def call(self, x):
        return x + tf.random.stateless_normal(tf.shape(x), seed=[1, 2])


class FreshNoise(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.seed = keras.random.SeedGenerator(1)

    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x), seed=self.seed)


def bicubic():
    return keras.layers.UpSampling2D(interpolation="bicubic")


def one_line(error: pytest.ExceptionInfo) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("formats", "precisions", "batch", "message"),
    [
        (["onx"], ["float32"], None, "unknown format 'onx': did you mean 'onnx'?"),
        (["tflite"], ["int9"], None, "unknown precision 'int9': did you mean 'int8'"),
        (["saved_model"], ["float16"], None, "precision float16 is for tflite, onnx, coreml only"),
        (["onnx", "saved_model"], ["int8"], None, "tflite only, not for onnx and saved_model"),
        (["onnx"], ["float32"], 0, "batch must be at least 1, not 0"),
        ([], ["float32"], None, "no format given"),
        (["tflite"], [], None, "no precision given"),
    ],
)
def test_impossible_requests(formats, precisions, batch, message):
    with pytest.raises(UserError, match=re.escape(message)) as error:
        Options(formats, precisions, batch)
    one_line(error)


def test_request_in_order_without_repetition():
    assert Options(["onnx", "tflite", "onnx"], ["int8", "float32", "int8"]).files == [
        ("tflite", "float32"),
        ("tflite", "int8"),
        ("onnx", "float32"),
    ]


@pytest.mark.parametrize(
    "precision",
    [pytest.param(each, marks=[pytest.mark.slow] * (each != "int8")) for each in PRECISIONS],
)
def test_select_tf_ops_are_refused_by_name(make_generator, tmp_path, precision):
    out = tmp_path / "export"
    with pytest.raises(ExportError, match="ResizeBicubic") as error:
        export_generator(make_generator(extra=bicubic), out, Options(precisions=[precision]))
    one_line(error)
    # The SavedModel was written before TFLite failed, and must not stay either.
    assert not out.exists()


@pytest.mark.slow
def test_select_tf_ops_are_no_matter_for_onnx(make_generator, tmp_path):
    (artifact,) = export_generator(make_generator(extra=bicubic), tmp_path, Options(["onnx"]))
    assert artifact.max_difference < 1e-4


@pytest.mark.slow
def test_a_random_operator_is_refused_by_name(make_generator, tmp_path):
    generator = make_generator(extra=FixedNoise)
    for model_format in ("tflite", "onnx"):
        with pytest.raises(ExportError, match="StatelessRandom") as error:
            export_generator(generator, tmp_path, Options([model_format]))
        one_line(error)
    assert not list(tmp_path.iterdir())


def test_random_numbers_inside_are_refused(make_generator, tmp_path):
    with pytest.raises(ExportError, match="make its noise an input"):
        export_generator(make_generator(extra=FreshNoise), tmp_path / "export")


def test_a_diverged_generator_is_refused(make_generator, tmp_path):
    generator = make_generator()
    generator.layers[1].kernel.assign(generator.layers[1].kernel * float("nan"))
    with pytest.raises(ExportError, match="not finite"):
        export_generator(generator, tmp_path / "export")
    assert not (tmp_path / "export").exists()


@pytest.mark.parametrize(
    ("wrong", "converter", "model_format", "precision"),
    [
        ("other weights", tflite, "tflite", "float32"),
        pytest.param("other weights", onnx_file, "onnx", "float32", marks=pytest.mark.slow),
        pytest.param("nan", tflite, "tflite", "float32", marks=pytest.mark.slow),
        ("nan", onnx_file, "onnx", "float32"),
        # Other differences of int8 are only reported.
        pytest.param("nan", tflite, "tflite", "int8", marks=pytest.mark.slow),
        ("garbage", tflite, "tflite", "int8"),
        pytest.param("garbage", onnx_file, "onnx", "float32", marks=pytest.mark.slow),
    ],
)
def test_a_wrong_file_is_not_kept(
    plain, make_generator, monkeypatch, tmp_path, wrong, converter, model_format, precision
):
    other = make_generator(seed=5)
    if wrong == "nan":
        other.layers[1].kernel.assign(other.layers[1].kernel * float("nan"))
    spec = ExportSpec(other)

    def onnx_of_other(_, batch):
        return real(spec, batch)

    def tflite_of_other(saved_model):
        from tfgan2.export import saved_model as writer

        path = saved_model.with_name("other")
        writer.save(spec, path, 1)
        return real(path)

    real = converter.convert
    replacement = onnx_of_other if model_format == "onnx" else tflite_of_other
    if wrong == "garbage":
        replacement = lambda *_: b"no model at all"  # noqa: E731
    monkeypatch.setattr(converter, "convert", replacement)
    message = {
        "other weights": "differ from those of Keras",
        "nan": "not finite",
        "garbage": "cannot be run",
    }[wrong]
    with pytest.raises(ExportError, match=message) as error:
        export_generator(plain.generator, tmp_path / "export", Options([model_format], [precision]))
    assert "generator." in one_line(error)
    assert ".partial" not in one_line(error)
    assert list(tmp_path.iterdir()) == []


def test_inputs_that_no_file_describes(tmp_path):
    z, wrong = keras.Input((8,), name="z"), keras.Input((8,), name="noise")
    dense, shape = keras.layers.Dense(4), keras.layers.Reshape((2, 2, 1))
    cases = [
        (keras.Model(wrong, shape(dense(wrong))), "must be z; z and label; .*; not noise"),
        (keras.Model(z, dense(z)), "shape \\(height, width, channels\\)"),
    ]
    label = keras.Input((), name="label", dtype="int32")
    embedded = keras.layers.Add()([dense(z), keras.layers.Embedding(3, 4)(label)])
    cases.append((keras.Model([z, label], shape(embedded)), "needs the names of its classes"))
    square = keras.Input((2, 4), name="z")
    flat = keras.layers.Flatten()(square)
    cases.append((keras.Model(square, shape(keras.layers.Dense(4)(flat))), "the input z must be"))
    for generator, message in cases:
        with pytest.raises(UserError, match=message) as error:
            export_generator(generator, tmp_path / "export")
        one_line(error)


def test_missing_operators_in_the_converters_words():
    message = "error: \nTF Select ops: ResizeBicubic, Foo\nTF Custom ops: Bar\nDetails:\n\ttf.Foo"
    assert tflite.missing_operators(message) == ["Bar", "Foo", "ResizeBicubic"]
    assert tflite.missing_operators("'tf.Conv2D' op is neither a custom op nor a flex op") == [
        "Conv2D"
    ]
    assert tflite.missing_operators("out of memory") == []


@pytest.mark.slow
def test_nothing_but_progress_is_printed(plain, tmp_path, capfd):
    export_generator(
        plain.generator,
        tmp_path / "export",
        Options(precisions=PRECISIONS, images=64),
        progress=print,
    )
    printed = capfd.readouterr()
    assert printed.err == ""
    assert printed.out.splitlines() == [
        "preparing the generator",
        "writing and verifying saved_model",
        "writing and verifying generator.tflite",
        "writing and verifying generator.float16.tflite",
        "writing and verifying generator.dynamic.tflite",
        "writing and verifying generator.int8.tflite",
        "writing and verifying generator.mixed.tflite",
        "writing and verifying generator.onnx",
        "writing and verifying generator.float16.onnx",
    ]


def test_the_global_policy_survives_a_failed_rebuild(make_generator, monkeypatch):
    generator = make_generator(policy="mixed_float16")

    def fail(*args, **kwargs):
        raise RuntimeError("no")

    monkeypatch.setattr(type(generator), "from_config", fail)
    with pytest.raises(RuntimeError):
        in_float32(generator)
    assert keras.config.dtype_policy().name == "float32"


def test_tolerance_is_what_float32_promises():
    from tfgan2.export.exporter import compare

    reference = np.zeros((2, 4, 4, 1), np.float32)
    near, far = reference + 9e-5, reference + 1.1e-4
    assert compare([near], [reference], name="x", tolerance=1e-4)["max_difference"] < 1e-4
    with pytest.raises(ExportError, match="differ"):
        compare([far], [reference], name="x", tolerance=1e-4)
    grey = compare([reference + 0.1], [reference], name="x", tolerance=None)
    assert grey["picture_difference"] == 12  # 128 to 140
    both = compare([near, far], [reference, reference], name="x", tolerance=None)
    assert both["max_difference"] == pytest.approx(1.1e-4)
    assert grey["mean_difference"] == pytest.approx(0.1)


def test_images_of_another_shape_are_refused_though_they_could_be_subtracted():
    from tfgan2.export.exporter import compare

    image = np.zeros((1, 4, 4, 1), np.float32)
    with pytest.raises(ExportError, match=r"of shape \(1, 1, 4, 4, 1\)"):
        compare([image[None]], [image], name="generator.onnx", tolerance=1e-4)


def without_last_node(model):
    """The graph that tf2onnx sometimes returns: the last node is missing."""
    last = model.graph.node[-1]
    model.graph.node.remove(last)
    model.graph.node[-1].output[0] = last.output[0]
    return model


def test_a_node_that_tf2onnx_loses(monkeypatch):
    image = keras.Input((None, None, 1), name="input")
    x = keras.layers.Conv2D(1, 3, padding="same", activation="tanh")(image)
    spec = ExportSpec(keras.Model(image, x), facts={"size": [8, 8]})
    convert, calls = tf2onnx.convert.from_function, []

    def losing(*arguments, losses, **settings):
        model, rest = convert(*arguments, **settings)
        calls.append(model)
        lost = len(calls) <= losses and model.graph.node[-1].op_type == "Squeeze"
        return without_last_node(model) if lost else model, rest

    patched = "tf2onnx.convert.from_function"
    monkeypatch.setattr(patched, functools.partial(losing, losses=1))
    onnx_file.convert(spec, None)
    assert len(calls) >= 2
    monkeypatch.setattr(patched, functools.partial(losing, losses=10**6))
    with pytest.raises(ExportError, match="loses the last node"):
        onnx_file.convert(spec, None)
