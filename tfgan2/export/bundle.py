"""A folder, and a zip of it, with all that an app's author needs of an export.

bundle/
    README.md            tensors, ranges, figures, and code in four languages
    metadata.json        as in the export folder, of the files of this bundle
    parity.json          how far each file is from Keras, and how fast
    labels.txt           the names of the labels, line by line, where there are labels
    vocabulary.txt       the words, where sentences become images
    samples/             what each file makes of the same inputs, one picture each
    generator.tflite …
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfgan2.errors import UserError
from tfgan2.export import folder
from tfgan2.export.artifact import Artifact
from tfgan2.export.readme import readme
from tfgan2.export.workshop import Workshop
from tfgan2.files import written_atomically
from tfgan2.images import is_points, save_grid, side_by_side
from tfgan2.inputs.labels import label_columns
from tfgan2.inputs.words import encode_words
from tfgan2.runtime.backends import in_batches
from tfgan2.runtime.quiet import quiet

NAME = "bundle"
SAMPLES = "samples"
SHOWN = 16
_DATE = (1980, 1, 1, 0, 0, 0)


def write_bundle(
    out_dir: Path, artifacts: Sequence[Artifact], workshops: Mapping[str, Workshop]
) -> Path:
    """Writes `bundle/` and `bundle.zip` beside the artefacts.

    The zip's bytes depend on the bundle's content alone.

    Args:
        out_dir: the export folder.
        artifacts: what goes in, verified.
        workshops: that made them, by network.

    Returns:
        The zip.

    Raises:
        UserError: something else stands there under these names.
    """
    bundle, archive = out_dir / NAME, out_dir / f"{NAME}.zip"
    if bundle.exists() and folder.read_metadata(bundle) is None:
        raise UserError(f"{bundle} exists and `tfgan2 export` did not write it: move it away")
    with written_atomically(bundle) as partial:
        partial.mkdir()
        _fill(partial, artifacts, workshops)
    with written_atomically(archive) as partial:
        _zip(bundle, partial)
    return archive


def _fill(bundle: Path, artifacts: Sequence[Artifact], workshops: Mapping[str, Workshop]) -> None:
    for artifact in artifacts:
        copy = shutil.copytree if artifact.path.is_dir() else shutil.copyfile
        copy(artifact.path, bundle / artifact.path.name)
    description = next(iter(workshops.values())).description
    listings = [artifact.listing() for artifact in artifacts]
    folder.write_metadata(bundle, description, listings)
    _write_json(
        bundle / "parity.json",
        {
            "versions": description["versions"],
            "files": {
                artifact.path.name: {
                    "precision": artifact.precision,
                    "output": artifact.outputs[0]["dtype"],
                    **artifact.figures(),
                }
                for artifact in artifacts
            },
        },
    )
    _write_lines(bundle / "labels.txt", description["class_names"])
    words = None
    if "text_encoder" in workshops:
        encoder = workshops["text_encoder"].description
        _write_lines(bundle / "vocabulary.txt", encoder["vocabulary"])
        example = description["captions"][0]
        numbers = encode_words([example], encoder["vocabulary"], encoder["caption_length"])
        words = numbers[0].tolist(), example
    (bundle / SAMPLES).mkdir()
    for network, workshop in workshops.items():
        if workshop.subject.output == "image":
            own = [artifact for artifact in artifacts if artifact.network == network]
            _show(bundle / SAMPLES, network, own, workshop, workshops.get("text_encoder"))
    text = readme({**description, "artefacts": listings}, words)
    (bundle / "README.md").write_text(text, encoding="utf-8")


def _show(
    samples: Path,
    network: str,
    artifacts: Sequence[Artifact],
    workshop: Workshop,
    encoder: Workshop | None,
) -> None:
    """Draws what each artefact makes of the same inputs."""
    subject = workshop.subject
    inputs = subject.draw(SHOWN, workshop.options.seed, verify=True)
    if "text" in inputs and encoder is not None:
        captions = [
            subject.facts["captions"][i % len(subject.facts["captions"])] for i in range(SHOWN)
        ]
        told = encoder.description
        words = encode_words(captions, told["vocabulary"], told["caption_length"])
        inputs["text"] = encoder.subject.reference({"words": words})
    for name in ("input", "mask"):
        if name in inputs:  # what the README's code takes
            image = inputs[name][:1] * (2.0 if name == "mask" else 1.0) - (name == "mask")
            _save_picture(samples / f"{network}-{name}.png", image[0])
    columns = label_columns(len(subject.class_names))
    for artifact in artifacts:
        with quiet():
            made = in_batches(workshop.open(artifact.path), inputs, subject.output, artifact.batch)
        if "input" in inputs and not is_points(made.shape):
            made, columns = side_by_side(inputs["input"], made), 2
        save_grid(samples / f"{artifact.path.name}.png", made, columns=columns)


def _save_picture(path: Path, image: np.ndarray) -> None:
    from tfgan2.images import to_pil, to_uint8

    to_pil(to_uint8(image)).save(path)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    if lines:
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _zip(source: Path, archive: Path) -> None:
    """Packs a folder; order, dates and permissions say nothing of this machine."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        names = sorted(
            item.relative_to(source).as_posix() for item in source.rglob("*") if item.is_file()
        )
        for name in names:
            entry = zipfile.ZipInfo(f"{NAME}/{name}", _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, (source / name).read_bytes())
