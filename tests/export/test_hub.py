"""Bundles go to a hub and come back as they were, and nothing else does."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers import make_small
from hub_server import OWNER, TOKEN, Hub, serve

from tfgan2 import runtime
from tfgan2.export import Options, export_networks, model_specs

pytest.importorskip("huggingface_hub")

MAIN = "from tfgan2.cli import main; main()"
REPO = f"{OWNER}/digits"
Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = make_small("cgan")
    options = Options(images=16, bundle=True, licence="cc0-1.0")
    folder = tmp_path_factory.mktemp("exported")
    specs = model_specs(model, ["cat", "dog", "7"], options)
    export_networks(specs, folder, options, about={"flavour": "cgan", "dataset": "digits"})
    return folder / "bundle"


@pytest.fixture
def bundle(exported: Path, tmp_path: Path) -> Path:
    return shutil.copytree(exported, tmp_path / "bundle")


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve() as running:
        yield running


@pytest.fixture
def run(hub: Hub, tmp_path: Path) -> Run:
    """Runs a command that uses the stand-in; returns its exit code and what it printed."""

    def run(*words: str | Path, **environment: str) -> tuple[int, str]:
        own = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HOME": str(tmp_path / "home")}
        ran = subprocess.run(
            [sys.executable, "-c", MAIN, *map(str, words)],
            cwd=tmp_path,
            env={**os.environ, **own, **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )
        return ran.returncode, ran.stdout + ran.stderr

    return run


def last_line(output: str) -> str:
    return output.strip().splitlines()[-1]


def test_there_and_back(hub: Hub, bundle: Path, tmp_path: Path, run: Run) -> None:
    (bundle / "diary.txt").write_text("not for others")
    code, output = run("push", bundle, "--repo", "digits")
    assert code == 0, output
    assert f"{hub.url}/{REPO}" in output and f"tfgan2 pull {REPO}" in output
    stored = hub.repos[REPO]
    assert "diary.txt" not in stored and not hub.private[REPO]
    assert (
        stored["saved_model/saved_model.pb"] == (bundle / "saved_model/saved_model.pb").read_bytes()
    )
    (card,) = hub.cards
    assert card["license"] == "cc0-1.0" and card["library_name"] == "tfgan2"
    assert card["datasets"] == ["digits"] and "cgan" in card["tags"]

    stored["model.pkl"] = pickle.dumps("code")
    stored["samples/generator-input.png"] = b"what the card's code reads"
    stored["samples/other.png"] = b"of others"
    code, output = run("pull", REPO)
    assert code == 0, output
    pulled = tmp_path / "digits"
    names = {path.name for path in pulled.iterdir()}
    files = {"generator.tflite", "generator.onnx"}
    assert names == files | {"metadata.json", "parity.json", "labels.txt", "README.md", "samples"}
    samples = {path.name: path.read_bytes() for path in (pulled / "samples").iterdir()}
    shown = {f"{name}.png" for name in files}
    assert samples.keys() == shown | {"generator-input.png"}
    assert all(samples[name] == (bundle / "samples" / name).read_bytes() for name in shown)
    metadata = json.loads((pulled / "metadata.json").read_text())
    assert {item["file"] for item in metadata["artefacts"]} == files
    for name in files:
        one, other = (runtime.load(folder / name) for folder in (bundle, pulled))
        np.testing.assert_array_equal(*(each.generate(4, label="7") for each in (one, other)))
        assert f"tfgan2 generate digits/{name}" in output


def test_a_private_repository_of_an_organisation_is_updated(
    hub: Hub, bundle: Path, run: Run
) -> None:
    words = ("push", bundle, "--repo", "lab/cats", "--private")
    assert run(*words)[0] == 0 and hub.private["lab/cats"]
    stored = hub.repos["lab/cats"]
    uploaded = set(stored)
    stored["README.md"] = b"an older card"
    others = {"notes.txt", "samples/mine.png", "other.onnx"}
    for name in (*others, "vocabulary.txt", "generator.int8.tflite", "samples/generator-input.png"):
        stored[name] = b"of an earlier bundle, or of others"
    assert run(*words)[0] == 0
    assert stored["README.md"] == (bundle / "README.md").read_bytes()
    assert set(stored) == uploaded | others


def damage_file(files: dict[str, bytes]) -> None:
    content = files["generator.tflite"]
    files["generator.tflite"] = content[:100] + bytes([content[100] ^ 1]) + content[101:]


def list_elsewhere(files: dict[str, bytes]) -> None:
    files["metadata.json"] = files["metadata.json"].replace(
        b'"file": "generator.onnx"', b'"file": "../generator.onnx"'
    )


def leave_saved_model(files: dict[str, bytes]) -> None:
    metadata = json.loads(files["metadata.json"])
    kept = [item for item in metadata["artefacts"] if item["format"] == "saved_model"]
    files["metadata.json"] = json.dumps({**metadata, "artefacts": kept}).encode()


@pytest.mark.parametrize(
    "change, message",
    [
        (damage_file, "damaged or was changed: the sha256 of"),
        (lambda files: files.pop("generator.onnx"), "generator.onnx does not exist"),
        (lambda files: files.pop("metadata.json"), f"{REPO} was not made by `tfgan2 push`"),
        (lambda files: files.update({"metadata.json": b"[]"}), "was not made by `tfgan2 push`"),
        (list_elsewhere, f"metadata.json of {REPO} is damaged"),
        (leave_saved_model, f"{REPO} has no .tflite or .onnx file"),
    ],
)
def test_what_is_wrong_is_not_kept(
    hub: Hub,
    exported: Path,
    tmp_path: Path,
    run: Run,
    change: Callable[[dict[str, bytes]], object],
    message: str,
) -> None:
    files = [path for path in exported.rglob("*") if path.is_file()]
    hub.repos[REPO] = {path.relative_to(exported).as_posix(): path.read_bytes() for path in files}
    change(hub.repos[REPO])
    code, output = run("pull", REPO)
    assert code == 2 and message in last_line(output)
    assert not (tmp_path / "digits").exists() and not list(tmp_path.glob(".digits*"))
    assert not (tmp_path / "generator.onnx").exists()


@pytest.mark.parametrize(
    "words, environment, message",
    [
        ("push bundle --repo digits", {"HF_TOKEN": "hf_other"}, "no access: log in with"),
        ("push bundle --repo a/b/c", {}, "cannot upload to a/b/c: Repo id must be"),
        ("push . --repo digits", {}, ". is no bundle: write one with"),
        ("pull somebody/else", {}, "there is no such repository or revision, or it is private"),
        ("pull somebody/else", {"HF_ENDPOINT": "http://127.0.0.1:9"}, "cannot be reached"),
        ("pull somebody/else --out bundle", {}, "bundle exists: choose another folder"),
    ],
)
def test_refusals(
    bundle: Path, run: Run, words: str, environment: dict[str, str], message: str
) -> None:
    code, output = run(*words.split(), **environment)
    assert code == 2
    assert last_line(output).startswith("error: ") and message in last_line(output)


def test_a_changed_bundle_stays_here(hub: Hub, bundle: Path, run: Run) -> None:
    with (bundle / "generator.tflite").open("ab") as file:
        file.write(b"more")
    code, output = run("push", bundle, "--repo", "digits")
    assert code == 2 and "generator.tflite is missing or was changed" in output
    assert not hub.repos
