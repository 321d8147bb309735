"""Small runs and models for all tests."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from tfgan2.data import ImageDataset
    from tfgan2.models.base import GenerativeModel

SGD = {"generator_optimizer": "sgd", "discriminator_optimizer": "sgd"}
"""Hyperparameters: a step without Adam has a third less to trace."""

PLAIN_SGD = " ".join(f"--set {name}={value}" for name, value in SGD.items())

SMALL = "--set base_channels=4 --set latent_dim=8 --batch-size 16 --seed 3 --no-xla"


HEAVY = ("biggan", "fastgan", "projected", "reacgan", "student", "stylegan2")
"""Flavours whose smallest models take several times as long as those of others."""


def heavy_are_slow(flavours: Iterable[str]) -> list[Any]:
    """Parameters of a test: those for heavy flavours are slow tests."""
    return [pytest.param(name, marks=[pytest.mark.slow] * (name in HEAVY)) for name in flavours]


def fit(out: Path, words: str) -> int:
    """Runs `tfgan2 fit` in this process; returns the exit code."""
    from tfgan2 import cli

    return cli.run(["fit", *words.split(), "--out", str(out)])


@contextlib.contextmanager
def eagerly() -> Iterator[None]:
    """Runs functions without tracing them, which takes as long as ten steps."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Even though the `tf.config.experimental_run")
            yield
    finally:
        tf.config.run_functions_eagerly(False)


def fit_small(out: Path, options: str = "", *, steps: int = 6) -> int:
    """Trains a small dcgan on the embedded digits; returns the exit code."""
    every = "--log-every 2 --sample-every 4 --checkpoint-every 2"
    plain = "--set augment=none"
    return fit(out, f"dcgan --dataset digits --steps {steps} {every} {SMALL} {plain} {options}")


def finished(out: Path, words: str) -> Path:
    """Trains a run, for two steps unless the words set more; returns its directory."""
    with contextlib.nullcontext() if "--steps" in words else eagerly():
        assert fit(out, f"--steps 2 --log-every 1 --no-xla --set base_channels=4 {words}") == 0
    return out


def assert_refused(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Asserts that a command ends with exit code 2 and one line with the message."""
    from tfgan2 import cli

    assert cli.run(words) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and message in error


def take(
    dataset: ImageDataset, batch_size: int, count: int, **options: Any
) -> list[list[np.ndarray]]:
    """Returns the parts of the first `count` batches."""
    import tensorflow as tf

    batches = dataset.batches(batch_size, **options).take(count)
    return [[part.numpy() for part in tf.nest.flatten(batch)] for batch in batches]


def poison(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Makes the generator's loss of dcgan NaN at one step."""
    import tensorflow as tf

    from tfgan2 import registry

    flavour = registry.load_class("dcgan")
    train_step = flavour.train_step

    def poisoned(self: GenerativeModel, batch: object) -> dict[str, tf.Tensor]:
        metrics = train_step(self, batch)
        loss = metrics["generator_loss"]
        return {**metrics, "generator_loss": tf.where(self.step == step, np.nan, loss)}

    monkeypatch.setattr(flavour, "train_step", poisoned)


def assert_parts_are_the_batch(dataset: ImageDataset) -> None:
    """Asserts that the parts of four workers join to the batches of one, across epochs."""
    from tfgan2.data.dataset import WHOLE, Part

    options = {"seed": 5, "start": dataset.num_images - 12}
    found = (
        take(dataset, 8, 4, part=part, **options)
        for part in (WHOLE, *(Part(index, 4) for index in range(4)))
    )
    for batch, *each in zip(*found, strict=True):
        for number, array in enumerate(batch):
            assert len(each[0][number]) == 2
            np.testing.assert_array_equal(np.concatenate([share[number] for share in each]), array)


def clean_resized(images: np.ndarray, edge: int) -> np.ndarray:
    """Resizes images from 0 to 255, each channel by Pillow as an image of floats; clips them."""
    size = (edge, edge)

    def resized(channel: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(channel).resize(size, Image.Resampling.BICUBIC))

    planes = np.moveaxis(images.astype(np.float32), 3, 1)
    result = np.stack([[resized(channel) for channel in image] for image in planes])
    return np.moveaxis(result, 1, 3).clip(0, 255)


SMALL_GAN = {"image_shape": (8, 8, 1), "base_channels": 4, "latent_dim": 6}
"""Arguments of any flavour from latents."""


def image_batch(count: int, seed: int = 0, shape: tuple[int, int, int] = (8, 8, 1)) -> tf.Tensor:
    """Random images, float32 in [-1, 1]."""
    import tensorflow as tf

    rng = np.random.default_rng(seed)
    return tf.constant(rng.uniform(-1, 1, (count, *shape)).astype(np.float32))


SIZES = {"base_channels": 8, "latent_dim": 6, "blocks": 1, "pool_size": 3}
SIZES |= {"feature_size": 32, "feature_channels": 4}
# So that they are tested at the smallest sizes, too.
SIZES |= {"path_length_weight": 2, "style_mixing": 0.9, "minibatch_group": 2}
# A few steps then cover every phase.
PHASES = {"text_steps": 1, "stage_one_steps": 1, "pretrain_steps": 1}
TEACHER = {
    "latent_dim": 6,
    "latent_distribution": "normal",
    "labels_are_classes": True,
    "truncation_of": "",
    "flavour": "cgan",
    "dataset": "digits",
    "step": 2,
    "command": "tfgan2 fit cgan --dataset digits",
}
VOCABULARY = ("a", "bright", "dark", "picture")


def small_settings(name: str) -> dict[str, float]:
    """Hyperparameters for a small model with short phases."""
    from tfgan2 import registry

    known = registry.hyperparameters(name)
    return {key: value for key, value in {**SIZES, **PHASES}.items() if key in known}


def size(name: str) -> int:
    """Edge of the images: the smallest that the networks accept, with attention that have any."""
    from tfgan2 import registry
    from tfgan2.models.latent import LatentModel

    cls = registry.load_class(name)
    small = cls.data_kind == "images" and issubclass(cls, LatentModel)
    return 8 if small and "attention" not in registry.hyperparameters(name) else 16


def make_small(
    name: str, shape: tuple[int, int, int] | None = None, **more: object
) -> GenerativeModel:
    """Creates a small model of a flavour; `more` are further hyperparameters."""
    import tfgan2
    from tfgan2 import registry

    cls = registry.load_class(name)
    shape = shape or (size(name), size(name), 1)
    facts = {
        "image_shape": shape,
        "input_shape": shape,
        "class_names": ["a", "b", "c"],
        "vocabulary": VOCABULARY,
        "caption_length": 3,
        "captions": ("a bright picture", "a dark picture"),
        "teacher": TEACHER,
    }
    settings = {**small_settings(name), **cls.data_hyperparameters(facts), **more}
    return tfgan2.create(name, **settings)


def tensors_for(model: GenerativeModel, count: int = 8) -> tuple[tf.Tensor, ...]:
    """`batch_for` as tensors."""
    import tensorflow as tf

    return tuple(tf.constant(part) for part in batch_for(model, count))


def batch_for(
    model: GenerativeModel, count: int = 8, shape: tuple[int, int, int] | None = None
) -> tuple[np.ndarray, ...]:
    """A batch of the samples that the model trains on."""
    count *= model.batches_per_step
    rng = np.random.default_rng(0)
    images, others = (
        rng.uniform(-1, 1, (count, *(shape or model.image_shape))).astype(np.float32)
        for _ in range(2)
    )
    labels = np.arange(count, dtype=np.int32) % 3
    more: dict[str, tuple[np.ndarray, ...]] = {
        "images": (labels,),
        "pairs": (others,),
        "unpaired": (others,),
        "captions": (rng.integers(2, 5, (count, 3), dtype=np.int32),),
        "taught": (rng.normal(size=(count, 6)).astype(np.float32), labels),
    }
    return images, *more[model.data_kind]


def taught_file(path: Path, count: int = 40, edge: int = 16, **teacher: object) -> Path:
    """Writes random images of a teacher with three labels; returns the path."""
    from tfgan2.data.taught import Taught

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, edge, edge, 1), np.uint8)
    latents = rng.normal(size=(count, 6)).astype(np.float32)
    labels = np.arange(count, dtype=np.int32) % 3
    Taught(images, latents, labels, ["a", "b", "c"], {**TEACHER, **teacher}).write(path)
    return path


