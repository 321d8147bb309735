"""Signals while training: the current step is finished, then a checkpoint is saved."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType


def signals() -> list[signal.Signals]:
    """The signals that stop a training; SIGHUP is left out if `nohup` ignores it."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    return numbers


@contextlib.contextmanager
def noticed() -> Iterator[list[int]]:
    """Yields the numbers of the signals that have come; a second Ctrl-C is a KeyboardInterrupt.

    Python notices signals between calls into TensorFlow, and equal ones within one call once.
    Outside of the main thread Python allows no handlers, and the list stays empty.
    """
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if received and number == signal.SIGINT:
            raise KeyboardInterrupt
        received.append(number)
        text = (
            f"\n{signal.Signals(number).name}: finishing this step, then saving "
            "(Ctrl-C again: leave without saving)\n"
        )
        # Not `print`: stderr may be closed by the same Ctrl-C, or in use at this moment.
        with contextlib.suppress(OSError):
            os.write(2, text.encode())

    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, note) for number in signals() if main}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
