"""A folder, and a zip of it, with all that the author of an app needs.

bundle/
    README.md            tensors, ranges, figures, and code in four languages
    metadata.json        as in the export folder, for the files of this bundle
    parity.json          how far each file is from Keras, and how fast it is
    labels.txt           names of the labels, one a line, of a generator with labels
    vocabulary.txt       the words, of a generator that takes sentences
    samples/             what each file computes from the same inputs, one image each
    generator.tflite …
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tfgan2.errors import UserError
from tfgan2.export import folder
from tfgan2.export.exporter import Exporter, open_artifact
from tfgan2.export.folder import Artifact
from tfgan2.export.graph import reference
from tfgan2.export.spec import draw_inputs
from tfgan2.export.texts import readme
from tfgan2.files import written_atomically
from tfgan2.images import is_points, save_grid, side_by_side, to_pil, to_uint8
from tfgan2.inputs.labels import label_columns
from tfgan2.inputs.words import encode_words
from tfgan2.runtime.quiet import quiet

NAME = "bundle"
SAMPLES = "samples"
SAMPLE_COUNT = 16
FIGURES = (
    "bytes",
    "max_difference",
    "mean_difference",
    "picture_difference",
    "psnr",
    "frechet",
    "milliseconds_per_image",
)
_DATE = (1980, 1, 1, 0, 0, 0)


def write_bundle(
    out_dir: Path, artifacts: Sequence[Artifact], exporters: Mapping[str, Exporter]
) -> None:
    """Writes `bundle/` and `bundle.zip`, whose bytes depend on the content alone.

    Raises:
        UserError: a folder of this name holds something else.
    """
    bundle = out_dir / NAME
    if bundle.exists() and folder.read_metadata(bundle) is None:
        raise UserError(f"{bundle} exists and `tfgan2 export` did not write it: move it away")
    with written_atomically(bundle) as partial:
        partial.mkdir()
        _fill(partial, artifacts, exporters)
    with written_atomically(out_dir / f"{NAME}.zip") as partial:
        zip_folder(bundle, partial)


def _fill(bundle: Path, artifacts: Sequence[Artifact], exporters: Mapping[str, Exporter]) -> None:
    for artifact in artifacts:
        copy = shutil.copytree if artifact.path.is_dir() else shutil.copyfile
        copy(artifact.path, bundle / artifact.path.name)
    description = next(iter(exporters.values())).description
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
    words = None
    encoder = exporters.get("text_encoder")
    if encoder is not None:
        facts = encoder.description
        texts["vocabulary.txt"] = "".join(f"{word}\n" for word in facts["vocabulary"])
        example = description["captions"][0]
        numbers = encode_words([example], facts["vocabulary"], facts["caption_length"])
        words = numbers[0].tolist(), example
    texts["README.md"] = readme({**description, "artefacts": entries}, words)
    for name, text in texts.items():
        if text:
            (bundle / name).write_text(text, encoding="utf-8")
    (bundle / SAMPLES).mkdir()
    for name, exporter in exporters.items():
        if exporter.spec.output_name == "image":
            own = [artifact for artifact in artifacts if artifact.network == name]
            _write_samples(bundle / SAMPLES, own, exporter, encoder)


def _write_samples(
    samples: Path, artifacts: Sequence[Artifact], exporter: Exporter, encoder: Exporter | None
) -> None:
    """Draws what each file computes from the same inputs."""
    spec = exporter.spec
    inputs = draw_inputs(spec, SAMPLE_COUNT, exporter.options.seed, verify=True)
    if "text" in inputs and encoder is not None:
        captions = spec.facts["captions"]
        texts = [captions[i % len(captions)] for i in range(SAMPLE_COUNT)]
        facts = encoder.description
        words = encode_words(texts, facts["vocabulary"], facts["caption_length"])
        inputs["text"] = reference(encoder.spec, {"words": words})
    for name in ("input", "mask"):
        if name in inputs:  # the README's code reads it
            image = inputs[name][0] * 2.0 - 1.0 if name == "mask" else inputs[name][0]
            to_pil(to_uint8(image)).save(samples / f"{exporter.name}-{name}.png")
    columns = label_columns(len(spec.class_names))
    for artifact in artifacts:
        with quiet():
            images = open_artifact(artifact.path)(inputs)
        if "input" in inputs and not is_points(images.shape):
            images, columns = side_by_side(inputs["input"], images), 2
        save_grid(samples / f"{artifact.path.name}.png", images, columns=columns)


def zip_folder(source: Path, archive: Path) -> None:
    """Packs a folder as "bundle"; order, dates and permissions do not depend on this machine."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        names = sorted(
            item.relative_to(source).as_posix() for item in source.rglob("*") if item.is_file()
        )
        for name in names:
            entry = zipfile.ZipInfo(f"{NAME}/{name}", _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, (source / name).read_bytes())
