"""Exported files for the runtime to run."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import small_generator


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


@pytest.fixture(params=["generator.onnx", "generator.tflite"])
def name(request: pytest.FixtureRequest) -> str:
    return request.param
