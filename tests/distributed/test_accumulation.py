"""A step on micro-batches equals the step on the whole batch, apart from batch norm."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import PLAIN_SGD, assert_refused, batch_for, fit, make_small, momenta, phases

from tfgan2 import cli, registry
from tfgan2.errors import UserError
from tfgan2.kernels import compiled_update
from tfgan2.models.base import GenerativeModel
from tfgan2.nn.statistics import batch_norms
from tfgan2.training import checkpoints

FLAVOURS = list(registry.FLAVOURS)
# Everything that is drawn for each sample.
DRAWS = {"augment": "color,translation,cutout", "instance_noise": 0.1, "label_noise": 0.2}


@pytest.fixture
def frozen_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch norm uses its moving averages in training, too."""
    call = keras.layers.BatchNormalization.call

    def frozen(self: Any, inputs: tf.Tensor, training: Any = None, mask: Any = None) -> tf.Tensor:
        return call(self, inputs, training=False, mask=mask)

    monkeypatch.setattr(keras.layers.BatchNormalization, "call", frozen)


def model_for(name: str, accumulate: int, policy: str = "float32", **options: Any) -> Any:
    keras.config.set_dtype_policy(policy)
    try:
        known = registry.hyperparameters(name)
        draws = {key: value for key, value in DRAWS.items() if key in known}
        model = make_small(name, seed=1, **{**draws, **options})
        # Without Adam, which turns the rounding of a gradient near 0 into a whole step. The momenta
        # show gradients that are too small to change a weight visibly.
        optimizers = {key: keras.optimizers.SGD(1e-4, 0.5) for key in model.trained_by()}
        model.compile(**optimizers, accumulate=accumulate)
    finally:
        keras.config.set_dtype_policy("float32")
    model.plan(4)
    return model


def after_training(
    model: GenerativeModel, step_of: Any, steps: int = 2
) -> tuple[list[dict[str, float]], dict[str, np.ndarray]]:
    """The metrics of some steps of each phase, and all state."""
    parts = tuple(tf.constant(part) for part in batch_for(model, 8))
    metrics = []
    for phase in phases(model):
        model.phase = phase
        step = step_of(model)
        for _ in range(steps):
            metrics.append({key: float(value) for key, value in step(parts).items()})
    return metrics, {name: np.asarray(variable) for name, variable in model.state().items()}


def assert_equal_training(one: Any, other: Any, tolerance: float = 1e-5) -> None:
    for ours, theirs in zip(one[0], other[0], strict=True):
        assert list(ours) == list(theirs)
        assert ours == pytest.approx(theirs, rel=tolerance, abs=tolerance)
    assert one[1].keys() == other[1].keys()
    for name, array in one[1].items():
        error = f"{name} differs"
        np.testing.assert_allclose(array, other[1][name], tolerance, tolerance, err_msg=error)
    ours, theirs = (momenta(state) for _, state in (one, other))
    for name, array in ours.items():
        largest = np.abs(theirs[name]).max()
        np.testing.assert_allclose(
            array / largest, theirs[name] / largest, 0, 100 * tolerance, err_msg=name
        )


def eager(model: GenerativeModel) -> Any:
    """Tracing several micro-batches takes far longer than to run them once."""
    return model.train_step


def graph(model: GenerativeModel) -> Any:
    return tf.function(model.train_step, autograph=False)


@pytest.mark.slow
@pytest.mark.usefixtures("frozen_statistics")
def test_regularizers_of_few_images_follow_all_micro_batches() -> None:
    def trained(count: int) -> Any:
        options = {"ada": 0.01, "ada_images": 200, "lecam": 0.3, "flip": True, "augment": "none"}
        model = model_for("sngan", count, network="mlp", packing=2, **options)
        model.ada.p.assign(0.5)
        return after_training(model, eager, steps=5)

    whole, parts = trained(1), trained(2)
    assert_equal_training(parts, whole)
    assert abs(parts[0][-1]["ada_p"] - 0.5) == pytest.approx(4 * 8 / 200)  # one move so far


D_STEPS = ["wgan-gp", "r3gan", "sngan", "stylegan2", "wgan", "srgan", "pix2pix"]
# The others take up to half a minute each.
QUICK = "gan"


@pytest.mark.usefixtures("frozen_statistics")
@pytest.mark.parametrize(
    "name", [QUICK, *(pytest.param(n, marks=pytest.mark.slow) for n in FLAVOURS if n != QUICK)]
)
def test_micro_batches_equal_the_whole_batch(name: str) -> None:
    whole, parts = (after_training(model_for(name, count), graph) for count in (1, 4))
    assert_equal_training(parts, whole)


@pytest.mark.slow
@pytest.mark.usefixtures("frozen_statistics")
@pytest.mark.parametrize("name", FLAVOURS)
def test_so_do_compiled_ones(name: str) -> None:
    # XLA draws other numbers.
    whole, parts = (after_training(model_for(name, count), compiled_update) for count in (1, 4))
    assert_equal_training(parts, whole)


@pytest.mark.slow
@pytest.mark.usefixtures("frozen_statistics")
@pytest.mark.parametrize("name", D_STEPS)
def test_every_update_of_a_step_has_micro_batches(name: str) -> None:
    whole, parts = (after_training(model_for(name, count, d_steps=3), graph) for count in (1, 2))
    assert_equal_training(parts, whole)


