"""Runs exported files through their libraries alone, without the package's own runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter


def latents(count: int, dim: int = 8, seed: int = 99) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dim), np.float32)


def run_raw(path: Path, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the outputs by name."""
    if path.is_dir():
        signature = tf.saved_model.load(str(path)).signatures["serving_default"]
        return {k: v.numpy() for k, v in signature(**inputs).items()}
    if path.suffix == ".onnx":
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, inputs), strict=True))
    interpreter = Interpreter(model_path=str(path))
    return interpreter.get_signature_runner("serving_default")(**inputs)
