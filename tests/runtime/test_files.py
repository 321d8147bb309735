"""Files that are missing, strange, damaged or changed."""

from __future__ import annotations

import json
import re
import zipfile

import numpy as np
import pytest

from tfgan2 import runtime
from tfgan2.errors import UserError
from tfgan2.runtime.container import read_sealed, seal


def refused(path, message):
    with pytest.raises(UserError, match=message) as error:
        runtime.load(path)
    assert "\n" not in str(error.value)


@pytest.fixture
def alone(conditional, name, tmp_path):
    """The file without a metadata.json beside it."""
    path = tmp_path / name
    path.write_bytes((conditional / name).read_bytes())
    assert runtime.load(path).generate(1).shape == (1, 8, 8, 3)
    return path


@pytest.mark.parametrize("part", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_truncated(alone, part):
    content = alone.read_bytes()
    alone.write_bytes(content[: int(len(content) * part)])
    refused(alone, "is not an? |damaged|no tfgan2 metadata")


def test_truncated_by_a_little(alone):
    content = alone.read_bytes()
    for missing in range(1, 200, 7):
        alone.write_bytes(content[:-missing])
        refused(alone, "is not an? |damaged|no tfgan2 metadata")


def test_truncated_at_the_end_of_the_model(alone):
    """Where the model is whole, and runs, but nothing says what it is."""
    content = alone.read_bytes()
    alone.write_bytes(content[: runtime.read_metadata(alone)["model_bytes"]])
    refused(alone, "has no tfgan2 metadata")


def test_changed_bytes_of_the_model(alone):
    content = alone.read_bytes()
    size = runtime.read_metadata(alone)["model_bytes"]
    for position in np.random.default_rng(0).integers(0, size, 100):
        changed = bytearray(content)
        changed[position] ^= 0x41
        alone.write_bytes(changed)
        refused(alone, "damaged|no tfgan2 metadata")


def test_changed_bytes_of_the_metadata(alone):
    content = alone.read_bytes()
    size = runtime.read_metadata(alone)["model_bytes"]
    for position in range(size, len(content), 11):
        changed = bytearray(content)
        changed[position] ^= 0xFF
        alone.write_bytes(changed)
        try:  # a digit of a version number is no matter, a crash is
            runtime.load(alone)
        except UserError as error:
            assert "\n" not in str(error)


def test_the_neighbouring_metadata_tells_a_change(conditional, name, tmp_path):
    path = tmp_path / name
    path.write_bytes((conditional / name).read_bytes())
    listing = (conditional / "metadata.json").read_text()
    (tmp_path / "metadata.json").write_text(listing)
    runtime.load(path)
    # A whole file that is another one: only the sha256 can tell.
    model = path.read_bytes()[: runtime.read_metadata(path)["model_bytes"]]
    other = {**runtime.read_metadata(path), "about": {"step": 9}}
    path.write_bytes(seal(model, other, path.suffix[1:]))
    refused(path, "file is damaged or was changed: .* metadata.json beside it lists")
    # Not listed there: no one's to judge.
    listing = json.loads(listing)
    listing["artefacts"] = []
    (tmp_path / "metadata.json").write_text(json.dumps(listing))
    runtime.load(path)
    for strange in ("", "[]", '{"artefacts": 3}', '{"artefacts": [1]}'):
        (tmp_path / "metadata.json").write_text(strange)
        runtime.load(path)


def test_wrong_kinds_of_files(tmp_path):
    refused(tmp_path / "none.onnx", "does not exist")
    (tmp_path / "saved_model").mkdir()
    refused(tmp_path / "saved_model", r"is a folder: this needs a \.onnx or \.tflite file")
    (tmp_path / "x.h5").write_text("")
    refused(tmp_path / "x.h5", r"unknown kind: this needs a \.onnx or \.tflite file")
    for suffix, kind in ((".onnx", "an ONNX"), (".tflite", "a TFLite")):
        (tmp_path / f"text{suffix}").write_text("Not a model at all, but a text of some length.")
        refused(tmp_path / f"text{suffix}", f"is not {kind} file$")


def test_a_model_that_the_library_refuses(conditional, name, tmp_path):
    path = tmp_path / name
    metadata = runtime.read_metadata(conditional / name)
    path.write_bytes(seal(b"\x00" * 64 if name.endswith("tflite") else b"", metadata, name[10:]))
    refused(path, "cannot run")


def test_metadata_that_says_too_little_or_too_new(conditional, name, tmp_path):
    path = tmp_path / name
    metadata = runtime.read_metadata(conditional / name)
    model = (conditional / name).read_bytes()[: metadata["model_bytes"]]
    path.write_bytes(seal(model, {**metadata, "tfgan2_format": 2}, name[10:]))
    refused(path, "metadata of format 2, this tfgan2 reads 1")
    for key in ("latent", "class_names", "inputs", "outputs", "batch"):
        less = {k: v for k, v in metadata.items() if k != key}
        path.write_bytes(seal(model, less, name[10:]))
        refused(path, "its metadata is incomplete")


def test_seal_leaves_the_model_as_it_is(tmp_path):
    model = bytes(range(256)) * 3
    for model_format in ("tflite", "onnx"):
        # Only a protobuf message can be read to its end: here an unknown field that holds it.
        body = model if model_format == "tflite" else b"\xfa\x01\x80\x06" + model
        sealed = seal(body, {"tfgan2_format": 1, "é": [None, 1.5]}, model_format)
        assert sealed.startswith(body)
        assert sealed == seal(body, {"tfgan2_format": 1, "é": [None, 1.5]}, model_format)
        (tmp_path / f"x.{model_format}").write_bytes(sealed)
        _, read = read_sealed(tmp_path / f"x.{model_format}")
        assert (read["é"], read["model_bytes"]) == ([None, 1.5], len(body))
    (tmp_path / "x.tflite").write_bytes(seal(model, {"tfgan2_format": 1}, "tflite"))
    with zipfile.ZipFile(tmp_path / "x.tflite") as archive:
        assert archive.namelist() == ["metadata.json"]


def test_a_zip_without_our_metadata(tmp_path):
    path = tmp_path / "x.tflite"
    path.write_bytes(b"\0\0\0\0TFL3")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.txt", "cat")
    refused(path, "has no tfgan2 metadata: `tfgan2 export` did not make it")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "[1, 2]")
    refused(path, re.escape("its metadata cannot be read"))


def test_the_inputs_say_what_a_file_is(conditional, name, tmp_path):
    path = tmp_path / name
    metadata = runtime.read_metadata(conditional / name)
    model = (conditional / name).read_bytes()[: metadata["model_bytes"]]
    assert isinstance(runtime.load(conditional / name), runtime.Generator)
    inputs = [{"name": "input", "shape": [None, 8, 8, 3]}]
    path.write_bytes(seal(model, {**metadata, "inputs": inputs}, name[10:]))
    assert isinstance(runtime.load(path), runtime.Translator)
    inputs = [{"name": "words", "shape": [None, 3]}]
    path.write_bytes(seal(model, {**metadata, "inputs": inputs}, name[10:]))
    refused(path, "encodes texts: give the generator beside it")
