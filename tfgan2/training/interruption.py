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


class Interruption:
    """Notes the first signal while the block of `noticed` runs; a second Ctrl-C stops at once.

    Attributes:
        signal: number of the signal, or None.
    """

    def __init__(self) -> None:
        self.signal: int | None = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number
        text = (
            f"\n{signal.Signals(number).name}: finishing this step, then saving "
            "(Ctrl-C again: leave without saving)\n"
        )
        # Not `print`: stderr may be closed by the same Ctrl-C, or in use at this moment.
        with contextlib.suppress(OSError):
            os.write(2, text.encode())


@contextlib.contextmanager
def noticed() -> Iterator[Interruption]:
    """Yields the `Interruption`; outside of the main thread Python allows no handlers."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.signal(number, interruption._note) for number in signals()}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
