"""A flavour among Keras' own tools: saving, callbacks, and habits of Keras users."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import batch_for, make_small, tensors_for

from tfgan2 import registry
from tfgan2.errors import UserError
from tfgan2.models.base import GenerativeModel
from tfgan2.models.latent import LatentModel

# Dropout, two optimizers and an average; one optimizer of its own variables; a pool and a schedule.
QUICK = ("gan", "vae")


def compiled(name: str, **hyperparameters: Any) -> GenerativeModel:
    model = make_small(name, **hyperparameters)
    model.compile()
    return model


def state_of(model: GenerativeModel) -> dict[str, np.ndarray]:
    return {name: variable.numpy() for name, variable in model.state().items()}


def assert_same_state(one: GenerativeModel, other: GenerativeModel) -> None:
    mine, others = state_of(one), state_of(other)
    assert mine.keys() == others.keys()
    assert [name for name in mine if mine[name].tobytes() != others[name].tobytes()] == []


def batches_for(model: GenerativeModel) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors(tensors_for(model, 4)).repeat(2)


def check_saving(model: GenerativeModel, path: Path) -> GenerativeModel:
    """Trains, saves, loads, and trains both on to the very same weights."""
    batches = batches_for(model)
    model.fit(batches, epochs=2, verbose=0)
    model.save(path)
    loaded = keras.models.load_model(path)
    assert type(loaded) is type(model) and loaded.get_config() == model.get_config()
    assert loaded.optimizers.keys() == model.optimizers.keys()
    assert_same_state(loaded, model)
    for each in (model, loaded):
        each.fit(batches, verbose=0)
        assert int(each.step) == 6
    assert_same_state(loaded, model)
    return loaded


@pytest.mark.parametrize("name", QUICK)
def test_a_loaded_model_trains_on_to_the_same_weights(name: str, tmp_path: Path) -> None:
    check_saving(compiled(name), tmp_path / "model.keras")


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.FLAVOURS)
def test_saving_of_every_flavour(name: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"seed": 3}
    known = registry.hyperparameters(name)
    options |= {"lookahead": 2} if "lookahead" in known else {}
    options |= {"dropout": 0.3} if "dropout" in known else {}
    loaded = check_saving(compiled(name, **options), tmp_path / "model.keras")
    assert loaded.previews(batch_for(loaded, 4))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dcgan", "vae", "stackgan"])
def test_saving_in_half_precision(name: str, tmp_path: Path) -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = compiled(name)
    finally:
        keras.config.set_dtype_policy("float32")
    loaded = check_saving(model, tmp_path / "model.keras")
    assert loaded.generator.dtype_policy.name == "mixed_float16"
    assert all(hasattr(each, "inner_optimizer") for each in loaded.optimizers.values())


def test_chosen_optimizers_and_settings_are_saved(tmp_path: Path) -> None:
    model = make_small("gan", dropout=0.0)
    schedule = keras.optimizers.schedules.ExponentialDecay(1e-3, 2, 0.5)
    model.compile(
        generator_optimizer=keras.optimizers.RMSprop(schedule),
        discriminator_optimizer="sgd",
        run_eagerly=True,
    )
    model.train_step(batch_for(model))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.run_eagerly
    assert isinstance(loaded.generator_optimizer, keras.optimizers.RMSprop)
    assert loaded.generator_optimizer.get_config() == model.generator_optimizer.get_config()
    assert isinstance(loaded.discriminator_optimizer, keras.optimizers.SGD)
    assert_same_state(loaded, model)
    uncompiled = keras.models.load_model(tmp_path / "model.keras", compile=False)
    assert not uncompiled.compiled
    for one, other in zip(uncompiled.weights, model.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_copies_and_clones(tmp_path: Path) -> None:
    model = compiled("gan")
    model.train_step(batch_for(model))
    model.save_weights(tmp_path / "model.weights.h5")
    other = compiled("gan", seed=7)
    other.load_weights(tmp_path / "model.weights.h5")
    assert_same_state(other, model)
    assert_same_state(copy.deepcopy(model), model)
    assert_same_state(pickle.loads(pickle.dumps(model)), model)
    clone = keras.models.clone_model(model)
    assert type(clone) is type(model) and int(clone.step) == 0
    with pytest.raises(UserError, match=r"model.h5' cannot hold a GAN: save it as a .keras file"):
        model.save(tmp_path / "model.h5")
    assert not (tmp_path / "model.h5").exists()


def test_checkpoints_of_keras(tmp_path: Path) -> None:
    model = compiled("gan")
    whole, weights = tmp_path / "{epoch}.keras", tmp_path / "{epoch}.weights.h5"
    checkpoint = keras.callbacks.ModelCheckpoint
    callbacks = [checkpoint(whole), checkpoint(weights, save_weights_only=True)]
    model.fit(batches_for(model), epochs=2, callbacks=callbacks, verbose=0)
    assert_same_state(keras.models.load_model(tmp_path / "2.keras"), model)
    other = compiled("gan", seed=7)
    other.load_weights(tmp_path / "2.weights.h5")
    assert_same_state(other, model)


@pytest.mark.parametrize("order", ["import keras, tfgan2", "import tfgan2, keras"])
def test_another_process_loads_a_model(order: str, tmp_path: Path) -> None:
    model = make_small("infogan")
    model.save(tmp_path / "model.keras")
    model.generator.save(tmp_path / "generator.keras")
    make_small("began").generator.save(tmp_path / "began.keras")
    code = f"""{order}
