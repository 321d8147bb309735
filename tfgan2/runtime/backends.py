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


# How many samples a model with a free batch size makes at once: enough to use all threads, few
# enough that large images fit into memory.
CHUNK = 32


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
        output: which of its outputs is wanted.
        batch: how many samples it takes, None where that is free.
        chunk: how many it is given then.

    Returns:
        The output of all samples, float32; of files that make uint8 pictures these in [-1, 1].
    """
    size = batch or chunk
    count = len(next(iter(inputs.values())))
    made = []
    for start in range(0, max(1, count), size):
        part = {name: array[start : start + size] for name, array in inputs.items()}
        wanted = min(size, count - start)
        fed = batch or max(1, wanted)  # of no samples, the output's shape is still to be found
        if wanted < fed:
            part = {name: np.resize(a, (fed, *a.shape[1:])) for name, a in part.items()}
        made.append(backend(part)[output][:wanted])
    joined = np.concatenate(made)
    return from_uint8(joined) if joined.dtype == np.uint8 else joined


class OnnxRuntime:
    """An ONNX model on the CPU.

    Args:
        path: named in errors.
        content: the file's bytes.
        threads: how many.
        spin: whether these wait for work at full speed: a little faster alone, much slower where
            others need the cores.

    Raises:
        UserError: onnxruntime is missing or refuses the model.
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
    """A TFLite model on the CPU, through XNNPACK.

    One call at a time: the interpreter keeps its tensors between calls.

    Args:
        path: named in errors.
        content: the file's bytes.
        threads: how many.
        spin: without effect here.

    Raises:
        UserError: ai-edge-litert is missing or refuses the model.
    """

    def __init__(self, path: Path, content: bytes, threads: int, *, spin: bool = True) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise UserError(f"{path.name} needs LiteRT: pip install ai-edge-litert") from None
        try:
            with quiet():  # it announces its XNNPACK delegate on stderr
                self.interpreter = Interpreter(model_content=content, num_threads=threads)
                # Before its first call, a free size stands at 1x1 pixels, which some layers refuse.
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
            made = self.runner(**inputs)
        self._allocated = True
        return made

    def _has_free_size(self) -> bool:
        return any(
            -1 in item["shape_signature"][1:] for item in self.interpreter.get_input_details()
        )


def first_line(error: BaseException) -> str:
    """The first line of an error's message; its class where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
