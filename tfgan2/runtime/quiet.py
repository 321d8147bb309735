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

LOGGERS = ("tensorflow", "absl", "tf2onnx", "onnxruntime")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hides everything written to stdout and stderr, by C++ code, too.

    An error other than a UserError shows the hidden text, which may name the cause. The redirection
    applies to the whole process, not the thread: keep the block short, and print nothing in it.
    """
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    _flush()
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(tempfile.TemporaryFile())
        saved: dict[int, int] = {}
        for descriptor in (1, 2):
            with contextlib.suppress(OSError):  # closed: nothing can be written there anyway
                saved[descriptor] = os.dup(descriptor)
                os.dup2(sink.fileno(), descriptor)
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        for name in LOGGERS:
            logging.getLogger(name).setLevel(logging.ERROR)
        hidden = b""
        try:
            yield
        except UserError:
            raise
        except Exception:
            sink.seek(0)
            hidden = sink.read()
            raise
        finally:
            _flush()
            for descriptor, copy in saved.items():
                os.dup2(copy, descriptor)
                os.close(copy)
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
            if hidden and sys.stderr is not None:
                sys.stderr.write(hidden.decode(errors="replace"))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
