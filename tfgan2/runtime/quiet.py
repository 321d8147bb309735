"""Keeping the chatter of C++ libraries off the terminal."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator

from tfgan2.errors import UserError

CHATTY_LOGGERS = ("tensorflow", "absl", "tf2onnx", "onnxruntime")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Holds back everything that is written to stdout and stderr, by C++ code, too.

    An error that is not the user's brings the text out again, since it may tell the cause. The
    redirection is the process's, not the thread's: keep the block short, and print nothing in it.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    levels = {name: logging.getLogger(name).level for name in CHATTY_LOGGERS}
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(tempfile.TemporaryFile())
        saved: dict[int, int] = {}
        for descriptor in (1, 2):
            with contextlib.suppress(OSError):  # closed: nothing can be written there anyway
                saved[descriptor] = os.dup(descriptor)
                os.dup2(sink.fileno(), descriptor)
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        for name in CHATTY_LOGGERS:
            logging.getLogger(name).setLevel(logging.ERROR)
        held_back = b""
        try:
            yield
        except Exception as error:
            if not isinstance(error, UserError):
                sink.seek(0)
                held_back = sink.read()
            raise
        finally:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
            for descriptor, copy in saved.items():
                os.dup2(copy, descriptor)
                os.close(copy)
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
            if held_back and sys.stderr is not None:
                sys.stderr.write(held_back.decode(errors="replace"))
