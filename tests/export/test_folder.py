"""The export folder: which files stay, which are removed, which are never touched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tfgan2.errors import UserError
from tfgan2.export import ExportSpec, Options, export_generator, export_networks
from tfgan2.export import folder as export_folder
from tfgan2.runtime.container import sha256_of


@pytest.fixture
def folder(plain, tmp_path):
    """A copy of `plain`'s folder that tests may change."""
    return Path(shutil.copytree(plain.folder, tmp_path / "export"))


ABOUT = {"flavour": "dcgan", "dataset": "digits", "step": 7}


def listed(folder):
    return [
        item["file"] for item in json.loads((folder / "metadata.json").read_text())["artefacts"]
    ]


def check_consistent(folder):
    """The folder holds exactly the described files, with their sha256."""
    artefacts = json.loads((folder / "metadata.json").read_text())["artefacts"]
    assert {item["file"]: item["sha256"] for item in artefacts} == {
        path.name: sha256_of(path) for path in folder.iterdir() if path.name != "metadata.json"
    }


def test_same_weights_add_to_what_is_there(plain, folder):
    before = sha256_of(folder / "generator.onnx")
    export_generator(plain.generator, folder, Options(["tflite"], ["float16"]), about=ABOUT)
    assert listed(folder) == [
        "saved_model",
        "generator.tflite",
        "generator.float16.tflite",
        "generator.onnx",
    ]
    assert sha256_of(folder / "generator.onnx") == before
    check_consistent(folder)


def test_other_weights_leave_nothing_stale(make_generator, folder):
    old = json.loads((folder / "metadata.json").read_text())
    export_generator(make_generator(seed=3), folder, Options(["onnx"]), about=ABOUT)
    new = json.loads((folder / "metadata.json").read_text())
    assert new["weights_sha256"] != old["weights_sha256"]
    assert listed(folder) == ["generator.onnx"]
    check_consistent(folder)


def test_another_description_counts_as_stale(plain, folder):
    export_generator(plain.generator, folder, Options(["onnx"]), about={**ABOUT, "step": 8})
    assert listed(folder) == ["generator.onnx"]
    check_consistent(folder)


def test_a_damaged_artefact_does_not_stay(plain, folder):
    with (folder / "generator.tflite").open("ab") as file:
        file.write(b"x")
    export_generator(plain.generator, folder, Options(["onnx"]), about=ABOUT)
    assert listed(folder) == ["saved_model", "generator.onnx"]
    check_consistent(folder)


def test_a_failed_export_changes_nothing(make_generator, folder, monkeypatch):
    from tfgan2.export import onnx_file

    before = sha256_of(folder)
    monkeypatch.setattr(onnx_file, "convert", lambda *_: b"")
    with pytest.raises(UserError):
        export_generator(make_generator(seed=3), folder, Options(["saved_model", "onnx"]))
    assert sha256_of(folder) == before


def write_package(path, metadata):
    """Writes what an export recognises as its own Core ML package."""
    model = path / "Data" / "com.apple.CoreML" / "model.mlmodel"
    model.parent.mkdir(parents=True)
    model.write_bytes(b"\x0a" + metadata + b"\x12")


def test_packages_of_networks_of_other_names_do_not_stay(plain, make_generator, tmp_path):
    options = Options(["onnx"], images=16)
    export_networks({"a_to_b": ExportSpec(plain.generator)}, tmp_path, options, about=ABOUT)
    write_package(tmp_path / "a_to_b.mlpackage", (tmp_path / "metadata.json").read_bytes())
    write_package(tmp_path / "mine.mlpackage", b"no metadata of an export")
    # An export to Core ML alone lists no files.
    (tmp_path / "a_to_b.onnx").unlink()
    metadata = json.loads((tmp_path / "metadata.json").read_text())
    (tmp_path / "metadata.json").write_text(json.dumps({**metadata, "artefacts": []}))
    export_generator(make_generator(seed=3), tmp_path, options, about=ABOUT)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("metadata.json", "generator.onnx", "mine.mlpackage"),
    }


