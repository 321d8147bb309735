"""The result of an evaluation, and its directory: JSON for programs, a page for people."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfgan2 import runs
from tfgan2.errors import UserError
from tfgan2.evaluation.figures import FIGURES
from tfgan2.files import written_atomically
from tfgan2.images import save_grid

RESULT_FILE = "result.json"
FORMAT = 2
_NAMES = ("dataset", "split", "part")
"""Of the real images, which a protocol knows by their content; points have none."""


class Sheet(NamedTuple):
    """Images for the page, in [-1, 1], shape (N, H, W, C), or points; columns of their grid."""

    images: np.ndarray
    columns: int | None
    caption: str


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation.

    Attributes:
        figures: by the names of `FIGURES`.
        protocol: everything that figures must share to be comparable; JSON.
        about: what was evaluated: run, flavour, step, weights and so on; JSON.
        sheets: images for the page, by name.
        by_class: figures of each class, "fid" and "label_accuracy", where they were computed.
    """

    figures: dict[str, float]
    protocol: dict[str, Any]
    about: dict[str, Any]
    sheets: dict[str, Sheet]
    by_class: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def protocol_id(self) -> str:
        """8 hexadecimal digits, equal for equal protocols, whatever the real images are called."""
        reference = self.protocol["reference"]
        if "content" in reference:
            reference = {key: value for key, value in reference.items() if key not in _NAMES}
        text = json.dumps({**self.protocol, "reference": reference}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def write(self, directory: Path) -> None:
        """Writes `result.json`, `index.html` and the images, all or nothing.

        An earlier result in the directory is replaced. If it has the same protocol and evaluated
        the same thing, its other figures and images are kept. Files of others are kept, too.

        Raises:
            UserError: the directory cannot be written.
        """
        figures, captions = self.figures, {name: each.caption for name, each in self.sheets.items()}
        by_class, earlier = self.by_class, _read(directory) or {}
        if (earlier.get("who"), earlier.get("protocol_id")) == (self.about, self.protocol_id):
            figures = {**earlier["figures"], **figures}
            figures = {name: figures[name] for name in FIGURES if name in figures}
            captions = {**earlier.get("pictures", {}), **captions}
            before = earlier.get("by_class", {})
            names = dict.fromkeys((*before, *by_class))
            by_class = {name: before.get(name, {}) | by_class.get(name, {}) for name in names}
        result = {"tfgan2_evaluation": FORMAT, "who": self.about, "figures": figures}
        result |= {"protocol_id": self.protocol_id, "protocol": self.protocol, "pictures": captions}
        result |= {"by_class": by_class} if by_class else {}
        with written_atomically(directory, parents=True) as partial:
            partial.mkdir()
            own = [RESULT_FILE, "index.html", *map("{}.png".format, earlier.get("pictures", {}))]
            for path in directory.iterdir() if earlier else ():
                if path.is_file() and path.name not in own:
                    shutil.copyfile(path, partial / path.name)
            for name in captions.keys() - self.sheets.keys():
                shutil.copyfile(directory / f"{name}.png", partial / f"{name}.png")
            for name, (images, columns, _) in self.sheets.items():
                save_grid(partial / f"{name}.png", images, columns=columns)
            text = json.dumps(result, indent=2) + "\n"
            (partial / RESULT_FILE).write_text(text, encoding="utf-8")
            (partial / "index.html").write_bytes(_page(result).encode(errors="backslashreplace"))


def protocol_title(protocol: dict[str, Any]) -> str:
    """Returns the features, the reference and the samples of a protocol in a line."""
    reference, samples = protocol["reference"], protocol["samples"]
    features, about = protocol.get("features"), (*_NAMES, "size")
    parts = [
        f"{features['name']} features" if features else "modes",
        " ".join(str(reference[key]) for key in about if reference.get(key)),
        f"{reference['images']:,} real images" if "images" in reference else "",
        f"{samples['images']:,} samples",
        f"seed {samples['seed']}" if "seed" in samples else "",
    ]
    return ", ".join(filter(None, parts))


def result_dir(source: Path, evaluation: Evaluation) -> Path:
    """Returns where a result goes by default: into the run, or `evaluation/` in this directory."""
    features = evaluation.protocol.get("features", {}).get("name", "points")
    suffix = f"{features}-{evaluation.protocol_id}"
    if runs.is_run(source):
        return source / "evaluation" / f"step-{evaluation.about['step']:07d}-{suffix}"
    path = source.resolve()
    name = re.sub(r"[^A-Za-z0-9_]+", "-", path.name)
    # Sources of one name in different directories get different results.
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:6]
    return Path("evaluation").absolute() / f"{name}-{digest}-{suffix}"


def check_result_dir(directory: Path) -> None:
    """Raises a UserError unless a result may be written there; it may replace an earlier one."""
    if directory.exists() and not directory.is_dir():
        raise UserError(f"--out '{directory}' is a file: give a directory")
    files = list(directory.iterdir()) if directory.exists() else []
    ours = all(file.suffix == ".png" or file.name in (RESULT_FILE, "index.html") for file in files)
    if files and not (ours and _read(directory)):
        raise UserError(
            f"--out '{directory}' is not empty and holds no result: choose another directory"
        )


def read_results(run_dir: Path) -> list[dict[str, Any]]:
    """Returns the content of all `result.json` in a run's `evaluation/`, by step, then by name.

    Raises:
        UserError: one is damaged.
    """
    results = []
    for path in sorted((run_dir / "evaluation").glob(f"*/{RESULT_FILE}")):
        if path.parent.name.startswith("."):
            continue  # being written, or left by a killed process
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
            if result["tfgan2_evaluation"] == FORMAT:
                results.append((result["who"].get("step", 0), path.parent.name, result))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"'{path}' is damaged: remove its directory or evaluate again"
            ) from error
    return [result for _, _, result in sorted(results, key=lambda item: item[:2])]


def _read(directory: Path) -> dict[str, Any] | None:
    """The content of a result of this format, or None if there is none."""
    try:
        result = json.loads((directory / RESULT_FILE).read_text(encoding="utf-8"))
        return result if result["tfgan2_evaluation"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _page(result: dict[str, Any]) -> str:
    import jinja2

    who = result["who"]
    name = who.get("flavour") or who.get("folder") or who.get("file")
    title = f"{name} at step {who['step']:,}" if "step" in who else str(name)
    pages = jinja2.Environment(loader=jinja2.PackageLoader("tfgan2.evaluation"), autoescape=True)
    page = pages.get_template("index.html.j2")
    return page.render(title=title, result=result, figures=FIGURES)
