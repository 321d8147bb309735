"""The files of a page, without a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tfgan2 import runtime, web
from tfgan2.errors import UserError
from tfgan2.inputs.latents import draw_latents
from tfgan2.runtime import Generator
from tfgan2.runtime.backends import Model
from tfgan2.web import ort
from tfgan2.web.directions import DEVIATION, principal_directions, reduced

LINK = re.compile(r"""(?:src|href)="([^"]+)"|from "\./([^"]+)\"""")


@pytest.fixture
def fake_ort(tmp_path: Path) -> Path:
    """A folder like that of the npm package, with short files."""
    folder = tmp_path / "npm" / "node_modules" / "onnxruntime-web" / "dist"
    folder.mkdir(parents=True)
    for name in ort.FILES:
        (folder / name).write_text(f"// {name}")
    return tmp_path / "npm"


def links(files: dict[str, bytes]) -> set[str]:
    found = set()
    for name, content in files.items():
        if name.endswith((".html", ".js")) and not name.startswith(ort.FOLDER):
            for match in LINK.finditer(content.decode()):
                found.add(match[1] or match[2])
    return {link for link in found if not link.startswith("data:")}


def test_everything_linked_is_there_and_relative(labelled, fake_ort):
    files = web.page_files(labelled, fake_ort)
    about = json.loads(files["model.json"])
    asked = links(files) | {item["url"] for item in about["runtime"].values()}
    assert asked | {"index.html", "model.onnx", "model.json"} == set(files)
    assert files["model.onnx"] == labelled.read_bytes()
    assert files[f"ort/{ort.BINARY}"] == b"// " + ort.BINARY.encode()


def test_without_a_runtime_the_cdn_is_named_with_version_and_hashes(labelled):
    files = web.page_files(labelled)
    outside = {link for link in links(files) if ":" in link}
    assert outside == {f"{ort.CDN}/{ort.SCRIPT}"}
    assert f'integrity="{ort.INTEGRITY[ort.SCRIPT]}"' in files["index.html"].decode()
    used = json.loads(files["model.json"])["runtime"]
    assert used["wasm"] == {
        "url": f"{ort.CDN}/{ort.BINARY}",
        "integrity": ort.INTEGRITY[ort.BINARY],
    }
    assert not any(name.startswith(ort.FOLDER) for name in files)


def test_the_hashes_are_those_of_the_npm_package(ort_web):
    folder = ort.find(ort_web)
    package = json.loads((folder.parent / "package.json").read_text())
    assert package["version"] == ort.VERSION
    for name, integrity in ort.INTEGRITY.items():
        digest = hashlib.sha384((folder / name).read_bytes()).digest()
        assert integrity == f"sha384-{base64.b64encode(digest).decode()}"


def test_names_are_escaped(labelled):
    page = web.page_files(labelled)["index.html"].decode()
    assert "<title>cgan · folder:pets &lt;b&gt;</title>" in page
    assert "<b>" not in page.split("<main")[0]
    assert "{{" not in page


def test_the_content_of_model_json(labelled, uniform, told, translators):
    def about(onnx):
        return json.loads(web.page_files(onnx)["model.json"])

    found = about(labelled)
    assert found["metadata"] == runtime.read_metadata(labelled)
    assert len(found["directions"]) == 8
    assert len(about(uniform)["directions"]) == 5
    assert about(translators["fixed"])["directions"] == []

    generator = runtime.load(told)
    captions = about(told)["captions"]
    assert [item["text"] for item in captions] == list(generator.captions)
    encoded = generator.encode(generator.captions)
    made = np.array([item["vector"] for item in captions], np.float32)
    np.testing.assert_array_equal(made, encoded)


def test_directions_of_a_known_generator(tmp_path):
    import keras

    from tfgan2.export import Options, export_generator

    # The generator is linear: its directions are singular vectors, their shares the squares.
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.standard_normal((12, 12)))[0]
    pictures = np.linalg.qr(rng.standard_normal((64, 12)))[0].T
    strengths = 0.3 * 0.7 ** np.arange(12)
    z = keras.Input((12,), name="z")
    dense = keras.layers.Dense(64, use_bias=False)
    generator = keras.Model(z, keras.layers.Reshape((8, 8, 1))(dense(z)))
    dense.set_weights([axes @ np.diag(strengths) @ pictures])
    export_generator(generator, tmp_path, Options(["onnx"], images=16))

    found = principal_directions(runtime.load(tmp_path / "generator.onnx"))
    vectors = np.array([item.vector for item in found])
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(8), atol=1e-9)
    np.testing.assert_allclose(np.abs(vectors @ axes[:, :8]), np.eye(8), atol=1e-3)
    shares = strengths**2 / (strengths**2).sum()
    np.testing.assert_allclose([item.share for item in found], shares[:8], rtol=1e-3)


