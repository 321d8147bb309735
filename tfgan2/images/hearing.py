"""Collects what Pillow and libtiff say while a thread reads an image, so its file can be named.

Pillow warns through `warnings` and `logging`, which know no file, and libtiff writes to the
process's stderr. All three are redirected only while at least one thread reads, and only what
reading threads cause is collected.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import threading
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from functools import cache
from typing import Any

from PIL import Image

_collected: ContextVar[list[str] | None] = ContextVar("collected", default=None)
_lock = threading.Lock()
_logger = logging.getLogger("PIL")
_readers = 0
_python_warn: Any = warnings.warn
_libtiff_handler: Any = None


@contextlib.contextmanager
def hearing() -> Iterator[list[str]]:
    """Collects the messages that this thread causes in the block, each once and in one line.

    A block within another adds its messages to those of the outer one.
    """
    global _readers
    outer, messages = _collected.get(), []  # type: ignore[var-annotated]
    with _lock:
        if not _readers:
            _redirect()
        _readers += 1
    token = _collected.set(messages)
    try:
        yield messages
    finally:
        _collected.reset(token)
        with _lock:
            _readers -= 1
            if not _readers:
                _restore()
        if outer is not None:
            outer += [message for message in messages if message not in outer]


def in_one_line(message: object) -> str:
    """Returns a message, or an error, in one line without a full stop."""
    return " ".join(str(message).split()).rstrip(".")


def _collect(message: object) -> bool:
    """Returns whether this thread is reading an image, to which the message then belongs."""
    messages = _collected.get()
    if messages is not None and (text := in_one_line(message)) not in messages:
        messages.append(text)
    return messages is not None


def _redirect() -> None:
    # `warnings.catch_warnings` is not for threads: one that ends while another is open restores
    # filters and output of the wrong moment. No code but this replaces `warn` itself.
    global _libtiff_handler
    if warnings.warn is _python_warn:  # else other code has replaced it, and keeps it
        warnings.warn = _warn
    _logger.addHandler(_HANDLER)
    if (libtiff := _libtiff()) is not None:
        set_handler, handler = libtiff
        _libtiff_handler = set_handler(handler)


def _restore() -> None:
    if warnings.warn is _warn:
        warnings.warn = _python_warn
    _logger.removeHandler(_HANDLER)
    if (libtiff := _libtiff()) is not None:
        libtiff[0](_libtiff_handler)


def _warn(message: Any, category: Any = None, stacklevel: int = 1, *rest: Any, **more: Any) -> None:
    kind = type(message) if isinstance(message, Warning) else category or UserWarning
    about_code = issubclass(kind, (DeprecationWarning, PendingDeprecationWarning))
    if about_code or not _collect(message):
        _python_warn(message, category, stacklevel + 1, *rest, **more)


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _collect(record.getMessage())


_HANDLER = _Handler(logging.WARNING)


@cache
def _libtiff() -> tuple[Any, Any] | None:
    """Returns the function that sets libtiff's error handler, and the handler that collects.

    None where libtiff cannot be reached, as on Windows: its lines then go to stderr.
    """
    try:
        set_handler = ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler
        vsnprintf = ctypes.CDLL(None).vsnprintf
    except (OSError, AttributeError, TypeError):
        return None
    set_handler.restype = ctypes.c_void_p
    set_handler.argtypes = [ctypes.c_void_p]
    vsnprintf.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_void_p]

    # A va_list is a pointer, or passed as one, on all platforms that have wheels of Pillow.
    @ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)
    def handler(module: bytes, form: bytes, values: int) -> None:
        text = ctypes.create_string_buffer(500)
        vsnprintf(text, len(text), form, values)
        _collect(text.value.decode(errors="replace"))

    return set_handler, handler  # cached, since only the handler's address goes to C
