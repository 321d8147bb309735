"""The libraries that run exported files, each imported only for a file of its format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tfgan2.errors import UserError
from tfgan2.runtime.quiet import quiet


class Backend(Protocol):
    """Runs a model: input arrays by name in, output arrays by name out."""

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]: ...


class OnnxRuntime:
    """An ONNX model on the CPU.

    Args:
        path: named in errors.
        content: the file's bytes.
        threads: how many.

    Raises:
        UserError: onnxruntime is missing or refuses the model.
    """

    def __init__(self, path: Path, content: bytes, threads: int) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise UserError(f"{path.name} needs onnxruntime: pip install onnxruntime") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
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
    """A TFLite model on the CPU, through XNNPACK.

    One call at a time: the interpreter keeps its tensors between calls.

    Args:
        path: named in errors.
        content: the file's bytes.
        threads: how many.

    Raises:
        UserError: ai-edge-litert is missing or refuses the model.
    """

    def __init__(self, path: Path, content: bytes, threads: int) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise UserError(f"{path.name} needs LiteRT: pip install ai-edge-litert") from None
        try:
            with quiet():  # it announces its XNNPACK delegate on stderr
                self.interpreter = Interpreter(model_content=content, num_threads=threads)
                self.interpreter.allocate_tensors()
                self.runner: Any = self.interpreter.get_signature_runner()
        except (ValueError, RuntimeError) as error:
            raise UserError(f"LiteRT cannot run {path}: {first_line(error)}") from error

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self.runner(**inputs)


def first_line(error: BaseException) -> str:
    """The first line of an error's message; its class where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
