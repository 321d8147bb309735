"""Models in exported files, and the libraries that run them, imported only when they are needed."""

from __future__ import annotations

import contextlib
import math
import os
import threading
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

LIBRARIES = {".onnx": "onnxruntime", ".tflite": "LiteRT"}
CHUNK = 32
"""Batch of a model with a free batch size, up to 64x64 pixels: uses all threads."""


class Model(NamedTuple):
    """An exported file that can be run.

    Attributes:
        backend: runs it.
        metadata: its description; docs/export.md lists the fields.
    """

    backend: Backend
    metadata: dict[str, Any]

    def __call__(self, inputs: Inputs) -> np.ndarray:
        """Returns the output for any number of samples; uint8 images are scaled to [-1, 1]."""
        output, batch = self.metadata["outputs"][0], self.metadata["batch"]
        sizes: Sequence[int] = (batch,)
        if not batch:
            scale = self.metadata.get("scale", 1)
            sizes = range(1, samples_at_once(CHUNK, output["shape"], inputs, scale) + 1)
        outputs = in_sizes(lambda part: self.backend(part)[output["name"]], inputs, sizes)
        return from_uint8(outputs) if outputs.dtype == np.uint8 else outputs


def samples_at_once(most: int, shape: Sequence[int | None], inputs: Inputs, scale: int = 1) -> int:
    """Returns a batch size for which there is memory: `most`, fewer for more than 64x64 pixels.

    `shape` is that of the output, and `scale` its size divided by that of the input, where it is
    free.
    """
    edges = shape[1:-1]
    if None in edges:
        edges = [scale * edge for edge in inputs["input"].shape[1:-1]]
    pixels = math.prod(edge or 1 for edge in edges)
    return min(most, max(1, most * 64 * 64 // pixels))


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
        needed = min(sizes[-1], count - start)
        size = next(size for size in sizes if size >= needed)
        part = {name: array[start : start + size] for name, array in inputs.items()}
        if needed < size:
            part = {name: np.resize(a, (size, *a.shape[1:])) for name, a in part.items()}
        results.append(model(part)[:needed])
    return np.concatenate(results)


def open_backend(path: Path, content: bytes, threads: int, *, spin: bool = True) -> Backend:
    """Opens the model of a .onnx or .tflite file with this content, to run on the CPU.

    With `spin`, idle threads of onnxruntime wait for work at full speed: a little faster alone,
    much slower where others need the cores. A UserError if the library is missing or refuses it.
    """
    library = LIBRARIES[path.suffix.lower()]
    try:
        return _litert(content, threads) if library == "LiteRT" else _onnx(content, threads, spin)
    except ImportError:
        package = "ai-edge-litert" if library == "LiteRT" else library
        raise UserError(f"{path.name} needs {library}: pip install {package}") from None
    except Exception as error:  # those of onnxruntime have no other base
        raise UserError(f"{library} cannot run {path}: {first_line(error)}") from error


def _onnx(content: bytes, threads: int, spin: bool) -> Backend:
    # Else version 1.32 sends events to Microsoft.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spin)))
    options.log_severity_level = 3  # errors only; they are raised as well
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, dict(inputs)), strict=True))


def _litert(content: bytes, threads: int) -> Backend:
    """Calls wait for each other: the interpreter keeps its tensors between them."""
    from ai_edge_litert.interpreter import Interpreter

    with quiet():  # it reports its XNNPACK delegate on stderr
        interpreter = Interpreter(model_content=content, num_threads=threads)
        # Before its first call a free size is 1x1 pixels, which some layers refuse.
        inputs = interpreter.get_input_details()
        allocated = all(-1 not in item["shape_signature"][1:] for item in inputs)
        if allocated:
            interpreter.allocate_tensors()
        runner: Any = interpreter.get_signature_runner()
    lock = threading.Lock()

    def run(inputs: Inputs) -> Mapping[str, np.ndarray]:
        nonlocal allocated
        with lock, contextlib.nullcontext() if allocated else quiet():  # as above
            outputs = runner(**inputs)
            allocated = True
        return outputs

    return run


def first_line(error: BaseException) -> str:
    """Returns the first line of an error's message, or its class if the message is empty."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