for name in ("model", "generator", "began"):
    print(type(keras.models.load_model(f"{tmp_path}/{{name}}.keras")).__name__)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["InfoGAN", "Functional", "Functional"], done.stderr


def test_importing_the_package_imports_no_keras() -> None:
    code = "import sys, tfgan2; print('keras' in sys.modules, 'tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"]


class Mine(registry.load_class("dcgan")):  # type: ignore[misc]
    """A user's own flavour."""


def test_a_users_own_flavour_is_saved(tmp_path: Path) -> None:
    model = Mine(image_shape=(8, 8, 1), base_channels=4, latent_dim=6)
    model.save(tmp_path / "model.keras")
    assert type(keras.models.load_model(tmp_path / "model.keras")) is Mine


# --- habits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cgan", "pix2pix", "vae"])
def test_predict_and_call_use_the_sampling_generator(name: str, tmp_path: Path) -> None:
    model = make_small(name)
    if isinstance(model, LatentModel):
        latents = model.draw_latents(3)
        inputs: Any = [latents, model.draw_labels(3)] if model.num_labels else latents
        wanted = model.generate(latents)
    else:
        inputs = batch_for(model, 3)[0]
        wanted = model.run_generator(model.sampling_generator, {"input": inputs})
    np.testing.assert_allclose(model.predict(inputs, verbose=0), wanted, atol=1e-6)
    np.testing.assert_allclose(model(inputs), wanted, atol=1e-6)
    lines: list[str] = []
    model.summary(print_fn=lambda text, **_: lines.append(text))
    assert "generator" in "".join(lines)
    if name == "vae":
        model.export(tmp_path / "exported", verbose=False)
        exported = tf.saved_model.load(str(tmp_path / "exported"))
        np.testing.assert_allclose(exported.serve(inputs), wanted, atol=1e-6)


def test_callbacks_of_keras(tmp_path: Path) -> None:
    model = compiled("gan")
    callbacks = keras.callbacks
    rates: list[float] = []
    chosen = [
        callbacks.LearningRateScheduler(lambda epoch, rate: rates.append(rate) or rate / 2),
        callbacks.ReduceLROnPlateau("generator_loss", mode="min", patience=9),
        callbacks.EarlyStopping("generator_loss", mode="min", baseline=0.0, patience=2),
        callbacks.TensorBoard(tmp_path, write_steps_per_second=True),
        callbacks.CSVLogger(tmp_path / "log.csv"),
        callbacks.BackupAndRestore(tmp_path / "backup"),
        callbacks.TerminateOnNaN(),
    ]
    model.fit(batches_for(model), epochs=9, callbacks=chosen, verbose=0)
    np.testing.assert_allclose(rates[:4], [2e-4, 2e-4, 1e-4, 1e-4], rtol=1e-6)
    assert len(rates) == 6  # three epochs, two optimizers
    header = (tmp_path / "log.csv").read_text().splitlines()[0]
    assert "learning_rate_generator_optimizer" in header and "discriminator_loss" in header
    assert list(tmp_path.rglob("events.*"))


def arrays(model: GenerativeModel) -> dict[str, Any]:
    x, y = batch_for(model, 8)
    return {"x": x, "y": y, "verbose": 0}


