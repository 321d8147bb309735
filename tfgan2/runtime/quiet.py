"""Keeps messages of C++ libraries off the terminal."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator

from tfgan2.errors import UserError

LOGGERS = ("tensorflow", "absl", "tf2onnx", "onnxruntime", "coremltools")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hides everything written to stdout and stderr, by C++ code, too.

    An error other than a UserError shows the hidden text, which may name the cause. The redirection
    applies to the whole process, not the thread: keep the block short, and print nothing in it.
    """
    with tempfile.TemporaryFile() as sink:
        try:
            with contextlib.ExitStack() as stack:
                for name in LOGGERS:
                    logger = logging.getLogger(name)
                    stack.callback(logger.setLevel, logger.level)
                    logger.setLevel(logging.ERROR)
                stack.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore")
                _flush()
                for descriptor in (1, 2):
                    with contextlib.suppress(OSError):  # closed: nothing can be written there
                        copy = os.dup(descriptor)
                        stack.callback(os.close, copy)
                        stack.callback(os.dup2, copy, descriptor)
                        os.dup2(sink.fileno(), descriptor)
                stack.callback(_flush)
                yield
        except UserError:
            raise
        except Exception:
            sink.seek(0)
            if sys.stderr is not None:
                sys.stderr.write(sink.read().decode(errors="replace"))
            raise


def _flush() -> None:
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()
