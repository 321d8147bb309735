"""The callbacks of Weights & Biases and MLflow, in their modes without a server."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest

import tfgan2

OPTIONS = {
    "hyperparameters": {"base_channels": 4},
    "batch_size": 16,
    "steps": 6,
    "xla": False,
    "quiet": True,
}


@pytest.fixture
def last() -> dict[str, float]:
    """The metrics of the last step, which the callback `last_of` puts there."""
    return {}


def last_of(last: dict[str, float]) -> keras.callbacks.Callback:
    return keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: last.update(logs))


@pytest.mark.slow
def test_weights_and_biases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: dict[str, float]
) -> None:
    wandb = pytest.importorskip("wandb")
    from wandb.integration.keras import WandbMetricsLogger

    monkeypatch.setenv("WANDB_SILENT", "true")
    with wandb.init(project="gans", mode="offline", dir=tmp_path) as tracked:
        callbacks = [WandbMetricsLogger(log_freq=2), last_of(last)]
        tfgan2.fit("dcgan", "digits", out=tmp_path / "run", callbacks=callbacks, **OPTIONS)
        summary = dict(tracked.summary)
    assert summary["epoch/generator_loss"] == pytest.approx(last["generator_loss"])
    assert summary["batch/learning_rate"] == pytest.approx(2e-4)
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))


@pytest.mark.slow
def test_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: dict[str, float]) -> None:
    mlflow = pytest.importorskip("mlflow")
    from mlflow.keras import MlflowCallback

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "tracked").as_uri())
    with mlflow.start_run() as tracked:
        callbacks = [MlflowCallback(log_every_epoch=False, log_every_n_steps=2), last_of(last)]
        tfgan2.fit("dcgan", "digits", out=tmp_path / "run", callbacks=callbacks, **OPTIONS)
    found = mlflow.get_run(tracked.info.run_id).data
    assert found.metrics["generator_loss"] == pytest.approx(last["generator_loss"])
    assert float(found.params["optimizer_discriminator_learning_rate"]) == pytest.approx(2e-4)
