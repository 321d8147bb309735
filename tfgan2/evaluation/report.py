"""What an evaluation leaves behind: JSON for programs, a page with pictures for people."""

from __future__ import annotations

import html
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgan2.errors import UserError
from tfgan2.evaluation.figures import FIGURES
from tfgan2.files import written_atomically
from tfgan2.images import save_grid

if TYPE_CHECKING:
    from tfgan2.evaluation.evaluate import Evaluation

RESULT_FILE = "result.json"
FORMAT = 1


def folder_of(run: Path, found: Evaluation) -> Path:
    """Where a result of a run goes if nobody says; its `who` tells the step."""
    return run / "evaluation" / f"step-{found.who['step']:07d}-{name_of(found)}"


def name_of(found: Evaluation) -> str:
    """What tells results of one thing apart: features and protocol."""
    features = found.protocol.get("features", {}).get("name", "points")
    return f"{features}-{found.protocol_id}"


def check_place(folder: Path) -> None:
    """Raises a UserError unless a result may stand there; an earlier one may be replaced."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"--out {folder} is a file: give a folder's name")
    others = [
        path.name
        for path in folder.iterdir()
        if path.name not in (RESULT_FILE, "index.html") and path.suffix != ".png"
    ]
    if any(folder.iterdir()) and (others or _earlier(folder) is None):
        raise UserError(f"--out {folder} exists and is no result: choose another name")


def _earlier(folder: Path) -> dict[str, Any] | None:
    """The result in a folder, None where there is none."""
    try:
        result = json.loads((folder / RESULT_FILE).read_text(encoding="utf-8"))
        return result if result["tfgan2_evaluation"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(
    folder: Path,
    result: Mapping[str, Any],
    pictures: Mapping[str, tuple[np.ndarray, int | None, str]],
) -> None:
    """Writes `result.json`, `index.html` and the pictures, all or nothing.

    What an earlier result of the same protocol and the same samples has besides is kept: it was
    made by asking for other metrics.

    Args:
        folder: the final name; one that stands there is replaced.
        result: of `Evaluation.to_json`.
        pictures: images in [-1, 1], shape (N, H, W, C), columns and a caption, by name.

    Raises:
        OSError: the disk refuses.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    earlier = _earlier(folder) or {}
    same = all(earlier.get(key) == result[key] for key in ("who", "protocol_id"))
    captions = {name: caption for name, (_, _, caption) in pictures.items()}
    if same:
        figures = {**earlier["figures"], **result["figures"]}
        result = {**result, "figures": {name: figures[name] for name in FIGURES if name in figures}}
        captions = {**earlier.get("pictures", {}), **captions}
    result = {**result, "pictures": captions}
    with written_atomically(folder) as partial:
        partial.mkdir()
        for name in captions.keys() - pictures.keys():
            shutil.copyfile(folder / f"{name}.png", partial / f"{name}.png")
        text = json.dumps(result, indent=2) + "\n"
        (partial / RESULT_FILE).write_text(text, encoding="utf-8")
        for name, (images, columns, _) in pictures.items():
            save_grid(partial / f"{name}.png", images, columns=columns)
        (partial / "index.html").write_text(page(result, captions), encoding="utf-8")


def read_all(run: Path) -> list[dict[str, Any]]:
    """The results in a run's `evaluation/`, by step, then by name.

    Raises:
        UserError: one is damaged.
    """
    results = []
    for path in sorted((run / "evaluation").glob(f"*/{RESULT_FILE}")):
        if path.parent.name.startswith("."):
            continue  # being written, or left by a process that was killed meanwhile
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
            if result["tfgan2_evaluation"] != FORMAT:
                continue
            results.append((result["who"].get("step", 0), path.parent.name, result))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path} is damaged: remove its folder, or evaluate again") from error
    return [result for _, _, result in sorted(results, key=lambda item: item[:2])]


_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
td, th { padding: .3rem 1rem .3rem 0; text-align: left; border-bottom: 1px solid #8884;
  vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
img { max-width: 100%; image-rendering: pixelated; border: 1px solid #8884; }
figure { margin: 1.5rem 0; }
figcaption { color: #888; }
code { font-size: .9em; }
"""


def page(result: Mapping[str, Any], captions: Mapping[str, str]) -> str:
    """A page about a result; the pictures lie beside it.

    Args:
        result: of `Evaluation.to_json`.
        captions: of the pictures, by name.
    """
    who = result["who"]
    named = who.get("flavour") or who.get("folder") or who.get("file")
    title = f"{named} at step {who['step']:,}" if "step" in who else str(named)
    figures = "".join(
        f"<tr><td>{html.escape(FIGURES[name].title)}</td>"
        f'<td class="number">{FIGURES[name].text(value)}</td>'
        f"<td>{html.escape(FIGURES[name].meaning)}</td></tr>"
        for name, value in result["figures"].items()
    )
    shown = "".join(
        f'<figure><img src="{html.escape(name)}.png" alt="{html.escape(caption)}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        for name, caption in captions.items()
    )
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>{_STYLE}</style>
<h1>{html.escape(title)}</h1>
<table><tr><th>figure</th><th>value</th><th>what it says</th></tr>{figures}</table>
{shown}
<h2>Protocol <code>{result["protocol_id"]}</code></h2>
<p>Figures of another protocol cannot be compared with these.</p>
<table>{_rows(result["protocol"])}</table>
<h2>What was judged</h2>
<table>{_rows(who)}</table>
</html>
"""


def _rows(content: Mapping[str, Any], prefix: str = "") -> str:
    rows = []
    for name, value in content.items():
        called = f"{prefix}{name.replace('_', ' ')}"
        if isinstance(value, Mapping):
            rows.append(_rows(value, f"{called}: "))
        elif value not in ("", None):
            rows.append(
                f"<tr><td>{html.escape(called)}</td><td>{html.escape(str(value))}</td></tr>"
            )
    return "".join(rows)
