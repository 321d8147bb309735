"""The progress of loading and training: a bar in a terminal, lines in a notebook or a log file."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
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

_SLOW_SECONDS = 3.0
"""Loading that takes longer is reported in lines, too."""
_NOTABLE_SHARE = 0.05
"""A larger share of the time spent waiting for images is reported."""


class _Console(Console):
    """Goes on in silence if its reader is gone, so that a training is not lost for that."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())  # else Python complains when it exits
        os.close(nowhere)


class Display:
    """Shows messages and progress; `loading` fits `load_dataset(progress=...)`."""

    def __init__(self, console: Console | None = None, *, quiet: bool = False) -> None:
        """Opens no bar yet.

        Args:
            console: default: stdout.
            quiet: show nothing.
        """
        self.console = console or _Console(soft_wrap=True, highlight=False)
        self.console.quiet = quiet
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._loading: TaskID | None = None
        self._text, self._since, self._shown = "", 0.0, 0
        self._alias = ("", "")

    def show_as(self, folder: Path, url: str) -> None:
        """From now on shows a folder as the remote directory that it is copied to."""
        self._alias = (str(folder), url)

    def say(self, text: str) -> None:
        """Prints a line of its own, above the bar."""
        folder, url = self._alias
        self.console.print(text.replace(folder, url) if folder else text, markup=False)

    def _start_bar(self) -> Progress:
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
        return self._bar

    def close(self) -> None:
        """Removes the bar."""
        if self._bar is not None:
            self._bar.stop()
        self._bar = self._task = self._loading = None
        self._text = ""

    # --- loading data ----------------------------------------------------------------------------

    def loading(self, text: str, done: int, total: int) -> None:
        """Shows how far loading is."""
        if not self.console.is_terminal:
            self._loading_line(text, done, total)
            return
        bar = self._bar or self._start_bar()
        if self._loading is None:
            self._loading = bar.add_task(text, total=total, facts="")
        bar.update(self._loading, description=text, completed=done, total=total)

    def _loading_line(self, text: str, done: int, total: int) -> None:
        if text != self._text:
            self._text, self._since, self._shown = text, time.monotonic(), 0
        tenth = done * 10 // max(total, 1)
        slow = time.monotonic() - self._since > _SLOW_SECONDS
        if (slow or total > 5000) and tenth > self._shown:
            self._shown = tenth
            self.say(f"{text}: {done:,} of {total:,}")

    def loaded(self) -> None:
        """Ends what `loading` shows."""
        self.close()

    # --- training --------------------------------------------------------------------------------

    def start_training(self, done: int, total: int) -> None:
        """Shows the bar, or says that the step is being compiled."""
        if self.console.is_terminal:
            bar = self._start_bar()
            self._task = bar.add_task("compiling", total=total, completed=done, facts="")
        else:
            self.say("compiling the training step")

    def step(self, step: int, metrics: Mapping[str, float], images_per_second: float) -> None:
        """Moves the bar; to be called after every step."""
        if self._bar is None or self._task is None:
            return
        facts = _losses(metrics)
        facts += f" {images_per_second:,.0f} img/s" if images_per_second else ""
        self._bar.update(self._task, description="training", completed=step, facts=facts)

    def line(self, line: Mapping[str, Any], total: int) -> None:
        """Prints a line of statistics if there is no bar."""
        if self._bar is not None:
            return
        speed = line["images_per_second"]
        images = line["images"] // line["step"] * (total - line["step"])
        left = f" | {_duration(images / speed)} left" if speed else ""
        share = line.get("input_share", 0.0)
        waits = f", {share:.0%} of the time waiting for data" if share >= _NOTABLE_SHARE else ""
        self.say(
            f"step {line['step']}/{total} | {_losses(line)} | {speed:,.0f} images/s{waits}{left}"
        )


def _losses(metrics: Mapping[str, float]) -> str:
    """The losses by short names: "generator 0.693 discriminator 1.386"."""
    return " ".join(
        f"{name.removesuffix('_loss').replace('_', ' ')} {value:.3f}"
        for name, value in metrics.items()
        if name.endswith("loss")
    )


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
