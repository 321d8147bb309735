"""The demo gives readable digits, all ten of them, even in half of its steps."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

from tfgan2 import cli

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
def test_digits_are_readable_and_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, out = tmp_path / "run", tmp_path / "samples.npz"
    words = (
        "fit dcgan --dataset digits --steps 1000 --seed 1 --set base_channels=64 "
        "--set latent_dim=10 --set discriminator_learning_rate=1e-4"
    )
    assert cli.run([*words.split(), "--out", str(run)]) == 0
    assert cli.run(["sample", str(run), "--count", "500", "--seed", "1", "--out", str(out)]) == 0
    samples = np.load(out)["images"].astype(np.float32) / 127.5 - 1
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    benchmark = importlib.import_module("digits_quality")
    results = benchmark.classify(samples)
    assert results["accuracy_on_real"] > 0.95
    assert min(results["shares"]) >= 0.02
    assert results["top_probability"] >= 0.85
    # Noise, and two digits on top of each other, do not pass.
    rng = np.random.default_rng(0)
    noise = rng.uniform(-1, 1, samples.shape).astype(np.float32)
    assert benchmark.classify(noise)["top_probability"] < 0.6
    real, _ = benchmark.real_digits(16)
    pairs = rng.permutation(real)[:500] / 2 + rng.permutation(real)[:500] / 2
    assert benchmark.classify(pairs.reshape(samples.shape))["top_probability"] < 0.85
