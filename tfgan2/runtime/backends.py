"""The libraries that run exported files, each imported only for a file of its format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tfgan2.errors import UserError
from tfgan2.images import from_uint8
from tfgan2.runtime.quiet import quiet


class Backend(Protocol):
    """Runs a model: input arrays by name in, output arrays by name out."""

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]: ...


CHUNK = 32
"""Batch of a model with a free batch size: uses all threads, and large images fit into memory."""


def in_batches(
    backend: Backend,
    inputs: Mapping[str, np.ndarray],
    output: str,
    batch: int | None,
    *,
    chunk: int = CHUNK,
) -> np.ndarray:
    """Runs a model on any number of samples.

    Args:
        backend: the model.
        inputs: arrays of equal length by name.
        output: name of the output to return.
        batch: number of samples that the model takes, None where that is free.
        chunk: number of samples per call where it is free.

    Returns:
        The output of all samples, float32; uint8 images are scaled to [-1, 1].
    """
    size = batch or chunk
    count = len(next(iter(inputs.values())))
    results = []
    for start in range(0, max(1, count), size):
        part = {name: array[start : start + size] for name, array in inputs.items()}
        needed = min(size, count - start)
        padded = batch or max(1, needed)  # without samples, one call finds the output's shape
        if needed < padded:
            part = {name: np.resize(a, (padded, *a.shape[1:])) for name, a in part.items()}
        results.append(backend(part)[output][:needed])
    joined = np.concatenate(results)
    return from_uint8(joined) if joined.dtype == np.uint8 else joined


class OnnxRuntime:
    """An ONNX model on the CPU; a UserError if onnxruntime is missing or refuses it.

    With `spin`, idle threads wait for work at full speed: a little faster alone, much slower where
    others need the cores.
    """

    def __init__(self, path: Path, content: bytes, threads: int, *, spin: bool = True) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise UserError(f"{path.name} needs onnxruntime: pip install onnxruntime") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spin)))
        options.log_severity_level = 3  # errors only; they are raised as well
        try:
            self.session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        # Its errors have no common base other than Exception.
        except Exception as error:
            raise UserError(f"onnxruntime cannot run {path}: {first_line(error)}") from error
        self.names = [output.name for output in self.session.get_outputs()]

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        results = self.session.run(self.names, dict(inputs))
        return dict(zip(self.names, results, strict=True))


class LiteRT:
    """A TFLite model on the CPU, through XNNPACK; a UserError if LiteRT is missing or refuses it.

    One call at a time: the interpreter keeps its tensors between calls. `spin` has no effect.
    """

    def __init__(self, path: Path, content: bytes, threads: int, *, spin: bool = True) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise UserError(f"{path.name} needs LiteRT: pip install ai-edge-litert") from None
        try:
            with quiet():  # it reports its XNNPACK delegate on stderr
                self.interpreter = Interpreter(model_content=content, num_threads=threads)
                # Before its first call a free size is 1x1 pixels, which some layers refuse.
                self._allocated = not self._has_free_size()
                if self._allocated:
                    self.interpreter.allocate_tensors()
                self.runner: Any = self.interpreter.get_signature_runner()
        except (ValueError, RuntimeError) as error:
            raise UserError(f"LiteRT cannot run {path}: {first_line(error)}") from error

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        if self._allocated:
            return self.runner(**inputs)
        with quiet():  # as above
            outputs = self.runner(**inputs)
        self._allocated = True
        return outputs

    def _has_free_size(self) -> bool:
        return any(
            -1 in item["shape_signature"][1:] for item in self.interpreter.get_input_details()
        )


def first_line(error: BaseException) -> str:
    """Returns the first line of an error's message, or its class if the message is empty."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
