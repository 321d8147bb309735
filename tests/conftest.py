"""Fixtures that all tests share."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import fit_small, small_generator

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["TFGAN2_COMPILED_MB"] = "0"  # compiled steps of tests are not kept
# Garbage collection of old graphs takes a sixth of the time otherwise.
gc.set_threshold(100_000, 20, 20)
if "PYTEST_XDIST_WORKER" in os.environ:
    # There is one process per core already.
    for threads in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(threads, "1")


def pytest_configure(config: pytest.Config) -> None:
    """Lets XLA compile without optimizing, in a third less time; slow tests take many steps."""
    if config.option.markexpr == "not slow":
        os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")


@pytest.fixture(autouse=True)
def graphs_again() -> Iterator[None]:
    """Keras' `run_eagerly=True` makes all functions of the process run without graphs."""
    yield
    if (tensorflow := sys.modules.get("tensorflow")) is not None:
        tensorflow.config.run_functions_eagerly(False)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run. Tests must not change it."""
    out = tmp_path_factory.mktemp("runs") / "finished"
    assert fit_small(out) == 0
    return out


@pytest.fixture(scope="session")
def conditional(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """generator.onnx and generator.tflite with the classes cat, dog and 0, uniform latents."""
    from tfgan2.export import Options, export_generator

    folder = tmp_path_factory.mktemp("conditional")
    export_generator(
        small_generator(3),
        folder,
        Options(["onnx", "tflite"]),
        latent_distribution="uniform",
        class_names=["cat", "dog", "0"],
    )
    return folder


@pytest.fixture(scope="session")
def unconditional(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """generator.onnx and generator.tflite without labels, a fixed batch of 4."""
    from tfgan2.export import Options, export_generator

    folder = tmp_path_factory.mktemp("unconditional")
    export_generator(small_generator(0), folder, Options(["onnx", "tflite"], batch=4))
    return folder
