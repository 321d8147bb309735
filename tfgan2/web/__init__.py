"""An exported generator as a web page that runs it in the browser, on the visitor's own device.

The page is plain HTML, CSS and JavaScript modules from `page/` and `templates/`. It runs the .onnx
file itself with onnxruntime-web. No TensorFlow is imported.
"""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

from tfgan2 import runtime
from tfgan2.errors import UserError
from tfgan2.files import public_name, written_atomically
from tfgan2.images import is_points
from tfgan2.runtime.shipped import located
from tfgan2.web import ort
from tfgan2.web.directions import principal_directions

ABOUT_FILE = "model.json"
FORMAT_VERSION = 1


def page_files(onnx: str | Path, ort_web: str | Path | None = None) -> dict[str, bytes]:
    """Returns all files of an exported file's page by their paths in its folder, with "/".

    `index.html` is the page. All links are relative, so it works at any address.

    Args:
        onnx: a file that `tfgan2 export` wrote, or `pretrained:digits.onnx`. A generator that takes
            sentences needs `text_encoder.onnx` beside it.
        ort_web: folder of the npm package onnxruntime-web, whose files become part of the page;
            None: visitors load them from a CDN, in the version and with the hashes of
            `tfgan2.web.ort`.

    Raises:
        UserError: the file cannot be read or generates no images, or `ort_web` is another folder.
    """
    import jinja2  # slow to import

    onnx = located(onnx)
    local = None if ort_web is None else ort.find(Path(ort_web))
    used = ort.references(local=local is not None)
    about = _about(onnx) | {"runtime": {"mjs": used[ort.CODE], "wasm": used[ort.BINARY]}}
    room = resources.files("tfgan2.web")
    template = jinja2.Template(
        (room / "templates" / "index.html.j2").read_text(encoding="utf-8"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    files = {"script": used[ort.SCRIPT], "code": used[ort.CODE], "binary": used[ort.BINARY]}
    index = template.render(title=about["title"], **files)
    page = {item.name: item.read_bytes() for item in (room / "page").iterdir() if item.is_file()}
    page["index.html"] = index.encode()
    page["model.onnx"] = onnx.read_bytes()
    page[ABOUT_FILE] = json.dumps(about, indent=1, ensure_ascii=False).encode()
    if local is not None:
        page |= {used[name]["url"]: (local / name).read_bytes() for name in ort.FILES}
    return page


def write_page(
    folder: str | Path, onnx: str | Path, ort_web: str | Path | None = None
) -> dict[str, int]:
    """Writes the page of an exported file, and returns the bytes of each file by its path.

    An earlier page in the folder is replaced; if that fails, it stays as it was. `onnx` and
    `ort_web` are those of `page_files`.

    Raises:
        UserError: as `page_files`, or the folder holds something else, or cannot be written.
    """
    folder = Path(folder)
    check_folder(folder)
    files = page_files(onnx, ort_web)
    with written_atomically(folder.absolute(), parents=True) as partial:
        for name, content in files.items():
            path = partial / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return {name: len(content) for name, content in files.items()}


def check_folder(folder: Path) -> None:
    """Raises a UserError if the folder holds something that `write_page` did not write."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        ours = "tfgan2_page" in json.loads((folder / ABOUT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        ours = False
    if not ours:
        raise UserError(f"{folder} exists and is not a tfgan2 page: remove it or choose another")


def check_shape(shape: tuple[int | None, ...]) -> None:
    """Raises a UserError if images of this shape, which ends with (H, W, C), cannot be shown."""
    if is_points(shape):
        raise UserError("web shows images, and this generator makes points: use `tfgan2 generate`")
    if shape[-1] not in (1, 3, 4):
        raise UserError(f"web shows images of 1, 3 or 4 channels, not of {shape[-1]}")


def title_parts(path: Path, metadata: dict[str, Any]) -> list[str]:
    """Returns the parts of a page's title: flavour and dataset, or the file's name; no folders."""
    stem = path.stem.encode(errors="replace").decode()  # its bytes may not be UTF-8
    known = metadata.get("about", {})
    names = (public_name(str(known[key])) for key in ("flavour", "dataset") if known.get(key))
    parts = list(names) or [stem]
    if stem != "generator" and len(parts) == 2:
        parts.append(stem.replace("_", " "))  # one of several networks
    return parts


def _about(onnx: Path) -> dict[str, Any]:
    """Returns what the page needs to know of the file."""
    metadata = runtime.read_metadata(onnx)
    if metadata["format"] != "onnx":
        raise UserError(f"{onnx.name} cannot be run in a browser: give the .onnx file")
    inputs = {item["name"] for item in metadata["inputs"]}
    if "words" in inputs:
        raise UserError(f"{onnx.name} encodes texts: give the generator beside it")
    check_shape(tuple(metadata["outputs"][0]["shape"]))
    parts = title_parts(onnx, metadata)
    captions, directions = [], []
    if "z" in inputs:
        generator = runtime.load(onnx)
        assert isinstance(generator, runtime.Generator)  # it takes latents
        vectors = generator.encode(generator.captions) if generator.captions else ()
        captions = [  # encoded, so that the page needs no encoder
            # A float32 keeps its value in nine digits.
            {"text": text, "vector": [float(f"{value:.9g}") for value in vector]}
            for text, vector in zip(generator.captions, vectors, strict=True)
        ]
        directions = [
            {
                "vector": [round(float(x), 6) for x in direction.vector],
                "share": round(direction.share, 4),
                "limit": round(direction.limit, 2),
            }
            for direction in principal_directions(generator)
        ]
    return {
        "tfgan2_page": FORMAT_VERSION,
        "title": " · ".join(parts),
        "name": re.sub(r"\W+", "-", "-".join(parts)).strip("-"),
        "bytes": onnx.stat().st_size,
        "metadata": metadata,
        "directions": directions,
        "captions": captions,
    }