@pytest.mark.parametrize("name", ["labelled", "uniform", "told"])
def test_directions_change_images_more_than_chance_and_are_reproducible(name, request):
    generator = runtime.load(request.getfixturevalue(name))
    found = principal_directions(generator)
    again = principal_directions(generator)
    for one, other in zip(found, again, strict=True):
        np.testing.assert_array_equal(one.vector, other.vector)
    assert all(item.vector[np.argmax(np.abs(item.vector))] > 0 for item in found)
    shares = [item.share for item in found]
    assert shares == sorted(shares, reverse=True)

    dim, distribution = generator.latent_dim, generator.latent_distribution
    # Other latents than those that gave the directions.
    latents = draw_latents(50, dim, seed=1, distribution=distribution)
    labels, texts = generator.conditions(50)

    def change(vector):
        step = (0.2 * DEVIATION[distribution] * vector).astype(np.float32)
        ends = [generator(latents + sign * step, labels, texts) for sign in (-1, 1)]
        return np.square(ends[1] - ends[0]).mean()

    chance = np.mean([change(x / np.linalg.norm(x)) for x in draw_latents(20, dim, seed=2)])
    assert change(found[0].vector) > 1.2 * chance
    assert change(found[0].vector) > change(found[-1].vector)


@pytest.mark.parametrize(("edge", "latents"), [(64, 4), (128, 1), (256, 0)])
def test_large_generators_are_tried_with_fewer_latents(monkeypatch, edge, latents):
    metadata = {
        "latent": {"dim": 512, "distribution": "normal"},
        "outputs": [{"name": "image", "shape": [None, edge, edge, 1]}],
        "class_names": [],
        "batch": None,
    }

    def brightness(inputs):
        return {"image": np.repeat(inputs["z"][:, :1], edge**2, 1).reshape(-1, edge, edge, 1)}

    counts = []

    def counted(images):
        counts.append(len(images))
        return reduced(images)

    monkeypatch.setattr("tfgan2.web.directions.reduced", counted)
    found = principal_directions(Generator(Model(brightness, metadata)))
    assert sum(counts) == 513 * latents and max(counts, default=0) <= 32
    assert [round(item.share, 4) for item in found[:2]] == [1, 0][: 2 * latents]


def test_sliders_end_where_training_did(labelled, uniform):
    assert {item.limit for item in principal_directions(runtime.load(labelled))} == {3.0}
    for item in principal_directions(runtime.load(uniform)):
        # The corner of the cube of latents that is furthest along it.
        assert item.limit == pytest.approx(min(3 / 3**0.5, np.abs(item.vector).sum()))


def test_images_are_reduced_by_means():
    images = np.arange(2 * 70 * 65 * 1, dtype=np.float32).reshape(2, 70, 65, 1)
    small = reduced(images)
    assert small.shape == (2, 35, 32, 1)
    assert small[1, 2, 3, 0] == images[1, 4:6, 6:8, 0].mean()
    assert reduced(images[:, :20, :33]).shape == (2, 20, 33, 1)


def test_a_page_is_written_whole_or_not_at_all(labelled, fake_ort, tmp_path, monkeypatch):
    folder = tmp_path / "deep" / "page"
    sizes = web.write_page(folder, labelled, fake_ort)
    written = {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert written == sizes
    # The second page replaces the first; it has no runtime.
    web.write_page(folder, labelled)
    assert not (folder / "ort").exists()

    before = (folder / "model.json").read_bytes()
    write, calls = Path.write_bytes, []

    def full(path, content):
        calls.append(path)
        if len(calls) == 4:
            raise OSError(28, "No space left on device", str(path))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match="No space left"):
        web.write_page(folder, labelled, fake_ort)
    assert (folder / "model.json").read_bytes() == before
    assert [path.name for path in folder.parent.iterdir()] == ["page"]


def test_foreign_folders_are_not_touched(labelled, tmp_path):
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(UserError, match="is not a tfgan2 page"):
        web.write_page(tmp_path, labelled)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="is not a tfgan2 page"):
        web.write_page(tmp_path / "file", labelled)
    assert (tmp_path / "index.html").read_text() == "mine"


def test_refusals(labelled, uniform, told, tmp_path):
    def refused(message, *arguments):
        with pytest.raises(UserError, match=message):
            web.page_files(*arguments)

    refused("does not exist", tmp_path / "none.onnx")
    refused("give the .onnx file", uniform.with_suffix(".tflite"))
    refused("encodes texts", told.with_name("text_encoder.onnx"))
    refused("is not a folder", labelled, tmp_path / "none")
    refused("npm install onnxruntime-web", labelled, tmp_path)


@pytest.mark.parametrize(
    ("shape", "message"),
    [((1, 1, 2), "makes points"), ((8, 8, 2), "1, 3 or 4 channels")],
)
def test_points_and_odd_channels_are_refused(shape, message, tmp_path):
    import keras

    from tfgan2.export import Options, export_generator

    z = keras.Input((3,), name="z")
    x = keras.layers.Reshape(shape)(keras.layers.Dense(int(np.prod(shape)))(z))
    export_generator(keras.Model(z, x), tmp_path, Options(["onnx"], images=16))
    with pytest.raises(UserError, match=message):
        web.page_files(tmp_path / "generator.onnx")


def test_import_loads_no_tensorflow():
    code = (
        "import sys, tfgan2.web, tfgan2.export; "
        "assert not {'tensorflow', 'keras', 'onnxruntime'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
