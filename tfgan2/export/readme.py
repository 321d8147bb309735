"""The README of a bundle, from its metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tfgan2.export.snippets import SNIPPETS, describe, python
from tfgan2.images import is_points

_NEEDS = {
    "Kotlin": 'Add `implementation("com.google.ai.edge.litert:litert:2.1.0")` or later, and the '
    "file to the app's `assets`.",
    "Swift": "Add the pod `TensorFlowLiteSwift` (2.13 or later), and the file to the app's "
    "resources.",
    "JavaScript": "`npm install onnxruntime-web`, and serve the file beside the page.",
}


def readme(metadata: Mapping[str, Any], words: tuple[list[int], str] | None) -> str:
    """The text of README.md.

    Args:
        metadata: of the bundle, with its artefacts.
        words: of generators that take sentences, the numbers of an example's words, and it.
    """
    about = metadata["about"]
    title = " ".join(str(about[key]) for key in ("flavour", "dataset") if about.get(key))
    lines = [
        f"# {title or 'Generator'}",
        "",
        *_files(metadata),
        *_tensors(metadata),
        *_notes(metadata),
    ]
    artefacts = metadata["artefacts"]
    makers = [item for item in artefacts if item["outputs"][0]["name"] == "image"]
    if makers and is_points(makers[0]["outputs"][0]["shape"]):
        makers = []  # no pictures to show
    for network in dict.fromkeys(item["network"] for item in makers):
        own = [item for item in makers if item["network"] == network]
        lines += _code(own, metadata, words)
    return "\n".join(lines).rstrip() + "\n"


def _files(metadata: Mapping[str, Any]) -> Iterator[str]:
    yield "| file | precision | MB | PSNR dB | Fréchet | ms per image |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for item in metadata["artefacts"]:
        yield (
            f"| `{item['file']}` | {item['precision']} | {item['bytes'] / 1e6:.2f} "
            f"| {item['psnr']:.1f} | {item['frechet']['distance']:.2g} "
            f"| {item['milliseconds_per_image']:.2f} |"
        )
    first = metadata["artefacts"][0]["frechet"]
    yield ""
    yield (
        "PSNR is that of the pictures to those of Keras, 100 for identical ones. Fréchet is the "
        f"distance of {first['images']} images to as many of Keras in the space "
        f"`{first['features']}`. Times are those of the machine that exported, on its CPU. "
        "`parity.json` has more figures; `samples/` shows what each file makes of the same inputs."
    )
    for item in metadata["artefacts"]:
        if item.get("float_layers"):
            yield ""
            yield f"`{item['file']}` computes in float: {', '.join(item['float_layers'])}."
    yield ""


def _tensors(metadata: Mapping[str, Any]) -> Iterator[str]:
    yield "## Tensors"
    yield ""
    yield "| network | tensor | | dtype | shape | values |"
    yield "| --- | --- | --- | --- | --- | --- |"
    seen = set()
    for item in metadata["artefacts"]:
        if item["network"] in seen:
            continue
        seen.add(item["network"])
        for kind, tensors in (("in", item["inputs"]), ("out", item["outputs"])):
            for tensor in tensors:
                shape = ", ".join("free" if edge is None else str(edge) for edge in tensor["shape"])
                yield (
                    f"| {item['network']} | `{tensor['name']}` | {kind} | {tensor['dtype']} "
                    f"| ({shape}) | {_values(tensor)} |"
                )
    yield ""
    yield (
        "The first size is the batch: `metadata.json` says for each file whether it is fixed. "
        "Images are rows of pixels of channels (NHWC)."
    )
    yield ""


def _values(tensor: Mapping[str, Any]) -> str:
    if tensor.get("distribution"):
        return {"normal": "drawn from N(0, 1)", "uniform": "drawn from U(-1, 1)"}[
            tensor["distribution"]
        ]
    told = tensor.get("meaning", "")
    if tensor.get("range"):
        low, high = tensor["range"]
        told = f"{low}…{high}" + (f", {told}" if told else "")
    return told


def _notes(metadata: Mapping[str, Any]) -> Iterator[str]:
    if metadata["class_names"]:
        yield "`label` is the number of a line in `labels.txt`, from 0."
        yield ""
    if metadata.get("captions"):
        yield (
            "A sentence is split into its words in lower case, without punctuation. The word in "
            "line i of `vocabulary.txt`, from 0, has the number i + 2; 1 stands for any other, and "
            "0 fills up to the length of `words`. `text_encoder` makes `text` of them."
        )
        yield ""


def _code(
    own: list[Mapping[str, Any]],
    metadata: Mapping[str, Any],
    words: tuple[list[int], str] | None,
) -> Iterator[str]:
    """Code for a network; its first file of each format is the one of the highest precision."""
    described = {}
    for suffix in (".onnx", ".tflite"):
        file = next((item for item in own if item["file"].endswith(suffix)), None)
        if file is not None:
            encoder = f"text_encoder{suffix}" if words else None
            described[suffix] = describe(file, metadata, encoder, words)
    for suffix, it in described.items():
        library = "onnxruntime" if suffix == ".onnx" else "ai-edge-litert"
        yield from _block(f"Python, `{it.file}`", "python", python(it), _python_needs(library))
    for language, (suffix, write) in SNIPPETS.items():
        if suffix in described:
            it = described[suffix]
            fence = language.lower()
            yield from _block(f"{language}, `{it.file}`", fence, write(it), _NEEDS[language])


def _python_needs(library: str) -> str:
    return f"`pip install {library} numpy pillow`; run it in this folder."


def _block(title: str, fence: str, code: str, needs: str) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    yield needs
    yield ""
    yield f"```{fence}"
    yield code
    yield "```"
    yield ""
