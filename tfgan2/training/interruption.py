"""Ctrl-C and SIGTERM while training: finish the step, save, leave."""

from __future__ import annotations

import signal
import sys
from types import FrameType, TracebackType


class Interruption:
    """While the block runs, the first signal is noted; a second Ctrl-C stops at once.

    Attributes:
        signal: the number of the signal that came, or None.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, object] = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number
        print(
            f"\n{signal.Signals(number).name}: finishing this step, then saving "
            "(Ctrl-C again: leave without saving)",
            file=sys.stderr,
        )

    def __enter__(self) -> Interruption:
        for number in self.SIGNALS:
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
