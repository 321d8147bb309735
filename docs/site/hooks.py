"""What MkDocs needs beyond the pages of docs/: generated pages, and links that leave the folder.

The command reference comes from the commands themselves, the gallery from the results of
benchmarks/study.py, the pages of the notebooks from docs/notebooks, the start page and others from
files of the repository.
"""

from __future__ import annotations

import json
import posixpath
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import click
from mkdocs.structure.files import File, Files
from typer.cli import get_docs_for_click
from typer.main import get_command

from tfgan2 import registry
from tfgan2.cli import make_app

HERE = Path(__file__).resolve().parents[2]
RESULTS = HERE / "docs/results/study"
OTHERS = ("translation", "distilled")
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "tfgan2/shipped/digits/README.md": "digits.md",
}
"""Files outside docs/ that are pages of the site, or become them when a page links to them."""
_LINK = re.compile(r"(\]\()([^)#\s]+)(#[^)\s]*)?(\))")
_IN_DOCS = re.compile(r"\]\(https://github\.com/[^/)]+/tfgan2/blob/main/docs/([^)#]+)")
_BADGE = re.compile(r"\[!\[(Open in Colab)\]\([^)]+\)\](\([^)]+\))")
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


def on_files(files: Files, config: Any) -> Files:
    """Adds the generated pages, and the files outside docs/ that pages link to."""
    generated = {"commands.md": commands(), "gallery.md": gallery()}
    for source, name in PAGES.items():
        if (HERE / source).exists() and (source in _LINKED or name in _IN_NAV):
            text = (HERE / source).read_text("utf-8")
            generated[name] = relinked(_FRONT_MATTER.sub("", text), source, name)
    for path in sorted((HERE / "docs/notebooks").glob("*.ipynb")):
        text, images = notebook(path)
        generated[f"notebooks/{path.stem}.md"] = text
        for name, content in images.items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    for name, text in generated.items():
        files.append(File.generated(config, name, content=text))
    for source in sorted(_LINKED - PAGES.keys()):
        name = f"files/{source}"
        files.append(File.generated(config, name, abs_src_path=str(HERE / source)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Points links that leave docs/ to the pages and files that stand for their targets."""
    if page.file.generated_by:
        return markdown
    return relinked(markdown, f"docs/{page.file.src_uri}", page.file.src_uri)


def relinked(markdown: str, source: str, name: str) -> str:
    """Returns the text of the file `source` with links as the page `name` needs them."""

    def link(match: re.Match[str]) -> str:
        before, target, anchor, after = match.groups()
        if re.match(r"[a-z]+:", target):
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        inside = path.removeprefix("docs/") if path.startswith("docs/") else None
        inside = inside and _page(inside)
        to = inside or PAGES.get(path) or f"files/{path}"
        to = posixpath.relpath(to, posixpath.dirname(name) or ".")
        return f"{before}{to}{anchor or ''}{after}"

    return _LINK.sub(link, markdown)


def _linked() -> set[str]:
    """Files outside docs/ that the pages link to."""
    found = set()
    for path in [*(HERE / "docs").rglob("*.md"), *(HERE / each for each in _IN_NAV.values())]:
        folder = path.relative_to(HERE).parent.as_posix()
        for _, target, _, _ in _LINK.findall(path.read_text("utf-8")):
            source = posixpath.normpath(posixpath.join(folder, target))
            if not source.startswith(("docs/", "..")) and (HERE / source).is_file():
                found.add(source)
    return found


_IN_NAV = {page: source for source, page in PAGES.items() if "/" not in source}
_LINKED = _linked()


# --- generated pages ----------------------------------------------------------------------------


def commands() -> str:
    """The reference of all commands, from their declarations."""
    command = get_command(make_app([]))
    text = get_docs_for_click(obj=command, ctx=click.Context(command), name="tfgan2")
    text = re.sub(r"\*\*Commands\*\*:.*?(?=^## )", "", text, flags=re.DOTALL | re.MULTILINE)
    return text.replace("# `tfgan2`", "# Commands", 1)


def gallery() -> str:
    """Returns a grid of every flavour, with the command, the minutes and the figures."""
    cells: dict[str, list[str]] = {name: [] for name in registry.FLAVOURS}
    datasets = ("mnist", "faces", "cifar10", "stacked_mnist")
    for dataset in datasets:
        for path in sorted((RESULTS / dataset).glob("*-1.json")):
            cell = json.loads(path.read_text("utf-8"))
            flavour = cell["command"].split()[2]
            cells[flavour] += _result(cell, path.with_suffix(".png"))
    for path in sorted(p for name in OTHERS for p in (HERE / "docs/results" / name).glob("*.json")):
        cells[path.stem.split("-")[0]] += _other(path)
    without = [f"`{name}`" for name, lines in cells.items() if not lines]
    sections = (
        [f"## {name}", "", registry.summary(name), "", *lines]
        for name, lines in cells.items()
        if lines
    )
    lines = [
        "# Gallery",
        "",
        "Samples of each flavour as they came out, with the command that trains it, on cores of an",
        "AMD EPYC. [Results](results.md) compares them. Figures of different datasets or features",
        "cannot be compared; [benchmarks](benchmarks.md#images-from-images-and-sentences) explains",
        "those of flavours that take images or sentences, [distill](distill.md) those of students.",
        *([f"Not in this study: {', '.join(without)}."] if without else []),
        "",
    ]
    return "\n".join([*lines, *(line for section in sections for line in section)])


def notebook(path: Path) -> tuple[str, dict[str, bytes]]:
    """Returns a notebook as Markdown, and its images by file name.

    Links to docs/, which have the address of the repository for Colab, become links between pages,
    which MkDocs checks.
    """
    blocks, images = [], {}
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            blocks.append(source)
            continue
        blocks.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            if output["output_type"] == "stream":
                blocks.append(_printed("".join(output["text"])))
                continue
            for kind in ("png", "jpeg"):
                if content := output["data"].get(f"image/{kind}"):
                    name = f"{path.stem}-{len(images) + 1}.{kind}"
                    images[name] = b64decode("".join(content))
                    blocks.append(f"![Output of the cell above]({name})")
                    break
            else:
                blocks.append(_printed("".join(output["data"]["text/plain"])))
    text = _IN_DOCS.sub(_page_of, "\n\n".join(blocks))
    return _BADGE.sub(rf"[\1]\2 · [Download the notebook]({path.name})", text), images


def _page_of(link: re.Match[str]) -> str:
    """Points a link of a notebook to the page."""
    return f"]({posixpath.relpath(_page(link[1]), 'notebooks')}"


def _page(path: str) -> str:
    """Returns the page that shows a file of docs/, if it is a notebook."""
    return re.sub(r"\.ipynb$", ".md", path)


def _printed(text: str) -> str:
    return f"```{{ .text .no-copy }}\n{text.rstrip()}\n```"


def _result(cell: dict[str, Any], image: Path) -> list[str]:
    figures, features = cell["figures"], cell["protocol"].get("features", {}).get("name")
    facts = [
        _time(cell),
        f"{cell['kimg']:.0f} thousand images",
        *([f"FID {figures['fid']:.2f}"] if "fid" in figures else []),
        *([f"recall {figures['recall']:.3f}"] if "recall" in figures else []),
    ]
    by = f" by `{features}`" if features else ""
    return [
        f"![{cell['dataset']}]({image.relative_to(HERE / 'docs').as_posix()}){{ loading=lazy }}",
        "",
        f"`{cell['command']}`: {', '.join(facts)}{by}",
        "",
    ]


def _time(cell: dict[str, Any]) -> str:
    return f"{cell['seconds'] / 60:.0f} minutes on {cell['cores']} core{'s' * (cell['cores'] > 1)}"


def _other(path: Path) -> list[str]:
    """A training that is not of the study, with its pictures."""
    cell = json.loads(path.read_text("utf-8"))
    images = sorted(path.parent.glob(f"{path.stem}*.png"))
    figures = {**cell["figures"], **cell["figures"].get("named_right", {})}
    shown = [
        f"{name.replace('_', ' ').replace('l1', 'L1').replace('psnr', 'PSNR')} {value}"
        for name, value in figures.items()
        if isinstance(value, float)
    ]
    return [
        *(
            f"![{image.stem}]({image.relative_to(HERE / 'docs').as_posix()}){{ loading=lazy }}"
            for image in images
        ),
        "",
        f"`{cell['command']}`: {_time(cell)}, {', '.join(shown)}",
        "",
    ]
