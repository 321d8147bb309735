"""Ctrl-C, SIGTERM and a closed terminal while training: finish the step, save, leave."""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType, TracebackType


def signals() -> list[signal.Signals]:
    """Those that ask to leave; not that of a closed terminal where `nohup` has it ignored."""
    found = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        found.append(signal.SIGHUP)
    return found


class Interruption:
    """While the block runs, the first signal is noted; a second Ctrl-C stops at once.

    Attributes:
        signal: the number of the signal that came, or None.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, object] = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number
        text = (
            f"\n{signal.Signals(number).name}: finishing this step, then saving "
            "(Ctrl-C again: leave without saving)\n"
        )
        # Not by `print`: who reads it may be gone by the same Ctrl-C, or be written to just now.
        with contextlib.suppress(OSError):
            os.write(2, text.encode())

    def __enter__(self) -> Interruption:
        for number in signals():
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
