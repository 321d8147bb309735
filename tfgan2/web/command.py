"""`tfgan2 export --format web`: a page for each network that makes pictures.

Importing this imports little: the command line does so at every start.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tfgan2.errors import UserError, unknown
from tfgan2.export import FORMATS
from tfgan2.web import check_folder, check_shape, ort, write_page

if TYPE_CHECKING:
    import keras

FORMAT = "web"
NEEDED = "onnx"


def file_formats(formats: Sequence[str], ort_web: Path | None) -> tuple[str, ...]:
    """The formats of the files to export, with the one that a page needs if a page is wanted.

    Args:
        formats: as asked for, "web" perhaps among them.
        ort_web: where the page's runtime is to be taken from, None for the CDN.

    Raises:
        UserError: the runtime is not there, or no page needs it; an unknown format.
    """
    for name in formats:
        if name not in (*FORMATS, FORMAT):
            raise unknown("format", name, (*FORMATS, FORMAT))
    if FORMAT not in formats:
        if ort_web is not None:
            raise UserError("--ort-web is for the format web only: add --format web")
        return tuple(formats)
    if ort_web is not None:
        ort.find(ort_web)
    files = tuple(name for name in formats if name != FORMAT)
    return files if NEEDED in files else (*files, NEEDED)


def folders(out: Path, networks: Mapping[str, keras.Model]) -> dict[Path, Path]:
    """Where the pages go: the file of each network that makes pictures by its page's folder.

    Raises:
        UserError: a network's pictures cannot be shown, or other things stand there.
    """
    found = {}
    for name, network in networks.items():
        shape = tuple(network.outputs[0].shape[1:])
        if len(shape) != 3:
            continue  # an encoder of texts
        check_shape(shape)
        folder = out / (FORMAT if name == "generator" else f"{FORMAT}-{name}")
        check_folder(folder)
        found[folder] = out / f"{name}.onnx"
    return found


def write(
    pages: Mapping[Path, Path], ort_web: Path | None, progress: Callable[[str], None]
) -> list[str]:
    """Writes the pages.

    Args:
        pages: as `folders` gives them; the files stand there now.
        ort_web: as for `file_formats`.
        progress: called with a line of text before each.

    Returns:
        A line for each that says what was written and how to open it.

    Raises:
        UserError: as `write_page`.
    """
    lines = []
    for folder, onnx in pages.items():
        progress(f"writing {folder.name}/")
        size = sum(write_page(folder, onnx, ort_web).values()) / 1e6
        command = f"python -m http.server --directory {shlex.quote(str(folder))}"
        lines.append(f"Page of {size:.1f} MB in {folder}. Open http://localhost:8000 after:")
        lines.append(f"  {command}")
    return lines
