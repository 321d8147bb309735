"""What a person sees while a run trains: a bar in a terminal, lines in a log."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

_SLOW = 3.0
"""Seconds after which a log is told how far something is."""

_WORTH_TELLING = 0.05
"""Share of the time spent waiting for images from which on a log tells it."""


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


class _Console(Console):
    """Goes on in silence when who reads it has gone: a training is not lost for that."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())  # or Python complains when it leaves
        os.close(nowhere)


class Display:
    """Shows the progress of a run; also that of loading data, through `loading`."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or _Console(soft_wrap=True, highlight=False)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._loading: TaskID | None = None
        self._text, self._since, self._shown = "", 0.0, 0
        self._alias = ("", "")

    def called(self, folder: Path, url: str) -> None:
        """From here on a folder is shown as the remote place that gets a copy of it."""
        self._alias = (str(folder), url)

    def quiet(self) -> None:
        """From here on nothing is shown: another process shows it."""
        self.console.quiet = True

    def say(self, text: str) -> None:
        """A line of its own, above the bar where there is one."""
        folder, url = self._alias
        self.console.print(text.replace(folder, url) if folder else text, markup=False)

    # --- loading data ----------------------------------------------------------------------------

    def loading(self, text: str, done: int, total: int) -> None:
        """Progress of loading; for `load_dataset(progress=...)`."""
        if not self.console.is_terminal:
            if text != self._text:
                self._text, self._since, self._shown = text, time.monotonic(), 0
            tenth = done * 10 // max(total, 1)
            slow = time.monotonic() - self._since > _SLOW
            if (slow or total > 5000) and tenth > self._shown:
                self._shown = tenth
                self.say(f"{text}: {done:,} of {total:,}")
            return
        if self._bar is None:
            self._start()
        assert self._bar is not None
        if self._loading is None:
            self._loading = self._bar.add_task(text, total=total, facts="")
        self._bar.update(self._loading, description=text, completed=done, total=total)

    def loaded(self) -> None:
        """Loading has ended: its bar goes."""
        self._text = ""
        if self._bar is not None:
            self._bar.stop()
        self._bar = self._loading = None

    # --- training --------------------------------------------------------------------------------

    def _start(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[facts]}"),
            console=self.console,
            transient=True,
        )
        self._bar.start()

    def training(self, done: int, total: int) -> Display:
        """To be used in a `with`: the bar stands from here to the end of the block."""
        if self.console.is_terminal:
            self._start()
            assert self._bar is not None
            self._task = self._bar.add_task("compiling", total=total, completed=done, facts="")
        else:
            self.say("compiling the training step")
        return self

    def __enter__(self) -> Display:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._bar = self._task = None

    def step(self, step: int, metrics: Mapping[str, float], images_per_second: float) -> None:
        """After every step: moves the bar."""
        if self._bar is None or self._task is None:
            return
        facts = " ".join(f"{_short(k)} {v:.3f}" for k, v in metrics.items() if k.endswith("loss"))
        facts += f" {images_per_second:,.0f} img/s" if images_per_second else ""
        self._bar.update(self._task, description="training", completed=step, facts=facts)

    def line(self, line: Mapping[str, Any], total: int) -> None:
        """After every log interval: a line where there is no terminal."""
        if self._bar is not None:
            return
        speed = line["images_per_second"]
        images = line["images"] // line["step"] * (total - line["step"])
        facts = " ".join(f"{_short(k)} {v:.3f}" for k, v in line.items() if k.endswith("loss"))
        left = f" | {_duration(images / speed)} left" if speed else ""
        share = line["input_share"]
        waits = f", {share:.0%} of the time waiting for data" if share >= _WORTH_TELLING else ""
        self.say(f"step {line['step']}/{total} | {facts} | {speed:,.0f} images/s{waits}{left}")

    def evaluated(
        self,
        step: int,
        prefix: str,
        figures: Mapping[str, float],
        seconds: float,
        *,
        best: bool,
    ) -> None:
        """After every evaluation: a line.

        Args:
            step: updates done.
            prefix: names the features.
            figures: by name.
            seconds: that it took.
            best: whether the checkpoint is the best so far.
        """
        named = {name.replace("_", " "): value for name, value in figures.items()}
        values = " ".join(f"{name} {value:.4g}" for name, value in named.items())
        kept = " | best so far" if best else ""
        self.say(f"step {step} | {prefix} {values} | {seconds:.0f} s{kept}")


def _short(name: str) -> str:
    """generator_loss -> generator."""
    return name.removesuffix("_loss").replace("_", " ")