def test_what_stands_beside_the_files_has_their_weights(plain, make_generator, tmp_path):
    out = tmp_path / "export"
    options = Options(["onnx", "web"], bundle=True, layouts=["triton"], images=16)
    export_generator(plain.generator, out, options, about=ABOUT)
    write_package(out / "generator.mlpackage", (out / "metadata.json").read_bytes())
    for name in ("notes.txt", "web-mine/index.html", "triton/other/1/model.onnx"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("mine")
    before = {path for path in out.rglob("*") if path.is_file()}
    assert {out / "bundle.zip", out / "web" / "index.html"} <= before
    export_generator(plain.generator, out, Options(["onnx"], images=16), about=ABOUT)
    assert {path for path in out.rglob("*") if path.is_file()} == before
    export_generator(make_generator(seed=3), out, Options(["onnx"], images=16), about=ABOUT)
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == {
        *("metadata.json", "generator.onnx"),
        *("notes.txt", "web-mine/index.html", "triton/other/1/model.onnx"),
    }


def test_a_bundle_that_cannot_be_written_changes_nothing(make_generator, folder, monkeypatch):
    from tfgan2.export import bundle

    def full(source, archive):
        raise OSError(28, "No space left on device")

    before = sha256_of(folder)
    monkeypatch.setattr(bundle, "zip_folder", full)
    with pytest.raises(UserError, match="No space left"):
        export_generator(make_generator(seed=3), folder, Options(["onnx"], bundle=True, images=16))
    assert sha256_of(folder) == before


def test_breaking_off_while_files_are_moved_describes_nothing_false(
    make_generator, folder, monkeypatch
):
    real = export_folder.written_atomically

    def breaks_at_onnx(path):
        if path.name == "generator.onnx":
            raise KeyboardInterrupt
        return real(path)

    monkeypatch.setattr(export_folder, "written_atomically", breaks_at_onnx)
    with pytest.raises(KeyboardInterrupt):
        export_generator(make_generator(seed=3), folder, Options(["saved_model", "onnx"]))
    assert listed(folder) == []
    assert not list(folder.glob(".partial*"))


def test_other_peoples_files_are_left_alone(plain, tmp_path):
    (tmp_path / "generator.onnx").write_text("mine")
    for formats in (["onnx"], ["saved_model"]):
        with pytest.raises(UserError, match=r"generator\.onnx exists .* choose another folder"):
            export_generator(plain.generator, tmp_path, Options(formats))
    (tmp_path / "generator.onnx").rename(tmp_path / "notes.txt")
    (tmp_path / "metadata.json").write_text('{"mine": true}')
    with pytest.raises(UserError, match=r"metadata\.json exists"):
        export_generator(plain.generator, tmp_path, Options(["onnx"]))
    (tmp_path / "metadata.json").unlink()
    export_generator(plain.generator, tmp_path, Options(["onnx"]))
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "name", ["bundle", "bundle.zip", "generator.mlpackage", "triton/generator"]
)
def test_other_peoples_folders_are_left_alone(make_generator, tmp_path, name):
    (tmp_path / name).mkdir(parents=True)
    before = list(tmp_path.rglob("*"))
    options = Options(["onnx"], bundle=True, layouts=["triton"])
    with pytest.raises(UserError, match=rf"{name} exists .* choose another folder"):
        export_generator(make_generator(), tmp_path, options)
    assert list(tmp_path.rglob("*")) == before


def test_out_is_a_file(plain, tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(UserError, match="is a file: give a folder"):
        export_generator(plain.generator, tmp_path / "x")


def test_a_foreign_listing_reaches_no_other_folder(plain, folder):
    outside = folder.parent / "mine.onnx"
    outside.write_text("not an export's")
    metadata = json.loads((folder / "metadata.json").read_text())
    metadata["weights_sha256"] = "of other weights, so that what is listed goes"
    metadata["artefacts"].append({"network": "../mine", "file": "../mine.onnx"})
    (folder / "metadata.json").write_text(json.dumps(metadata))
    export_generator(plain.generator, folder, Options(["onnx"]), about=ABOUT)
    assert outside.read_text() == "not an export's"