@pytest.mark.slow
def test_reals_of_the_generator_in_updates_that_are_compiled_apart() -> None:
    def apart(model: GenerativeModel) -> Any:
        assert model.is_divided
        return model.compiled_step(lambda function: tf.function(function, autograph=False))

    makes = ((1, graph), (2, apart))
    whole, parts = (after_training(model_for("r3gan", n, d_steps=2), make) for n, make in makes)
    assert_equal_training(parts, whole)


@pytest.mark.slow
@pytest.mark.usefixtures("frozen_statistics")
def test_what_follows_an_update_happens_once() -> None:
    options = {"lookahead": 2, "dropout": 0.5, "ema_decay": 0.9, "packing": 2}
    whole, parts = (after_training(model_for("began", n, **options), eager) for n in (1, 4))
    assert_equal_training(parts, whole)
    assert parts[1]["model/000/step"] == 2


def test_batch_norm_averages_the_statistics_of_the_micro_batches() -> None:
    whole, parts = (after_training(model_for("dcgan", n), eager, steps=1)[1] for n in (1, 4))
    # The input of the first layer's norm does not depend on the norm itself.
    mean = "generator/003/moving_mean"
    assert mean in whole and np.abs(whole[mean]).max() > 0
    np.testing.assert_allclose(parts[mean], whole[mean], atol=1e-6)


def test_statistics_of_the_averaged_generator_are_those_of_all_micro_batches() -> None:
    means = []
    for count in (1, 4):
        model = model_for("biggan", count, network="mlp")
        for optimizer in model.optimizers.values():
            optimizer.learning_rate = 0.0
        after_training(model, eager, steps=1)
        # The input of the first norm depends on no other norm.
        means.append(batch_norms(model.ema_generator)[0].moving_mean.numpy())
        assert int(model.step) == 1
    assert np.abs(means[0]).max() > 1e-4
    np.testing.assert_allclose(means[1], means[0], rtol=1e-3, atol=1e-7)


@pytest.mark.usefixtures("frozen_statistics")
def test_losses_are_scaled_in_float16() -> None:
    whole, parts = (
        after_training(model_for("lsgan", count, "mixed_float16", network="mlp"), eager, steps=1)
        for count in (1, 4)
    )
    assert_equal_training(parts, whole, 2e-3)


def test_an_overflow_in_one_micro_batch_skips_the_update() -> None:
    model = model_for("lsgan", 4, "mixed_float16", network="mlp", augment="none")
    before = [variable.numpy() for variable in model.discriminator.trainable_variables]
    images, labels = batch_for(model, 8)
    images[5] = np.inf
    model.train_step((tf.constant(images), tf.constant(labels)))
    for old, variable in zip(before, model.discriminator.trainable_variables, strict=True):
        np.testing.assert_array_equal(old, variable)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"run_eagerly": True}, {"jit_compile": True}])
def test_in_plain_keras(settings: dict[str, Any], tmp_path: Path) -> None:
    model = make_small("cgan")
    model.compile(accumulate=4, **settings)
    images, labels = batch_for(model, 23)
    history = model.fit(images, labels, batch_size=11, verbose=0).history
    assert int(model.step) == 2  # of 8 samples each
    assert np.isfinite(history["generator_loss"]).all()
    if not settings:
        model.save(tmp_path / "model.keras")
        assert keras.models.load_model(tmp_path / "model.keras").accumulate == 4
    with pytest.raises(UserError, match="too small for a step of CGAN: give batches of 4 or more"):
        model.fit(images[:3], labels[:3], verbose=0)


@pytest.mark.parametrize("value", [0, 1.5, "two"])
def test_a_count_that_is_not_possible(value: Any) -> None:
    with pytest.raises(UserError, match="accumulate must be a whole number of at least 1, not"):
        make_small("gan").compile(accumulate=value)


def test_a_batch_that_does_not_divide(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fit", "gan", "--dataset", "digits", "--out", str(tmp_path / "run")]
    line = "a batch of 64 images cannot be divided into 5 micro-batches: give another --accumulate"
    assert_refused([*words, "--accumulate", "5"], line, capsys)
    line = (
        "cannot be packed by 4 in 32 micro-batches: give a --batch-size that is a multiple of 128"
    )
    assert_refused([*words, "--accumulate", "32", "--set", "packing=4"], line, capsys)


def test_a_resumed_run_keeps_its_batch_size(
    finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished_run, run := tmp_path / "run")
    words = ["fit", "--resume", str(run), "--steps", "100", "--accumulate", "5"]
    line = "5 micro-batches: resume with the --strategy and --accumulate that the run began with"
    assert_refused(words, line, capsys)


@pytest.mark.slow
def test_a_run_resumes_with_other_micro_batches(tmp_path: Path) -> None:
    words = "lsgan --dataset digits --no-xla --batch-size 16 --set base_channels=8 --accumulate 2"
    words = f"{words} --set network=mlp {PLAIN_SGD} --steps 2"
    assert fit(tmp_path / "run", words) == 0
    more = ["--steps", "4", "--accumulate", "4"]
    assert cli.run(["fit", "--resume", str(tmp_path / "run"), *more]) == 0
    assert checkpoints.newest(tmp_path / "run").step == 4
