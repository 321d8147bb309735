"""A flavour among Keras' own tools: saving, callbacks, and habits of Keras users."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import SGD, batch_for, eagerly, make_small, tensors_for

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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text("utf-8")
HABITS = re.findall(
    r"^\| `(model.*|keras.*)` \| (.*) \|$", PAGE.partition("### Habits of Keras")[2], re.M
)
WORKS = [code for code, outcome in HABITS if not outcome.startswith("refused: ")]
REFUSED = [(code, outcome[9:]) for code, outcome in HABITS if outcome.startswith("refused: ")]


def names_for(model: GenerativeModel) -> dict[str, Any]:
    """What the habits in the docs are about."""
    x, y = batch_for(model, 12)
    x.flat[:2] = -1, 1
    return {
        "model": model,
        "x": x,
        "y": y,
        "z": model.draw_latents(12),
        "keras": keras,
        "np": np,
        "rate": lambda epoch, rate: rate,
        "dataset": tf.data.Dataset.from_tensor_slices((x, y)),
    }


def test_habits_that_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(WORKS) == 17
    model = compiled("cgan", dropout=0.0)
    for code in WORKS:
        before = int(model.step)
        with eagerly():
            eval(code, names_for(model))
        assert int(model.step) > before or "fit" not in code
        if code.startswith("model.compile"):
            model.train_step(batch_for(model))
    assert {path.name for path in tmp_path.iterdir()} == {
        *("1.keras", "exported", "logs", "model.keras", "model.weights.h5")
    }


@pytest.mark.parametrize(("code", "message"), REFUSED)
def test_habits_that_are_refused(code: str, message: str) -> None:
    model = compiled("cgan")
    with pytest.raises(UserError) as error:
        eval(code, names_for(model))
    assert str(error.value) == message and "\n" not in message
    assert int(model.step) == 0


def test_what_some_flavours_refuse() -> None:
    with pytest.raises(UserError, match="SRGAN trains in phases: leave steps_per_execution out"):
        make_small("srgan").compile(steps_per_execution=2)
    with pytest.raises(UserError, match="one optimizer cannot train two networks"):
        model = make_small("gan")
        model.compile(**dict.fromkeys(model.trained_by(), keras.optimizers.Adam()))
    sgd = {name: keras.optimizers.SGD() for name in model.trained_by()}
    for _ in range(2):
        model.compile(**sgd)
    with pytest.raises(UserError, match=r"the optimizer 'sgd.*' has trained another network"):
        make_small("gan").compile(**sgd)
    model = compiled("cyclegan")
    plateau = keras.callbacks.ReduceLROnPlateau("cycle_loss", mode="min")
    message = "ReduceLROnPlateau cannot change the rate of generator_optimizer"
    with pytest.raises(UserError, match=message):
        model.fit(*batch_for(model), callbacks=[plateau], verbose=0)
    model = compiled("gan")
    with pytest.raises(UserError, match="computes no validation loss"):
        model.test_on_batch(batch_for(model)[0])


def test_the_only_optimizer_may_be_given_to_compile() -> None:
    model = make_small("vae")
    model.compile(optimizer=keras.optimizers.SGD(0.1), metrics=None)
    assert isinstance(model.optimizer, keras.optimizers.SGD)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{"run_eagerly": True}, {"jit_compile": True, "steps_per_execution": 2}]
)
def test_settings_of_compile(settings: dict[str, Any]) -> None:
    model = make_small("gan", **SGD)
    model.compile(**settings)
    dataset = tf.data.Dataset.from_tensor_slices(batch_for(model, 11)[0]).batch(5)
    history = model.fit(dataset, verbose=0).history
    assert int(model.step) == 2 and np.isfinite(history["generator_loss"]).all()


def test_single_batches() -> None:
    model = compiled("cgan", **SGD)
    x, y = batch_for(model, 4)
    metrics = model.train_on_batch(x, y, return_dict=True)
    assert np.isfinite(metrics["generator_loss"]) and int(model.step) == 1
    with pytest.raises(UserError, match="CGAN needs images with labels"):
        model.train_on_batch(x)


def test_python_generators() -> None:
    model = compiled("cgan", packing=2, **SGD)
    x, y = batch_for(model, 7)

    def batches() -> Any:
        yield from ((x[:4], y[:4]), (x[4:], y[4:]), (x[:1], y[:1]))

    model.fit(batches(), steps_per_epoch=3, verbose=0)
    assert int(model.step) == 2
