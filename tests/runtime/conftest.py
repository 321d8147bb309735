"""Fixtures of the runtime's tests."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["generator.onnx", "generator.tflite"])
def name(request: pytest.FixtureRequest) -> str:
    return request.param
