"""The libraries that run exported files, each imported only for a file of its format."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfgan2.errors import UserError
from tfgan2.images import from_uint8
from tfgan2.runtime.quiet import quiet

Inputs = Mapping[str, np.ndarray]
"""Arrays of equal length by name."""
Backend = Callable[[Inputs], Mapping[str, np.ndarray]]
"""Runs a model: input arrays by name in, output arrays by name out."""

CHUNK = 32
"""Batch of a model with a free batch size: uses all threads, and large images fit into memory."""


def in_sizes(
    model: Callable[[Inputs], np.ndarray], inputs: Inputs, sizes: Sequence[int]
) -> np.ndarray:
    """Runs a model on any number of samples, in batches of these sizes only, in ascending order.

    The last batch is padded up to one of them.
    """
    count = len(next(iter(inputs.values())))
    results = []
    # Without samples, one call finds the output's shape.
    for start in range(0, max(1, count), sizes[-1]):
        part = {name: array[start : start + sizes[-1]] for name, array in inputs.items()}
        needed = min(sizes[-1], count - start)
        size = next(size for size in sizes if size >= needed)
        if needed < size:
            part = {name: np.resize(a, (size, *a.shape[1:])) for name, a in part.items()}
        results.append(model(part)[:needed])
    return np.concatenate(results)


def in_batches(backend: Backend, inputs: Inputs, output: str, batch: int | None) -> np.ndarray:
    """Runs a model on any number of samples.

    Args:
        backend: the model.
        inputs: the samples.
        output: name of the output to return; uint8 images are scaled to [-1, 1].
        batch: number of samples that the model takes, None where that is free.
    """
    sizes = (batch,) if batch else range(1, CHUNK + 1)
    outputs = in_sizes(lambda part: backend(part)[output], inputs, sizes)
    return from_uint8(outputs) if outputs.dtype == np.uint8 else outputs


class Model(NamedTuple):
    """An exported file that can be run.

    Attributes:
        backend: runs it.
        metadata: its description; docs/export.md lists the fields.
    """

    backend: Backend
    metadata: dict[str, Any]

    def __call__(self, inputs: Inputs) -> np.ndarray:
        """Returns the output for any number of samples, as `in_batches` does."""
        output = self.metadata["outputs"][0]["name"]
        return in_batches(self.backend, inputs, output, self.metadata["batch"])


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
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        # Its errors have no common base other than Exception.
        except Exception as error:
            raise UserError(f"onnxruntime cannot run {path}: {first_line(error)}") from error
        self._names = [output.name for output in self._session.get_outputs()]

    def __call__(self, inputs: Inputs) -> dict[str, np.ndarray]:
        results = self._session.run(self._names, dict(inputs))
        return dict(zip(self._names, results, strict=True))


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
                interpreter = Interpreter(model_content=content, num_threads=threads)
                # Before its first call a free size is 1x1 pixels, which some layers refuse.
                inputs = interpreter.get_input_details()
                self._allocated = all(-1 not in item["shape_signature"][1:] for item in inputs)
                if self._allocated:
                    interpreter.allocate_tensors()
                self._runner: Any = interpreter.get_signature_runner()
        except (ValueError, RuntimeError) as error:
            raise UserError(f"LiteRT cannot run {path}: {first_line(error)}") from error

    def __call__(self, inputs: Inputs) -> dict[str, np.ndarray]:
        with contextlib.nullcontext() if self._allocated else quiet():  # as above
            outputs = self._runner(**inputs)
        self._allocated = True
        return outputs


def first_line(error: BaseException) -> str:
    """Returns the first line of an error's message, or its class if the message is empty."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
