"""Requirements of every flavour, including those of other packages."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import (
    batch_for,
    heavy_are_slow,
    make_small,
    phases,
    size,
    small_settings,
    taught_file,
)
from PIL import Image

from tfgan2 import cli, registry, runs, runtime
from tfgan2.data import KINDS
from tfgan2.images import to_uint8
from tfgan2.inputs.words import encode_words
from tfgan2.kernels import compiled_update
from tfgan2.models.latent import LatentModel
from tfgan2.models.translation import TranslationModel
from tfgan2.training import checkpoints, stats

FLAVOURS = list(registry.flavours())


def is_latent(name: str) -> bool:
    return issubclass(registry.load_class(name), LatentModel)


POINT_FLAVOURS = [
    name
    for name in FLAVOURS
    if is_latent(name) and registry.load_class(name).data_kind == "images" and name != "projected"
]


def data_words(name: str, folder: Path) -> str:
    """Creates a small dataset for a flavour; returns the options that name it."""
    kind = registry.load_class(name).data_kind
    words = f"--dataset {dataset(kind, folder)}"
    return words if kind == "taught" else f"{words} --image-size {size(name)}"


def dataset(kind: str, folder: Path) -> str:
    """Creates a small dataset; returns the value of `--dataset`."""
    if kind == "images":
        return "digits"
    if kind == "captions":
        return "digits-captions"
    if kind == "taught":
        return f"taught:{taught_file(folder / 'images.npz')}"
    rng = np.random.default_rng(0)
    for side in "AB":
        (folder / side).mkdir(parents=True)
        for number in range(40):
            pixels = rng.integers(0, 256, (20, 20), np.uint8)
            Image.fromarray(pixels).save(folder / side / f"{number}.png")
    return f"pairs:{folder}" if kind == "pairs" else f"unpaired:{folder / 'A'},{folder / 'B'}"


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """A folder of image files, one of them larger than the others."""
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for number, shape in enumerate([(16, 16), (16, 16), (21, 18)]):
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(folder / f"{number}.png")
    return folder


def all_but_few(*quick: str) -> list[object]:
    """All flavours; those of this package are slow tests, but for a quick few."""
    slow = set(registry.FLAVOURS) - set(quick)
    return [pytest.param(name, marks=[pytest.mark.slow] * (name in slow)) for name in FLAVOURS]


@pytest.mark.parametrize("name", FLAVOURS)
def test_a_step_of_each_phase(name: str) -> None:
    model = make_small(name)
    model.compile()
    model.plan(4)
    parts = tuple(tf.constant(part) for part in batch_for(model))
    before = {key: variable.numpy() for key, variable in model.state().items()}
    for phase in phases(model):
        model.phase = phase
        metrics = model.train_step(parts)
        assert metrics and all(np.isfinite(float(value)) for value in metrics.values())
    moved = set()
    for key, variable in model.state().items():
        assert np.isfinite(np.asarray(variable, np.float64)).all(), key
        if not np.array_equal(before[key], variable):
            moved.add(key.partition("/")[0])
    assert moved >= set(model.networks())


@pytest.mark.parametrize("name", all_but_few())
def test_from_training_to_exported_files(name: str, tmp_path: Path, image_folder: Path) -> None:
    cls = registry.load_class(name)
    assert cls.data_kind in KINDS and registry.outline(name).data_kind == cls.data_kind
    run = tmp_path / "run"
    options = [
        w for key, value in small_settings(name).items() for w in ("--set", f"{key}={value}")
    ]
    words = (
        f"fit {name} {data_words(name, tmp_path / 'data')} "
        f"--batch-size 16 --seed 3 --no-xla --steps 4 "
        f"--log-every 2 --sample-every 4 --checkpoint-every 2 --out {run}"
    )
    assert cli.run([*words.split(), *options]) == 0

    lines = stats.read(run)
    assert [line["step"] for line in lines] == [2, 4]
    losses = [key for key in lines[-1] if key.endswith("loss")]
    assert losses and all(
        math.isfinite(line[key]) for line in lines for key in losses if key in line
    )
    newest = checkpoints.newest(run)
    config = runs.RunConfig.read(run)
    initial = registry.create(name, **config.hyperparameters)
    changed = {
        key.partition("/")[0]
        for key, value in initial.weights_by_name().items()
        if newest.arrays[key].tobytes() != value.numpy().tobytes()
    }
    assert changed >= set(initial.networks())
    with Image.open(run / "samples" / "step-0000004.png") as image:
        assert min(image.size) > 200

    # Killed after the first checkpoint, it resumes to bitwise the same weights and statistics.
    resumed = tmp_path / "resumed"
    shutil.copytree(run, resumed)
    checkpoints.paths(resumed)[0].unlink()
    assert cli.run(["fit", "--resume", str(resumed)]) == 0
    again = checkpoints.newest(resumed)
    assert again.step == 4 and again.arrays.keys() == newest.arrays.keys()
    assert [k for k, v in again.arrays.items() if v.tobytes() != newest.arrays[k].tobytes()] == []
    times = set(stats.TIMES)
    for one, other in zip(lines, stats.read(resumed), strict=True):
        assert {k: v for k, v in one.items() if k not in times} == {
            k: v for k, v in other.items() if k not in times
        }

    evaluation = tmp_path / "evaluation"
    words = f"evaluate {run} --count 16 --features random-conv-112 --out {evaluation}"
    assert cli.run([*words.split(), "--cache", str(tmp_path / "cache")]) == 0
    figures = json.loads((evaluation / "result.json").read_text())["figures"]
    assert figures["fid"] > 0 and all(math.isfinite(value) for value in figures.values())
    assert ("psnr" in figures) == (issubclass(cls, TranslationModel) and name != "cyclegan")

    assert cli.run(["export", str(run), "--images", "64"]) == 0
    artifacts = json.loads((run / "export" / "metadata.json").read_text())["artefacts"]
    formats = [item["format"] for item in artifacts]
    assert formats[:3] == ["saved_model", "tflite", "onnx"] and not len(formats) % 3
    assert all(item["max_difference"] < 1e-4 for item in artifacts)
    if issubclass(cls, TranslationModel):
        check_translation(run, image_folder, tmp_path)
    else:
        check_samples(run, tmp_path)
    if name in LOWERED:
        check_lower_precision(run, tmp_path / "lower")


# One of each kind of input; the others have a slow test.
LOWERED = ("cgan", "pix2pix", "stackgan")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FLAVOURS if name not in LOWERED])
def test_lower_precision(name: str, tmp_path: Path) -> None:
    data = data_words(name, tmp_path / "data")
    run = tmp_path / "run"
    options = [
        w for key, value in small_settings(name).items() for w in ("--set", f"{key}={value}")
    ]
    words = f"fit {name} {data} --batch-size 16 --seed 3"
    assert cli.run([*words.split(), "--no-xla", "--steps", "4", *options, "--out", str(run)]) == 0
    check_lower_precision(run, tmp_path / "lower")


def check_lower_precision(run: Path, out: Path) -> None:
    """uint8 images in every precision, calibrated on inputs of the right kind."""
    words = f"export {run} --format tflite --output uint8 --allow-lossy --images 16 --out {out}"
    for precision in ("float16", "int8", "mixed"):
        words += f" --precision {precision}"
    assert cli.run(words.split()) == 0
    artifacts = json.loads((out / "metadata.json").read_text())["artefacts"]
    assert len(artifacts) % 3 == 0
    for float16, int8, mixed in zip(*[iter(artifacts)] * 3, strict=True):
        assert float16["psnr"] > 40
        assert mixed["psnr"] > min(32, int8["psnr"] - 0.1)
        assert (mixed["float_layers"] == []) or int8["psnr"] < 38
        images = "image" in [tensor["name"] for tensor in int8["outputs"]]
        assert int8["outputs"][0]["dtype"] == ("uint8" if images else "float32")
        names = {tensor["name"] for tensor in int8["inputs"]}
        from_latents = not names - {"z", "label", "truncation"}
        assert int8["calibration"].endswith(" of latents") == from_latents
        assert "made-up" not in int8["calibration"]


def check_samples(run: Path, tmp_path: Path) -> None:
    """The run and its exported files generate the same images for the same seed."""
    folder, npz = run / "export", tmp_path / "samples.npz"
    assert cli.run(f"sample {run} --count 5 --seed 7 --out {npz}".split()) == 0
    assert cli.run(f"sample {run} --out {tmp_path / 'grid.png'}".split()) == 0
    samples = np.load(npz)
    edge = samples["images"].shape[1]
    assert samples["images"].shape == (5, edge, edge, 1) and samples["images"].dtype == np.uint8
    with Image.open(tmp_path / "grid.png") as image:
        assert min(image.size) > 200
    labels = samples.get("labels")
    for file in ("generator.onnx", "generator.tflite"):
        out = tmp_path / "generated.npz"
        assert cli.run(f"generate {folder / file} --count 5 --seed 7 --out {out}".split()) == 0
        generated = np.load(out)
        np.testing.assert_array_equal(generated["latents"], samples["latents"])
        np.testing.assert_array_equal(generated.get("labels"), labels)
        assert np.abs(generated["images"].astype(int) - samples["images"]).max() <= 1
    generator = runtime.load(folder / "generator.onnx")
    assert generator.conditional == (labels is not None)
    serve = tf.saved_model.load(str(folder / "saved_model")).signatures["serving_default"]
    inputs = {"z": tf.constant(samples["latents"])}
    if labels is not None:
        inputs["label"] = tf.constant(labels)
    if generator.truncation_of == "styles":  # an input of its own, where 1 changes nothing
        inputs["truncation"] = tf.ones((5,))
    if generator.captions:
        encoder = tf.saved_model.load(str(folder / "text_encoder.saved_model"))
        numbers = encode_words(
            generator.conditions(5)[1],
            *(encoding(folder)[key] for key in ("vocabulary", "caption_length")),
        )
        encode = encoder.signatures["serving_default"]
        inputs["text"] = encode(words=tf.constant(numbers))["text"]
    images = to_uint8(serve(**inputs)["image"].numpy())
    assert np.abs(images.astype(int) - samples["images"]).max() <= 1


def encoding(folder: Path) -> dict[str, object]:
    return runtime.read_metadata(folder / "text_encoder.onnx")


def check_translation(run: Path, image_folder: Path, tmp_path: Path) -> None:
    """The run and its exported files translate images alike."""
    names = [path.stem for path in sorted((run / "export").glob("*.onnx"))]
    any_size = tmp_path / "any-size"
    dynamic = ["--dynamic-size", "--images", "16", "--out", str(any_size)]
    assert cli.run(["export", str(run), *dynamic]) == 0
    for name in names:
        direction = ["--direction", "BtoA"] if name == "b_to_a" else []
        sources = {
            "run": [str(run), *direction],
            "onnx": [str(any_size / f"{name}.onnx")],
            "tflite": [str(any_size / f"{name}.tflite")],
            "fixed": [str(run / "export" / f"{name}.onnx")],
        }
        results = {}
        for kind, words in sources.items():
            out = tmp_path / f"{name}-{kind}"
            command = ["translate", *words, "--input", str(image_folder), "--out", str(out)]
            assert cli.run(command) == 0
            results[kind] = [np.asarray(Image.open(path), int) for path in sorted(out.iterdir())]
        scale = runtime.load(any_size / f"{name}.onnx").scale
        assert [image.shape for image in results["run"]] == [
            (16 * scale, 16 * scale),
            (16 * scale, 16 * scale),
            (21 * scale, 18 * scale),
        ]
        for kind in ("onnx", "tflite"):
            for one, other in zip(results["run"], results[kind], strict=True):
                assert np.abs(one - other).max() <= 1
        first, second, _ = results["run"]
        assert np.ptp(first) > 0 and np.abs(first - second).max() > 0
        assert len({image.shape for image in results["fixed"]}) == 1


@pytest.mark.parametrize("name", all_but_few("cgan", "vae"))
def test_plain_keras_fit_and_rebuilding(name: str) -> None:
    model = make_small(name, seed=5)
    model.compile()
    before = [variable.numpy() for variable in model.trainable_variables]
    parts = batch_for(model)
    dataset = tf.data.Dataset.from_tensors(parts).repeat(4)
    history = model.fit(dataset, verbose=0)
    assert all(np.isfinite(values).all() for values in history.history.values())
    assert int(model.step) == 4
    same = [np.array_equal(a, b) for a, b in zip(before, model.trainable_variables, strict=True)]
    assert not all(same)
    again = type(model).from_config(model.get_config())
    assert again.get_config() == model.get_config()
    fresh = make_small(name, seed=5)
    for one, other in zip(again.weights, fresh.weights, strict=True):
        np.testing.assert_array_equal(one, other)  # initial weights depend on the seed alone
    shown = model.previews(parts, about=4)
    assert next(iter(shown)) == ""
    assert all(np.isfinite(view.images).all() for view in shown.values())
    if is_latent(name):
        images = model.generate(model.draw_latents(4))
        # It does not ignore its latents. Neighbours differ in their captions or labels anyway.
        assert np.abs(images[::2] - images[1::2]).max() > 1e-5


# XLA takes up to half a minute per flavour.
@pytest.mark.slow
@pytest.mark.parametrize("name", FLAVOURS)
def test_mixed_precision_under_xla(name: str) -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = make_small(name)
        model.compile()
    finally:
        keras.config.set_dtype_policy("float32")
    for optimizer in model.optimizers.values():
        assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    assert any(
        layer.compute_dtype == "float16"
        for network in model.networks().values()
        for layer in network.layers
    )
    parts = tuple(tf.constant(part) for part in batch_for(model))
    for phase in phases(model):
        model.phase = phase
        step = compiled_update(model)
        for _ in range(3):
            metrics = step(parts)
        for key, value in metrics.items():
            assert value.dtype == tf.float32 and np.isfinite(float(value)), key
    for view in model.previews(batch_for(model), about=4).values():
        assert view.images.dtype == np.float32 and np.isfinite(view.images).all()


@pytest.mark.parametrize("name", heavy_are_slow(POINT_FLAVOURS))
def test_points_in_the_plane(name: str) -> None:
    shape = (1, 1, 2)
    model = make_small(name, shape)
    model.compile()
    images, labels = batch_for(model, shape=shape)
    metrics = model.train_step((tf.constant(4 * images), tf.constant(labels)))
    assert all(np.isfinite(float(value)) for value in metrics.values())
    assert model.generate(model.draw_latents(3)).shape == (3, 1, 1, 2)
    # No last activation bounds points to [-1, 1].
    generator = model.sampling_generator
    generator.set_weights([100 * weights for weights in generator.get_weights()])
    assert np.abs(model.generate(model.draw_latents(50))).max() > 2
