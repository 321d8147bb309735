"""`report.html`: a run on one page, without other files or a network. Imports no TensorFlow."""

from __future__ import annotations

import base64
import io
import json
import shlex
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tfgan2 import runs
from tfgan2.command import command_text
from tfgan2.errors import UserError, warn
from tfgan2.evaluation.figures import FIGURES
from tfgan2.evaluation.result import read_results
from tfgan2.files import written_atomically
from tfgan2.images.files import open_grid
from tfgan2.training import stats

REPORT = "report.html"
MOST_GRIDS, MOST_POINTS = 40, 600
_QUALITY, _LONGEST_EDGE = 85, 16383
"""Quality of WebP, and the most pixels that its edges may have."""


class Report:
    """Renders the report of a run, again and again while it trains.

    Encoded grids are kept while the page shows them. `location` is the run's own if it is remote
    and `run_dir` its copy.
    """

    def __init__(self, run_dir: Path, location: str | None = None) -> None:
        self.run_dir, self.location = run_dir, location or str(run_dir)
        self._encoded: dict[Path, str] = {}

    def write(self) -> None:
        """Writes `report.html`, all or nothing; a UserError if the disk refuses."""
        with written_atomically(self.run_dir / REPORT) as partial:
            partial.write_bytes(encoded(self.render()))

    def render(self, *, live: bool = False) -> str:
        """Returns the page; a `live` one asks its server for changes.

        Raises:
            UserError: no such run, or its configuration is damaged.
        """
        import jinja2

        config = runs.RunConfig.read(self.run_dir)
        lines = stats.read(self.run_dir)
        last = {name: value for line in lines for name, value in line.items()}
        evaluations = self._evaluations()
        pages = jinja2.Environment(
            loader=jinja2.PackageLoader("tfgan2.report"), autoescape=True, trim_blocks=True
        )
        return pages.get_template("report.html.j2").render(
            name=self.run_dir.resolve().name,
            config=config,
            step=last.get("step", 0),
            last=last,
            written=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            command=command_text(config),
            resume=f"tfgan2 fit --resume {shlex.quote(self.location)}",
            data={"plots": plots(lines), "grids": self._grids()},
            reals=self._image(self.run_dir / "reals.png"),
            evaluations=evaluations,
            figures=[name for name in FIGURES if any(name in e["figures"] for e in evaluations)],
            titles={name: figure.title for name, figure in FIGURES.items()},
            exports=self._exports(),
            live=live,
        )

    def version(self) -> str:
        """Returns a text that changes when the run has written something that the page shows."""
        paths = [self.run_dir / "stats.jsonl", self.run_dir / "export" / "metadata.json"]
        paths += [self.run_dir / "samples", self.run_dir / "evaluation"]
        return " ".join(str(path.stat().st_mtime_ns) for path in paths if path.exists())

    def _grids(self) -> list[dict[str, Any]]:
        grids = dict(thinned(list(runs.sample_grids(self.run_dir).items()), MOST_GRIDS))
        shown = {*grids.values(), self.run_dir / "reals.png"}
        self._encoded = {path: text for path, text in self._encoded.items() if path in shown}
        images = {step: self._image(path) for step, path in grids.items()}
        return [{"step": step, "image": image} for step, image in images.items() if image]

    def _image(self, path: Path) -> str | None:
        """Returns an image as a data URL; None if it cannot be read."""
        if path not in self._encoded:
            content = io.BytesIO()
            try:
                image = open_grid(path)
                image.thumbnail((_LONGEST_EDGE, _LONGEST_EDGE))
                image.save(content, "WEBP", quality=_QUALITY)
            except Exception:  # a damaged grid must not stop the training
                return None
            text = base64.b64encode(content.getvalue()).decode()
            self._encoded[path] = f"data:image/webp;base64,{text}"
        return self._encoded[path]

    def _evaluations(self) -> list[dict[str, Any]]:
        try:
            results = read_results(self.run_dir)
        except UserError:  # damaged: `tfgan2 compare` says so
            return []
        return [
            {
                "step": result["who"].get("step"),
                "features": result["protocol"].get("features", {}).get("name", "points"),
                "protocol": result["protocol_id"],
                "figures": {
                    name: FIGURES[name].text(value)
                    for name, value in result["figures"].items()
                    if name in FIGURES
                },
            }
            for result in results
        ]

    def _exports(self) -> list[dict[str, Any]]:
        try:
            metadata = json.loads((self.run_dir / "export" / "metadata.json").read_text("utf-8"))
            return [dict(each) for each in metadata["artefacts"]]
        except (OSError, ValueError, KeyError, TypeError):
            return []


def encoded(page: str) -> bytes:
    """Returns a page in UTF-8; bytes of file names that are not UTF-8 are escaped."""
    return page.encode(errors="backslashreplace")


def renew(run_dir: Path, out: Path) -> None:
    """Writes the report of a run anew if it has one and results went into the run, to `out`.

    Warns if that fails: the results are written.
    """
    if (run_dir / REPORT).is_file() and out.resolve().is_relative_to(run_dir.resolve()):
        try:
            Report(run_dir).write()
        except UserError as error:
            warn(f"the report does not show the new results: {error}")


def thinned(items: Sequence[Any], most: int) -> list[Any]:
    """Returns every item, or every second, fourth, … so that at most `most` remain, and the last.

    As items are added, those taken before are mostly taken again.
    """
    stride = 1
    while -(-len(items) // stride) > most:
        stride *= 2
    taken = list(items[::stride])
    return taken if not items or taken[-1] is items[-1] else [*taken, items[-1]]


def plots(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the curves in groups of one scale: {"title", "curves": {name: [[step, value]]}}."""
    groups = stats.groups(stats.curves(lines))
    speed = [
        [line["step"], line["images_per_second"]] for line in lines if "images_per_second" in line
    ]
    shown = [
        {
            "title": title,
            "curves": {name: thinned(curves[name], MOST_POINTS) for name in curves},
        }
        for title, curves in groups
    ]
    if speed:
        curve = {"images per second": thinned(speed, MOST_POINTS)}
        shown.append({"title": "images per second", "curves": curve})
    return shown
