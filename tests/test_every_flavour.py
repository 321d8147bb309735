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
from PIL import Image

import tfgan2
from tfgan2 import cli, hyperparameters, registry, runtime
from tfgan2.images import to_uint8
from tfgan2.training import checkpoints, stats

FLAVOURS = list(registry.flavours())
SHAPE = (8, 8, 1)


def small(name: str) -> dict[str, int]:
    """Hyperparameters that make any flavour small."""
    known = hyperparameters.hyperparameters(name)
    return {key: value for key, value in {"width": 8, "latent_dim": 6}.items() if key in known}


def make(name: str, shape: tuple[int, int, int] = SHAPE, **more: object) -> keras.Model:
    cls = registry.load_class(name)
    if "num_classes" in cls.hyperparameter_names():
        more["num_classes"] = 3
    return tfgan2.create(name, image_shape=shape, **{**small(name), **more})


def batch(
    model: keras.Model, count: int = 8, shape: tuple[int, int, int] = SHAPE
) -> tuple[np.ndarray, np.ndarray]:
    count *= model.batches_per_step
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (count, *shape)).astype(np.float32)
    return images, np.arange(count, dtype=np.int32) % 3


@pytest.mark.parametrize("name", FLAVOURS)
def test_from_training_to_exported_files(name: str, tmp_path: Path) -> None:
    run, grid = tmp_path / "run", tmp_path / "grid.png"
    settings = [word for key, value in small(name).items() for word in ("--set", f"{key}={value}")]
    words = (
        f"fit {name} --dataset digits --image-size 8 --batch-size 16 --seed 3 --no-xla --steps 4 "
        f"--log-every 2 --sample-every 4 --checkpoint-every 2 --out {run}"
    )
    assert cli.run([*words.split(), *settings]) == 0

    lines = stats.read(run)
    assert [line["step"] for line in lines] == [2, 4]
    losses = [key for key in lines[-1] if key.endswith("loss")]
    assert losses and all(math.isfinite(line[key]) for line in lines for key in losses)
    newest = checkpoints.newest(run)
    earlier = checkpoints.read(checkpoints.paths(run)[1])
    moved = [k for k, v in newest.arrays.items() if v.tobytes() != earlier.arrays[k].tobytes()]
    assert len(moved) > 10

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

    npz = tmp_path / "samples.npz"
    assert cli.run(f"sample {run} --count 5 --seed 7 --out {npz}".split()) == 0
    assert cli.run(f"sample {run} --out {grid}".split()) == 0
    made = np.load(npz)
    assert made["images"].shape == (5, 8, 8, 1) and made["images"].dtype == np.uint8
    with Image.open(grid) as picture:
        assert min(picture.size) > 200

    assert cli.run(["export", str(run)]) == 0
    folder = run / "export"
    listed = json.loads((folder / "metadata.json").read_text())["artefacts"]
    assert [item["format"] for item in listed] == ["saved_model", "tflite", "onnx"]
    assert all(item["max_difference"] < 1e-4 for item in listed)
    labels = made.get("labels")
    for file in ("generator.onnx", "generator.tflite"):
        out = tmp_path / "generated.npz"
        assert cli.run(f"generate {folder / file} --count 5 --seed 7 --out {out}".split()) == 0
        generated = np.load(out)
        np.testing.assert_array_equal(generated["latents"], made["latents"])
        np.testing.assert_array_equal(generated.get("labels"), labels)
        assert np.abs(generated["images"].astype(int) - made["images"]).max() <= 1
    serve = tf.saved_model.load(str(folder / "saved_model")).signatures["serving_default"]
    inputs = {"z": tf.constant(made["latents"])}
    if labels is not None:
        inputs["label"] = tf.constant(labels)
    images = to_uint8(serve(**inputs)["image"].numpy())
    assert np.abs(images.astype(int) - made["images"]).max() <= 1
    assert runtime.load(folder / "generator.onnx").conditional == (labels is not None)


@pytest.mark.parametrize("name", FLAVOURS)
def test_plain_keras_fit_and_rebuilding(name: str) -> None:
    model = make(name, seed=5)
    model.compile()
    images, labels = batch(model)
    before = [variable.numpy() for variable in model.trainable_variables]
    dataset = tf.data.Dataset.from_tensors((images, labels)).repeat(2)
    history = model.fit(dataset, verbose=0)
    assert all(np.isfinite(values).all() for values in history.history.values())
    assert int(model.step) == 2
    same = [np.array_equal(a, b) for a, b in zip(before, model.trainable_variables, strict=True)]
    assert not all(same)
    again = type(model).from_config(model.get_config())
    assert again.get_config() == model.get_config()
    fresh = make(name, seed=5)
    for one, other in zip(again.weights, fresh.weights, strict=True):
        np.testing.assert_array_equal(one, other)  # initial weights depend on the seed alone
    model.views(images[:5])
    made = model.generate(model.draw_latents(3))
    assert np.abs(made[0] - made[1]).max() > 1e-5  # it does not ignore its latents


@pytest.mark.parametrize("name", FLAVOURS)
def test_mixed_precision_under_xla(name: str) -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = make(name)
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
    step = tf.function(model.train_step, jit_compile=True)
    images, labels = batch(model)
    for _ in range(3):
        metrics = step((tf.constant(images), tf.constant(labels)))
    for key, value in metrics.items():
        assert value.dtype == tf.float32 and np.isfinite(float(value)), key
    made = model.generate(model.draw_latents(3))
    assert made.dtype == np.float32 and np.isfinite(made).all()


@pytest.mark.parametrize("name", FLAVOURS)
def test_points_in_the_plane(name: str) -> None:
    shape = (1, 1, 2)
    model = make(name, shape)
    model.compile()
    images, labels = batch(model, shape=shape)
    metrics = tf.function(model.train_step)((tf.constant(4 * images), tf.constant(labels)))
    assert all(np.isfinite(float(value)) for value in metrics.values())
    assert model.generate(model.draw_latents(3)).shape == (3, 1, 1, 2)
    # No last activation holds points to [-1, 1].
    assert np.abs(model.generate(1e4 * model.draw_latents(50))).max() > 2
