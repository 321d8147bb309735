"""What every flavour must do, those of other packages included. None can be left out."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import batch_for, make_small, phases, size, small_settings
from PIL import Image

from tfgan2 import cli, registry, runs, runtime
from tfgan2.data import KINDS
from tfgan2.hyperparameters import data_kind
from tfgan2.images import to_uint8
from tfgan2.inputs.words import encode_words
from tfgan2.kernels.rewriting import compiled_update
from tfgan2.models.latent import LatentModel
from tfgan2.models.translation import TranslationModel
from tfgan2.training import checkpoints, stats

FLAVOURS = list(registry.flavours())


def is_latent(name: str) -> bool:
    return issubclass(registry.load_class(name), LatentModel)


SHOWN_POINTS = [
    name for name in FLAVOURS if is_latent(name) and registry.load_class(name).data_kind == "images"
]


def dataset(kind: str, folder: Path) -> str:
    """A small dataset of a kind, as `--dataset` takes it."""
    if kind == "images":
        return "digits"
    if kind == "captions":
        return "digits-captions"
    rng = np.random.default_rng(0)
    for side in "AB":
        (folder / side).mkdir(parents=True)
        for number in range(40):
            pixels = rng.integers(0, 256, (20, 20), np.uint8)
            Image.fromarray(pixels).save(folder / side / f"{number}.png")
    return f"pairs:{folder}" if kind == "pairs" else f"unpaired:{folder / 'A'},{folder / 'B'}"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of pictures, one of them of a shape of its own."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for number, shape in enumerate([(16, 16), (16, 16), (21, 18)]):
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(folder / f"{number}.png")
    return folder


# Alike but for their losses, which have tests of their own.
ALIKE = ("lsgan", "dragan", "wgan")


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] if n in ALIKE else []) for n in FLAVOURS],
)
def test_from_training_to_exported_files(name: str, tmp_path: Path, pictures: Path) -> None:
    cls = registry.load_class(name)
    assert cls.data_kind in KINDS and data_kind(name) == cls.data_kind
    run = tmp_path / "run"
    options = [
        w for key, value in small_settings(name).items() for w in ("--set", f"{key}={value}")
    ]
    words = (
        f"fit {name} --dataset {dataset(cls.data_kind, tmp_path / 'data')} "
        f"--image-size {size(name)} --batch-size 16 --seed 3 --no-xla --steps 4 "
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
    moved = {
        key.partition("/")[0]
        for key, value in initial.weights_by_name().items()
        if newest.arrays[key].tobytes() != value.numpy().tobytes()
    }
    assert moved >= set(initial.networks())
    with Image.open(run / "samples" / "step-0000004.png") as picture:
        assert min(picture.size) > 200

    # Killed after the first checkpoint, it resumes to the very same weights and statistics.
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

    judged = tmp_path / "judged"
    words = f"evaluate {run} --count 16 --features random-conv-112 --out {judged}"
    assert cli.run([*words.split(), "--cache", str(tmp_path / "cache")]) == 0
    figures = json.loads((judged / "result.json").read_text())["figures"]
    assert figures["fid"] > 0 and all(math.isfinite(value) for value in figures.values())
    assert ("psnr" in figures) == (issubclass(cls, TranslationModel) and name != "cyclegan")

    assert cli.run(["export", str(run), "--images", "64"]) == 0
    listed = json.loads((run / "export" / "metadata.json").read_text())["artefacts"]
    formats = [item["format"] for item in listed]
    assert formats[:3] == ["saved_model", "tflite", "onnx"] and not len(formats) % 3
    assert all(item["max_difference"] < 1e-4 for item in listed)
    if issubclass(cls, TranslationModel):
        check_translation(run, pictures, tmp_path)
    else:
        check_samples(run, tmp_path)
    if name in LOWERED:
        check_lower_precision(run, tmp_path / "lower")


# Of each kind of input one: the others have a slow test of their own.
LOWERED = ("cgan", "pix2pix", "stackgan")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FLAVOURS if name not in LOWERED])
def test_lower_precision(name: str, tmp_path: Path) -> None:
    data = dataset(registry.load_class(name).data_kind, tmp_path / "data")
    run = tmp_path / "run"
    options = [
        w for key, value in small_settings(name).items() for w in ("--set", f"{key}={value}")
    ]
    words = f"fit {name} --dataset {data} --image-size {size(name)} --batch-size 16 --seed 3"
    assert cli.run([*words.split(), "--no-xla", "--steps", "4", *options, "--out", str(run)]) == 0
    check_lower_precision(run, tmp_path / "lower")


def check_lower_precision(run: Path, out: Path) -> None:
    """Rounded pictures in every precision, calibrated on what the network will see."""
    words = f"export {run} --format tflite --output uint8 --allow-lossy --images 16 --out {out}"
    for precision in ("float16", "int8", "mixed"):
        words += f" --precision {precision}"
    assert cli.run(words.split()) == 0
    listed = json.loads((out / "metadata.json").read_text())["artefacts"]
    assert len(listed) % 3 == 0
    for float16, int8, mixed in zip(*[iter(listed)] * 3, strict=True):
        assert float16["psnr"] > 40
        assert mixed["psnr"] > min(32, int8["psnr"] - 0.1)
        assert (mixed["float_layers"] == []) or int8["psnr"] < 38
        images = "image" in [tensor["name"] for tensor in int8["outputs"]]
        assert int8["outputs"][0]["dtype"] == ("uint8" if images else "float32")
        taken = {tensor["name"] for tensor in int8["inputs"]}
        assert int8["calibration"].endswith(" of latents") == (not taken - {"z", "label"})
        assert "made-up" not in int8["calibration"]


def check_samples(run: Path, tmp_path: Path) -> None:
    """The run and its exported files make the same images of the same seed."""
    folder, npz = run / "export", tmp_path / "samples.npz"
    assert cli.run(f"sample {run} --count 5 --seed 7 --out {npz}".split()) == 0
    assert cli.run(f"sample {run} --out {tmp_path / 'grid.png'}".split()) == 0
    made = np.load(npz)
    edge = made["images"].shape[1]
    assert made["images"].shape == (5, edge, edge, 1) and made["images"].dtype == np.uint8
    with Image.open(tmp_path / "grid.png") as picture:
        assert min(picture.size) > 200
    labels = made.get("labels")
    for file in ("generator.onnx", "generator.tflite"):
        out = tmp_path / "generated.npz"
        assert cli.run(f"generate {folder / file} --count 5 --seed 7 --out {out}".split()) == 0
        generated = np.load(out)
        np.testing.assert_array_equal(generated["latents"], made["latents"])
        np.testing.assert_array_equal(generated.get("labels"), labels)
        assert np.abs(generated["images"].astype(int) - made["images"]).max() <= 1
    generator = runtime.load(folder / "generator.onnx")
    assert generator.conditional == (labels is not None)
    serve = tf.saved_model.load(str(folder / "saved_model")).signatures["serving_default"]
    inputs = {"z": tf.constant(made["latents"])}
    if labels is not None:
        inputs["label"] = tf.constant(labels)
    if generator.captions:
        encoder = tf.saved_model.load(str(folder / "text_encoder.saved_model"))
        numbers = encode_words(
            generator.texts(5), *(encoding(folder)[key] for key in ("vocabulary", "caption_length"))
        )
        encode = encoder.signatures["serving_default"]
        inputs["text"] = encode(words=tf.constant(numbers))["text"]
    images = to_uint8(serve(**inputs)["image"].numpy())
    assert np.abs(images.astype(int) - made["images"]).max() <= 1


def encoding(folder: Path) -> dict[str, object]:
    return runtime.read_metadata(folder / "text_encoder.onnx")


def check_translation(run: Path, pictures: Path, tmp_path: Path) -> None:
    """The run and its exported files make the same pictures of the same pictures."""
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
        made = {}
        for kind, words in sources.items():
            out = tmp_path / f"{name}-{kind}"
            command = ["translate", *words, "--input", str(pictures), "--out", str(out)]
            assert cli.run(command) == 0
            made[kind] = [np.asarray(Image.open(path), int) for path in sorted(out.iterdir())]
        scale = runtime.load(any_size / f"{name}.onnx").scale
        assert [image.shape for image in made["run"]] == [
            (16 * scale, 16 * scale),
            (16 * scale, 16 * scale),
            (21 * scale, 18 * scale),
        ]
        for kind in ("onnx", "tflite"):
            for one, other in zip(made["run"], made[kind], strict=True):
                assert np.abs(one - other).max() <= 1
        assert np.ptp(made["run"][0]) > 0 and np.abs(made["run"][0] - made["run"][1]).max() > 0
        assert len({image.shape for image in made["fixed"]}) == 1


@pytest.mark.parametrize("name", FLAVOURS)
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
        made = model.generate(model.draw_latents(4))
        # It does not ignore its latents; those of two captions or labels differ anyway.
        assert np.abs(made[::2] - made[1::2]).max() > 1e-5


# XLA takes up to half a minute for each. Those of other packages are always tested.
QUICK = ("dcgan", "infogan", "sngan", "vae")
SLOW = set(registry.FLAVOURS) - set(QUICK)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in FLAVOURS],
)
def test_mixed_precision_under_xla(name: str) -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = make_small(name)
        model.compile()
    finally:
        keras.config.set_dtype_policy("float32")
    for optimizer in model.optimizers_by_name().values():
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


@pytest.mark.parametrize("name", SHOWN_POINTS)
def test_points_in_the_plane(name: str) -> None:
    shape = (1, 1, 2)
    model = make_small(name, shape)
    model.compile()
    images, labels = batch_for(model, shape=shape)
    metrics = tf.function(model.train_step)((tf.constant(4 * images), tf.constant(labels)))
    assert all(np.isfinite(float(value)) for value in metrics.values())
    assert model.generate(model.draw_latents(3)).shape == (3, 1, 1, 2)
    # No last activation holds points to [-1, 1].
    assert np.abs(model.generate(1e4 * model.draw_latents(50))).max() > 2