def layer_kinds(network: keras.Model) -> set[str]:
    return {type(layer).__name__ for layer in network.layers}


def phases(model: GenerativeModel) -> list[str]:
    return list(dict.fromkeys(model.phase_at(step) for step in range(4)))


def small_generator(classes: int) -> keras.Model:
    """An untrained generator from 6 latents, and with classes from a label, to 8x8x3 images."""
    import keras  # here, so that collecting tests loads no TensorFlow

    layers = keras.layers
    keras.utils.set_random_seed(classes)
    z = keras.Input((6,), name="z")
    inputs, x = [z], z
    if classes:
        inputs.append(keras.Input((), dtype="int32", name="label"))
        x = layers.Concatenate()([x, layers.Embedding(classes, 6, "glorot_normal")(inputs[1])])
    x = layers.Reshape((4, 4, 4))(layers.Dense(64)(x))
    x = layers.Conv2DTranspose(3, 4, 2, padding="same", activation="tanh")(layers.ReLU()(x))
    return keras.Model(inputs if classes else z, x)


def export_truncating(folder: Path) -> dict[str, Path]:
    """Exports generators of 12x12 grey, one that truncates styles and one that truncates latents.

    Each is an ONNX and a TFLite file. The one for latents has 0.5 as its default.
    """
    import keras

    from tfgan2.export import Options, export_generator

    layers = keras.layers
    keras.utils.set_random_seed(4)
    z, truncation = keras.Input((6,), name="z"), keras.Input((), name="truncation")
    styles = layers.Dense(6)(z)
    scaled = layers.Multiply()([styles, layers.Reshape((1,))(truncation)])
    inputs = {"styles": ([z, truncation], scaled), "latents": (z, styles)}
    for kind, (given, x) in inputs.items():
        x = layers.Dense(32, "relu")(layers.Rescaling(3.0)(x))
        x = layers.Dense(144, "tanh")(x)  # not faint, even when truncated
        network = keras.Model(given, layers.Reshape((12, 12, 1))(x))
        default = 0.5 if kind == "latents" else None
        facts = {"truncation": {"of": kind, "default": default}}
        options = Options(["onnx", "tflite"], images=16)
        export_generator(network, folder / kind, options, facts=facts)
    return {kind: folder / kind / "generator.onnx" for kind in inputs}


def momenta(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The momenta of all weights of each optimizer, joined."""
    found: dict[str, list[np.ndarray]] = {}
    for name, array in state.items():
        owner = name.partition("/")[0]
        if "optimizer" in owner and array.ndim:
            found.setdefault(owner, []).append(array.ravel())
    arrays = {owner: np.concatenate(parts) for owner, parts in found.items()}
    return {owner: array for owner, array in arrays.items() if array.any()}