HABITS: list[tuple[str, str, Callable[[GenerativeModel], Any], str]] = [
    ("gan", "compile", lambda m: m.compile("adam"), "GAN has 2 optimizers: give generator_opt"),
    ("gan", "compile", lambda m: m.compile(loss="mse"), "GAN has its own losses and metrics"),
    ("gan", "compile", lambda m: m.compile(metrics=["mae"]), "leave metrics out"),
    ("gan", "compile", lambda m: m.compile(gen_optimizer="adam"), "did you mean 'generator_opti"),
    ("srgan", "compile", lambda m: m.compile(steps_per_execution=2), "SRGAN trains in phases"),
    (
        "gan",
        "compile",
        lambda m: m.compile(**dict.fromkeys(m.trained_by(), keras.optimizers.Adam())),
        "one optimizer cannot train two networks",
    ),
    ("gan", "fit", lambda m: m.fit(**arrays(m), validation_split=0.1), "no validation loss"),
    ("gan", "fit", lambda m: m.fit(**arrays(m), validation_data=([], [])), "no validation loss"),
    ("gan", "fit", lambda m: m.fit(**arrays(m), class_weight={0: 2}), "leave class_weight out"),
    ("gan", "fit", lambda m: m.fit(**arrays(m), sample_weight=[1]), "leave sample_weight out"),
    (
        "gan",
        "fit",
        lambda m: m.fit(**arrays(m), callbacks=[keras.callbacks.EarlyStopping()]),
        "EarlyStopping waits for val_loss",
    ),
    (
        "gan",
        "fit",
        lambda m: m.fit(**arrays(m), callbacks=keras.callbacks.EarlyStopping("generator_loss")),
        "cannot know which generator_loss is good",
    ),
    (
        "cyclegan",
        "fit",
        lambda m: m.fit(**arrays(m), callbacks=[keras.callbacks.ReduceLROnPlateau("cycle_loss")]),
        "ReduceLROnPlateau cannot change the rate of generator_optimizer",
    ),
    ("gan", "evaluate", lambda m: m.evaluate(arrays(m)["x"], verbose=0), "no validation loss"),
    ("gan", "test_on_batch", lambda m: m.test_on_batch(arrays(m)["x"]), "no validation loss"),
    (
        "cgan",
        "predict",
        lambda m: m.predict(arrays(m)["x"], verbose=0),
        r"generates from z, shape \(N, 6\) and label, shape \(N,\), not from",
    ),
]


@pytest.mark.parametrize(("name", "what", "habit", "message"), HABITS)
def test_habits_that_make_no_sense_are_refused(
    name: str, what: str, habit: Callable[[GenerativeModel], Any], message: str
) -> None:
    model = make_small(name) if what == "compile" else compiled(name)
    with pytest.raises(UserError, match=message) as error:
        habit(model)
    assert "\n" not in str(error.value) and int(model.step) == 0


def test_the_only_optimizer_may_be_given_to_compile() -> None:
    model = make_small("vae")
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    assert isinstance(model.optimizer, keras.optimizers.SGD)


@pytest.mark.parametrize(
    "settings", [{"run_eagerly": True}, {"jit_compile": True, "steps_per_execution": 2}]
)
def test_settings_of_compile(settings: dict[str, Any]) -> None:
    model = make_small("gan")
    model.compile(**settings)
    dataset = tf.data.Dataset.from_tensor_slices(batch_for(model, 11)[0]).batch(5)
    history = model.fit(dataset, verbose=0).history
    assert int(model.step) == 2 and np.isfinite(history["generator_loss"]).all()


def test_single_batches() -> None:
    model = compiled("cgan")
    x, y = batch_for(model, 4)
    metrics = model.train_on_batch(x, y, return_dict=True)
    assert np.isfinite(metrics["generator_loss"]) and int(model.step) == 1
    with pytest.raises(UserError, match="CGAN needs images with labels"):
        model.train_on_batch(x)


def test_python_generators() -> None:
    model = compiled("cgan", packing=2)
    x, y = batch_for(model, 7)

    def batches() -> Any:
        yield from ((x[:4], y[:4]), (x[4:], y[4:]), (x[:1], y[:1]))

    model.fit(batches(), steps_per_epoch=3, verbose=0)
    assert int(model.step) == 2
