"""onnxruntime-web: the files that a page needs, and where they come from."""

from __future__ import annotations

from pathlib import Path

from tfgan2.errors import UserError

SCRIPT, CODE, BINARY = FILES = (
    "ort.wasm.min.js",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
)
FOLDER = "ort"
"""Their folder within a page."""

VERSION = "1.30.0"
CDN = f"https://cdn.jsdelivr.net/npm/onnxruntime-web@{VERSION}/dist"
# Hashes of the npm package's files, which this CDN serves as they are; browsers refuse others.
INTEGRITY = {
    SCRIPT: "sha384-Bw6URI+Gvoadw0do7/QrSHUC9D1vCYYK5OSqChFyhyV5mzPL4oe2rOAFljAnS8Sq",
    CODE: "sha384-XcXA/MtAf0WpB8e023xQH9CM7RIjiugakT7x99DIwpFf7k56BIFFcAPerIF7FDad",
    BINARY: "sha384-vjBJ1z7qrhkTyYsNqKeF6c7N+nOJSU94czEo+tvZcu8G75JparGq9kB+kTnEUNVM",
}


def references(local: bool) -> dict[str, dict[str, str]]:
    """Returns `url` and `integrity` of each file: beside the page without a hash, or on the CDN."""
    if local:
        return {name: {"url": f"{FOLDER}/{name}", "integrity": ""} for name in FILES}
    return {name: {"url": f"{CDN}/{name}", "integrity": INTEGRITY[name]} for name in FILES}


def find(ort_web: Path) -> Path:
    """Returns the folder that holds the files; a UserError if it does not.

    That is in the npm package onnxruntime-web, given itself, as its `dist`, or as the folder of its
    `node_modules`.
    """
    for below in (".", "dist", "node_modules/onnxruntime-web/dist"):
        folder = ort_web / below
        if all((folder / name).is_file() for name in FILES):
            return folder
    if not ort_web.is_dir():
        raise UserError(f"{ort_web} is not a folder: give that of the npm package onnxruntime-web")
    raise UserError(
        f"{ort_web} does not hold {' and '.join(FILES)}: run `npm install onnxruntime-web` and "
        "give node_modules/onnxruntime-web"
    )
