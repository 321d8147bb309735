"""The progress of loading and training: a bar in a terminal or notebook, lines in a log file."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import timedelta
from importlib.util import find_spec
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_SLOW_SECONDS = 3.0
"""Loading that takes longer is reported in lines, too."""
_BAR_SECONDS = 0.1
"""Least time between two moves of the bar."""
_NOTABLE_SHARE = 0.05
"""A larger share of the time spent waiting for images is reported."""


class _Console(Console):
    """Goes on in silence if its reader is gone, so that a training is not lost for that."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())  # else Python complains when it exits
        os.close(nowhere)


class _TimeLeft(ProgressColumn):
    """The text of the task's field `left`; without it, the time at the speed of late."""

    def __init__(self) -> None:
        super().__init__()
        self._estimate = TimeRemainingColumn()

    def render(self, task: Task) -> Text:
        left = task.fields["left"]
        return Text(left, "progress.remaining") if left else self._estimate.render(task)


class Display:
    """Shows messages and progress; `loading` fits `load_dataset(progress=...)`.

    Attributes:
        alias: a folder, and the URL that messages name in its place.
    """

    def __init__(self, console: Console | None = None, *, quiet: bool = False) -> None:
        """Opens no bar yet; the default console is stdout, and `quiet` shows nothing."""
        self.console = console or _Console(soft_wrap=True, highlight=False)
        self.console.quiet = quiet
        notebook = self.console.is_jupyter and find_spec("ipywidgets") is not None
        self.has_bar = self.console.is_terminal or notebook
        self._bar: Progress | None = None
        self._text, self._since, self._shown = "", 0.0, 0
        self.alias = ("", "")

    def say(self, text: str) -> None:
        """Prints a line of its own, above the bar."""
        folder, url = self.alias
        text = text.replace(folder, url) if folder else text
        text = text.encode(errors="backslashreplace").decode()  # names that are not UTF-8
        self.console.print(text, markup=False)

    def loading(self, text: str, done: int, total: int) -> None:
        """Shows how far loading is."""
        if self.has_bar:
            self.move_bar(text, done, total)
            return
        if text != self._text:
            self._text, self._since, self._shown = text, time.monotonic(), 0
        tenth = done * 10 // max(total, 1)
        slow = time.monotonic() - self._since > _SLOW_SECONDS
        if (slow or total > 5000) and tenth > self._shown:
            self._shown = tenth
            self.say(f"{text}: {done:,} of {total:,}")

    def move_bar(
        self, text: str, done: int, total: int, *, left: str = "", facts: str = ""
    ) -> None:
        """Shows a bar between a text and facts, with the time left: that of the bar if empty."""
        if self._bar is None:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                _TimeLeft(),
                TextColumn("{task.fields[facts]}"),
                console=self.console,
                transient=True,
            )
            self._bar.add_task(text, completed=done, total=total, left=left, facts=facts)
            self._bar.start()
        now = time.monotonic()
        if text == self._text and done < total and now - self._since < _BAR_SECONDS:
            return
        self._text, self._since = text, now
        task = self._bar.task_ids[0]
        self._bar.update(
            task, description=text, completed=done, total=total, left=left, facts=facts
        )

    def close(self) -> None:
        """Removes the bar."""
        if self._bar is not None:
            self._bar.stop()
        self._bar, self._text = None, ""


def statistics_line(line: Mapping[str, Any], steps: int, overhead: float = 0.0) -> str:
    """One line about a line of statistics, of a training of so many steps.

    `overhead` is the time that all else takes over the time in steps.
    """
    text = f"step {line['step']}/{steps} | {losses(line)}"
    speed, share = line.get("images_per_second"), line.get("input_share", 0.0)
    if not speed:  # the step was compiled in this interval
        return text
    images = line["images"] // line["step"] * (steps - line["step"])
    waits = f", {share:.0%} of the time waiting for data" if share >= _NOTABLE_SHARE else ""
    return f"{text} | {speed:,.0f} images/s{waits} | {time_left(images, speed, overhead)} left"


def time_left(images: int, speed: float, overhead: float) -> str:
    """The time that training takes for more images, as h:mm:ss."""
    return str(timedelta(seconds=round(images / speed * (1 + overhead))))


def losses(metrics: Mapping[str, float]) -> str:
    """The losses by short names: "generator 0.693 discriminator 1.386"."""
    return " ".join(
        f"{name.removesuffix('_loss').replace('_', ' ')} {value:.3f}"
        for name, value in metrics.items()
        if name.endswith("loss")
    )
