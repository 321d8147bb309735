"""A folder, and a zip of it, with all that the author of an app needs; docs/export.md lists it."""

from __future__ import annotations

import json
import math
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from tfgan2.export import card, folder
from tfgan2.export.exporter import Exporter, open_artifact
from tfgan2.export.folder import Artifact
from tfgan2.export.graph import reference
from tfgan2.export.options import BUNDLE
from tfgan2.export.spec import draw_inputs
from tfgan2.files import public_name, written_atomically
from tfgan2.images import is_points, save_grid, side_by_side, to_pil, to_uint8
from tfgan2.images.ranges import BYTES
from tfgan2.inputs import words
from tfgan2.inputs.labels import label_columns
from tfgan2.inputs.truncation import LATENTS
from tfgan2.runtime.quiet import quiet

SAMPLES = "samples"
SAMPLE_COUNT = 16
FIGURES = (
    *("bytes", "max_difference", "mean_difference", "picture_difference"),
    *("psnr", "frechet", "milliseconds_per_image"),
)
SNIPPETS = (
    ("Python", ".onnx"),
    ("Python", ".tflite"),
    ("Kotlin", ".tflite"),
    ("Swift", ".tflite"),
    ("JavaScript", ".onnx"),
)
"""Languages of the README's code and the files that it runs; each has a template of its name."""
FIXED_SIZE = ("Kotlin", "Swift")
"""Languages whose code resizes no inputs."""
_DATE = (1980, 1, 1, 0, 0, 0)
TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("tfgan2.export"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def write_bundle(
    out_dir: Path,
    artifacts: Sequence[Artifact],
    exporters: Mapping[str, Exporter],
    training: Mapping[str, Any],
) -> None:
    """Writes `bundle/` and `bundle.zip`, whose bytes depend on the content alone.

    `training` is for the model card, see `card.training_facts`; empty if there was no run.
    """
    bundle = out_dir / BUNDLE
    with written_atomically(bundle) as partial:
        partial.mkdir()
        _fill(partial, artifacts, exporters, training)
    with written_atomically(out_dir / f"{BUNDLE}.zip") as partial:
        zip_folder(bundle, partial)


def _fill(
    bundle: Path,
    artifacts: Sequence[Artifact],
    exporters: Mapping[str, Exporter],
    training: Mapping[str, Any],
) -> None:
    for artifact in artifacts:
        copy = shutil.copytree if artifact.path.is_dir() else shutil.copyfile
        copy(artifact.path, bundle / artifact.path.name)
    descriptions = {name: exporter.description for name, exporter in exporters.items()}
    description = next(iter(descriptions.values()))
    entries = [artifact.listing() for artifact in artifacts]
    folder.write_metadata(bundle, description, entries)
    files = {
        entry["file"]: {
            "precision": entry["precision"],
            "output": entry["outputs"][0]["dtype"],
            **{name: entry[name] for name in FIGURES},
        }
        for entry in entries
    }
    parity = {"versions": description["versions"], "files": files}
    texts = {
        "parity.json": json.dumps(parity, indent=2, ensure_ascii=False) + "\n",
        "labels.txt": "".join(f"{name}\n" for name in description["class_names"]),
    }
    example: dict[str, Any] = {}
    encoder = exporters.get("text_encoder")
    if encoder is not None:
        vocabulary = encoder.description["vocabulary"]
        texts["vocabulary.txt"] = "".join(f"{word}\n" for word in vocabulary)
        sentence = " ".join(description["captions"][0].split())  # it stands in a line of code
        example = {"sentence": sentence, "words": _words(encoder, [sentence])[0].tolist()}
        names = ("invisible", "alone", "word", "apostrophes")
        example["split"] = {name: getattr(words, name.upper()) for name in names}
    about, licence = description["about"], next(iter(exporters.values())).options.licence
    known = [about.get("flavour"), public_name(about.get("dataset") or "")]
    title = " ".join(filter(None, known)) or "Generator"
    texts["README.md"] = TEMPLATES.get_template("readme.md.j2").render(
        title=title,
        front_matter=card.front_matter(title, description, entries, training, licence),
        training=training,
        made=card.made(entries[0]["outputs"][0], description["class_names"]),
        limits=card.limits(entries, training, licence),
        artefacts=entries,
        class_names=description["class_names"],
        captions=description.get("captions"),
        takes_images=any(item["name"] == "input" for item in description["inputs"]),
        truncation=description.get("truncation", {}).get("of"),
        **_truncation(description),
        snippets=list(snippets(entries, descriptions)),
        left_out=[] if _fixed(entries) else FIXED_SIZE,
        **example,
    )
    for name, text in texts.items():
        if text:
            (bundle / name).write_text(text, encoding="utf-8")
    (bundle / SAMPLES).mkdir()
    for name, exporter in exporters.items():
        if exporter.spec.output_name == "image":
            own = [artifact for artifact in artifacts if artifact.network == name]
            _write_samples(bundle / SAMPLES, own, exporter, encoder)


def _byte_range(description: Mapping[str, Any]) -> tuple[float, float] | None:
    """Returns the values of 8-bit files that become black and white, unless they are 0 and 255."""
    low, high = description.get("input_ranges", {}).get(BYTES, (0, 255))
    return None if (low, high) == (0, 255) else (low, high)


def _words(encoder: Exporter, texts: Sequence[str]) -> np.ndarray:
    facts = encoder.description
    return words.encode_words(texts, facts["vocabulary"], facts["caption_length"])


def _write_samples(
    samples: Path, artifacts: Sequence[Artifact], exporter: Exporter, encoder: Exporter | None
) -> None:
    """Draws what each file computes from the same inputs."""
    spec = exporter.spec
    inputs = draw_inputs(spec, SAMPLE_COUNT, exporter.options.seed, verify=True)
    if "text" in inputs and encoder is not None:
        encoded = _words(encoder, words.in_turn(spec.facts["captions"], SAMPLE_COUNT))
        inputs["text"] = reference(encoder.spec, {"words": encoded})
    for name in ("input", "mask"):
        if name in inputs:  # the README's code reads it
            image = inputs[name][0] * 2.0 - 1.0 if name == "mask" else inputs[name][0]
            image = to_uint8(image)
            if name == "input" and (limits := _byte_range(exporter.description)):
                colors = image[..., :3]
                colors[:] = np.rint(np.interp(colors, (0, 255), limits)).clip(0)
            to_pil(image).save(samples / f"{exporter.name}-{name}.png")
    if "truncation" in inputs:
        default = spec.truncation[1]
        inputs["truncation"][:] = 1.0 if default is None else default
    columns = label_columns(len(spec.class_names))
    for artifact in artifacts:
        with quiet():
            images = open_artifact(artifact.path)(inputs)
        if "input" in inputs and not is_points(images.shape):
            images, columns = side_by_side(inputs["input"], images), 2
        save_grid(samples / f"{artifact.path.name}.png", images, columns=columns)


def snippets(
    entries: Sequence[Mapping[str, Any]], descriptions: Mapping[str, Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Yields the values of each code template, for the most precise file of each format.

    `entries` are those of metadata.json, `descriptions` its other fields by network.
    """
    description = next(iter(descriptions.values()))
    files = [item for item in entries if item["outputs"][0]["name"] == "image"]
    if files and is_points(files[0]["outputs"][0]["shape"]):
        return  # points are no images to show
    size, scale = description.get("size", ()), description.get("scale", 1)
    for network in dict.fromkeys(item["network"] for item in files):
        limits = _byte_range(descriptions[network])
        for language, suffix in SNIPPETS:
            own = [item for item in files if item["network"] == network]
            entry = next((item for item in own if item["file"].endswith(suffix)), None)
            if entry is None or (language in FIXED_SIZE and not _fixed([entry])):
                continue
            shapes = {item["name"]: _shape(item, entry["batch"], size) for item in entry["inputs"]}
            output = entry["outputs"][0]
            _, height, width, channels = _shape(output, 1, [scale * edge for edge in size])
            first = "i" if channels == 1 else f"{channels} * i"
            offsets = ("", " + 1", " + 2", " + 3") if channels >= 3 else ("", "", "")
            red, green, blue, *alpha = (f"level({first}{offset})" for offset in offsets)
            yield {
                "language": language,
                "function": "generate" if network == "generator" else _camel_case(network),
                "file": entry["file"],
                "network": network,
                "onnx": suffix == ".onnx",
                "inputs": [
                    {"name": name, "shape": shape, "size": math.prod(shape)}
                    for name, shape in shapes.items()
                ],
                "names": list(shapes),
                "batch": entry["batch"] or 1,
                "range": limits and [f"{limit:g}" for limit in limits],
                "stretched": limits and _stretched(*limits),
                "uniform": description["latent"]["distribution"] == "uniform",
                **_truncation(description),
                "height": height,
                "width": width,
                "channels": channels,
                # A pixel in Kotlin and Swift.
                "rgb": f"{red}, {green}, {blue}",
                "alpha": alpha[0] if channels == 4 else None,
                "uint8": output["dtype"] == "uint8",
                "encoder": f"text_encoder{suffix}",
            }


def _camel_case(network: str) -> str:
    first, *others = network.split("_")
    return first + "".join(map(str.capitalize, others))


def _fixed(entries: Sequence[Mapping[str, Any]]) -> bool:
    """True if no TFLite file among these takes images of any size."""
    tensors = [each for item in entries if item["format"] == "tflite" for each in item["inputs"]]
    return all(None not in tensor["shape"][1:] for tensor in tensors)


def _stretched(low: float, high: float) -> str:
    """Returns the code, in each language but Swift, that maps `value` from low…high to 0…255."""
    above = f"(value - {low:g})" if low else "value"
    return f"{above} * 255.0 / {high - low:g}"


def _truncation(description: Mapping[str, Any]) -> dict[str, float | None]:
    """Returns the default fraction of styles, and the default threshold of latents if any."""
    facts = description.get("truncation", {"of": "", "default": None})
    default = facts["default"]
    return {
        "fraction": 1.0 if default is None else default,
        "threshold": default if facts["of"] == LATENTS else None,
    }


def _shape(tensor: Mapping[str, Any], batch: int | None, size: Sequence[int]) -> tuple[int, ...]:
    """Returns the shape of a tensor with a free batch of 1 and a free size of `size`."""
    free = iter(size)
    edges = (next(free) if edge is None else edge for edge in tensor["shape"][1:])
    return (batch or 1, *edges)


def zip_folder(source: Path, archive: Path) -> None:
    """Packs a folder as "bundle"; order, dates and permissions do not depend on this machine."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        names = sorted(
            item.relative_to(source).as_posix() for item in source.rglob("*") if item.is_file()
        )
        for name in names:
            entry = zipfile.ZipInfo(f"{BUNDLE}/{name}", _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, (source / name).read_bytes())
