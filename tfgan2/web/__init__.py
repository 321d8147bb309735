"""An exported generator as a web page that runs it in the browser, on the visitor's own device.

The page is plain HTML, CSS and JavaScript modules, in `page/`: what is read there is what is
served. It runs the very .onnx file with onnxruntime-web. No TensorFlow is imported.

from tfgan2 import web

web.write_page("site", "generator.onnx", ort_web="node_modules/onnxruntime-web")
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from tfgan2 import runtime
from tfgan2.errors import UserError, cannot_write
from tfgan2.files import written_atomically
from tfgan2.images import is_points
from tfgan2.runtime.generator import TextEncoder
from tfgan2.web import ort
from tfgan2.web.directions import principal_directions

__all__ = ["check_folder", "check_shape", "page_files", "write_page"]

ABOUT_FILE = "model.json"
FORMAT_VERSION = 1


def page_files(onnx: str | Path, ort_web: str | Path | None = None) -> dict[str, bytes]:
    """The page of an exported file: everything that has to be served, and no more.

    All links in it are relative, so it may stand at any address.

    Args:
        onnx: a file that `tfgan2 export` wrote; `text_encoder.onnx` beside it where it takes texts.
        ort_web: the installed npm package onnxruntime-web, whose files become part of the page;
            None: visitors load them from a CDN, in the version and with the hashes that
            `tfgan2.web.ort` names.

    Returns:
        The content of each file by its path within the folder, with "/"; `index.html` is the page.

    Raises:
        UserError: the file cannot be read or makes no pictures, or `ort_web` holds other things.
    """
    onnx = Path(onnx)
    found = None if ort_web is None else ort.find(Path(ort_web))
    about = _about(onnx)
    used = ort.references(local=found is not None)
    about["runtime"] = {
        kind: {"url": used[name].url, "integrity": used[name].integrity}
        for kind, name in (("mjs", ort.CODE), ("wasm", ort.BINARY))
    }
    page = {
        item.name: item.read_bytes()
        for item in (resources.files("tfgan2.web") / "page").iterdir()
        if item.is_file()
    }
    page["index.html"] = _filled(
        page["index.html"].decode(),
        {"title": html.escape(about["title"]), "runtime": _tags(used)},
    ).encode()
    page["model.onnx"] = onnx.read_bytes()
    page[ABOUT_FILE] = json.dumps(about, indent=1, ensure_ascii=False).encode()
    if found is not None:
        page |= {used[name].url: (found / name).read_bytes() for name in ort.FILES}
    return page


def write_page(
    folder: str | Path, onnx: str | Path, ort_web: str | Path | None = None
) -> dict[str, int]:
    """Writes the page of an exported file to a folder, which then is complete or as it was.

    Args:
        folder: where to; a page that stands there is replaced.
        onnx: as for `page_files`.
        ort_web: likewise.

    Returns:
        The bytes of each file by its path.

    Raises:
        UserError: as `page_files`, or the folder holds other things, or the disk refuses.
    """
    folder = Path(folder)
    check_folder(folder)
    files = page_files(onnx, ort_web)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with written_atomically(folder.absolute()) as partial:
            for name, content in files.items():
                path = partial / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return {name: len(content) for name, content in files.items()}


def check_folder(folder: Path) -> None:
    """Raises a UserError if something stands there that `write_page` did not write."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        ours = "tfgan2_page" in json.loads((folder / ABOUT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        ours = False
    if not ours:
        raise UserError(f"{folder} exists and is no page of tfgan2: remove it, or choose another")


def check_shape(shape: tuple[int | None, ...]) -> None:
    """Raises a UserError if images of this shape, (H, W, C) at its end, cannot be shown."""
    if is_points(shape):
        raise UserError("web shows images: this generator makes points in the plane")
    if shape[-1] not in (1, 3, 4):
        raise UserError(f"web shows images of 1, 3 or 4 channels: this makes {shape[-1]}")


def _about(onnx: Path) -> dict[str, Any]:
    """What the page must know of the file."""
    metadata = runtime.read_metadata(onnx)
    if metadata["format"] != "onnx":
        raise UserError(f"{onnx.name} cannot be run in a browser: give the .onnx file")
    inputs = {item["name"] for item in metadata["inputs"]}
    if "words" in inputs:
        raise UserError(f"{onnx.name} encodes texts: give the generator beside it")
    check_shape(tuple(metadata["outputs"][0]["shape"]))
    flavour, dataset = (metadata.get("about", {}).get(key) for key in ("flavour", "dataset"))
    parts = [str(part) for part in (flavour, dataset) if part] or [onnx.stem]
    if onnx.stem != "generator" and len(parts) == 2:
        parts.append(onnx.stem.replace("_", " "))  # one of several networks
    about: dict[str, Any] = {
        "tfgan2_page": FORMAT_VERSION,
        "title": " · ".join(parts),
        "name": re.sub(r"\W+", "-", "-".join(parts)).strip("-"),
        "bytes": onnx.stat().st_size,
        "metadata": metadata,
        "directions": [],
        "captions": [],
    }
    if "z" in inputs:
        generator = runtime.load(onnx)
        assert isinstance(generator, runtime.Generator)  # it takes latents
        about["captions"] = _captions(onnx, generator)
        about["directions"] = [
            {
                "vector": [round(float(x), 6) for x in direction.vector],
                "share": round(direction.share, 4),
                "limit": round(direction.limit, 2),
            }
            for direction in principal_directions(generator)
        ]
    return about


def _captions(onnx: Path, generator: runtime.Generator) -> list[dict[str, Any]]:
    """The captions of a generator that takes texts, each encoded, so that the page needs no
    encoder."""
    if not generator.captions:
        return []
    encoder = TextEncoder(*runtime.open_file(onnx.with_name(f"text_encoder{onnx.suffix}")))
    vectors = encoder(generator.captions)
    return [
        # As text each float32 keeps its value with nine digits.
        {"text": text, "vector": [float(f"{value:.9g}") for value in vector]}
        for text, vector in zip(generator.captions, vectors, strict=True)
    ]


def _tags(used: Mapping[str, ort.File]) -> str:
    """What index.html loads of onnxruntime-web."""
    script = used[ort.SCRIPT]
    if script.integrity:
        return (
            f'<script defer src="{script.url}" integrity="{script.integrity}" '
            'crossorigin="anonymous"></script>'
        )
    # The browser shall not wait for the script to ask for what the script will ask for.
    return (
        f'<script defer src="{script.url}"></script>\n'
        f'<link rel="modulepreload" href="{used[ort.CODE].url}">\n'
        f'<link rel="preload" as="fetch" crossorigin href="{used[ort.BINARY].url}">'
    )


def _filled(template: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], template)
