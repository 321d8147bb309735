"""onnxruntime-web: which of its files a page needs, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tfgan2.errors import UserError

SCRIPT, CODE, BINARY = FILES = (
    "ort.wasm.min.js",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
)
FOLDER = "ort"
"""Where they stand in a page's folder."""

VERSION = "1.30.0"
CDN = f"https://cdn.jsdelivr.net/npm/onnxruntime-web@{VERSION}/dist"
# Of the npm package's files, which this CDN serves as they are; a browser refuses any other.
INTEGRITY = {
    SCRIPT: "sha384-Bw6URI+Gvoadw0do7/QrSHUC9D1vCYYK5OSqChFyhyV5mzPL4oe2rOAFljAnS8Sq",
    CODE: "sha384-XcXA/MtAf0WpB8e023xQH9CM7RIjiugakT7x99DIwpFf7k56BIFFcAPerIF7FDad",
    BINARY: "sha384-vjBJ1z7qrhkTyYsNqKeF6c7N+nOJSU94czEo+tvZcu8G75JparGq9kB+kTnEUNVM",
}


@dataclass(frozen=True)
class File:
    """A file of onnxruntime-web, as a page refers to it.

    Attributes:
        url: relative to the page, or absolute.
        integrity: its hash, as browsers check it; "" for a file beside the page.
    """

    url: str
    integrity: str


def references(local: bool) -> dict[str, File]:
    """By name, the files of the CDN, or those beside the page."""
    if local:
        return {name: File(f"{FOLDER}/{name}", "") for name in FILES}
    return {name: File(f"{CDN}/{name}", INTEGRITY[name]) for name in FILES}


def find(ort_web: Path) -> Path:
    """The folder that holds the files.

    Args:
        ort_web: the npm package onnxruntime-web, its `dist`, or the folder it was installed in.

    Raises:
        UserError: they are not there.
    """
    for below in (".", "dist", "node_modules/onnxruntime-web/dist"):
        folder = ort_web / below
        if all((folder / name).is_file() for name in FILES):
            return folder
    if not ort_web.is_dir():
        raise UserError(f"{ort_web} is no folder: give that of the npm package onnxruntime-web")
    raise UserError(
        f"{ort_web} does not hold {' and '.join(FILES)}: run `npm install onnxruntime-web` and "
        "give node_modules/onnxruntime-web"
    )
