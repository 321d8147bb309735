"""POST /generate and GET /generate.png."""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from starlette.exceptions import HTTPException

from tfgan2 import runtime
from tfgan2.images import to_uint8
from tfgan2.inputs.latents import draw_latents
from tfgan2.serve.responses import negotiate

NPZ = {"Accept": "application/x-npz"}
JSON = {"Content-Type": "application/json"}


def arrays(answer):
    assert answer.status_code == 200, answer.text
    return dict(np.load(io.BytesIO(answer.content)))


def picture(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def refused(answer, status, message):
    assert answer.status_code == status
    assert message in answer.json()["detail"]
    assert "\n" not in answer.json()["detail"]


def test_arrays_are_those_of_the_runtime(client, generators):
    wish = {"count": 5, "seed": 3, "label": ["dog", 0]}
    answer = client.post("/generate", json=wish, headers=NPZ)
    assert answer.headers["content-type"] == "application/x-npz"
    made = arrays(answer)
    generator = runtime.load(generators / "generator.onnx")
    latents, labels, _ = generator.draw(5, seed=3, label=["dog", 0])
    images = generator(latents, labels)
    np.testing.assert_array_equal(made["images"], to_uint8(images))
    np.testing.assert_array_equal(made["latents"], latents)
    np.testing.assert_array_equal(made["labels"], labels)
    other = client.post("/generate", json=wish, headers={"Accept": "application/octet-stream"})
    assert other.headers["content-type"] == "application/octet-stream"
    assert other.content == answer.content


def test_one_image_is_that_image(client):
    made = arrays(client.post("/generate", json={"seed": 7, "label": "cat"}, headers=NPZ))
    shown = picture(client.get("/generate.png?seed=7&label=cat"))
    np.testing.assert_array_equal(shown, made["images"][0])
    assert client.post("/generate", json={"seed": 7, "label": "cat"}).content == (
        client.get("/generate.png", params={"seed": 7, "label": "cat"}).content
    )
    assert not np.array_equal(shown, picture(client.get("/generate.png?seed=8&label=cat")))
    assert not np.array_equal(shown, picture(client.get("/generate.png?seed=7&label=dog")))


def test_a_grid(client):
    wide = picture(client.get("/generate.png?count=6"))  # a column for each of three classes
    tall = picture(client.get("/generate.png?count=6&columns=2"))
    assert wide.shape == tall.transpose(1, 0, 2).shape
    assert wide.shape[0] < wide.shape[1]
    assert picture(client.get("/generate.png?count=2&columns=64")).shape[1] < wide.shape[1]


def test_a_zip(client):
    wish = {"count": 3, "seed": 1}
    answer = client.post("/generate", json=wish, headers={"Accept": "application/zip"})
    assert answer.headers["content-type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.namelist() == ["00000.png", "00001.png", "00002.png"]
    expected = arrays(client.post("/generate", json=wish, headers=NPZ))["images"]
    for name, image in zip(archive.namelist(), expected, strict=True):
        np.testing.assert_array_equal(Image.open(archive.open(name)), image)


def test_given_latents(client, generators, monkeypatch):
    z = draw_latents(3, 6, seed=9)
    monkeypatch.setattr("tfgan2.runtime.generator.draw_latents", None)  # none are drawn beside them
    wish = {"latents": z.tolist(), "label": 2}
    made = arrays(client.post("/generate", json=wish, headers=NPZ))
    images = runtime.load(generators / "generator.onnx")(z, np.array([2, 2, 2]))
    np.testing.assert_array_equal(made["images"], to_uint8(images))
    np.testing.assert_array_equal(made["latents"], z)


@pytest.mark.parametrize("name", ["generator.onnx", "generator.tflite"])
def test_the_same_seed_gives_the_same_bytes_whoever_else_asks(generators, serving, name):
    wishes = [{"seed": n % 5, "count": 1 + n % 4, "label": n % 3} for n in range(60)]
    with serving(generators / name, max_batch=8) as client:

        def ask(wish):
            return client.post("/generate", json=wish).content

        alone = [ask(wish) for wish in wishes]
        with ThreadPoolExecutor(12) as pool:
            together = list(pool.map(ask, wishes))
        metrics = client.get("/metrics").text
    assert together == alone
    runs, images = (
        float(next(line.split()[1] for line in metrics.splitlines() if line.startswith(start)))
        for start in ("tfgan2_batch_images_count", "tfgan2_batch_images_sum")
    )
    assert images == 2 * sum(wish["count"] for wish in wishes)
    if name == "generator.onnx":
        assert runs < 2 * len(wishes)  # alone, each was a batch
    else:
        assert runs == images


WRONG = {
    "no json": ("{", "JSON"),
    "no object": ("[]", "body"),
    "count 0": ('{"count": 0}', "greater than or equal to 1"),
    "count too large": ('{"count": 65}', "less than or equal to 64"),
    "huge count": (f'{{"count": {10**30}}}', "body.count"),
    "longest count": (f'{{"count": {"9" * 6000}}}', "error parsing the body"),
    "count as text": ('{"count": "5"}', "body.count"),
    "count as a truth": ('{"count": true}', "body.count"),
    "seed": ('{"seed": -1}', "greater than or equal to 0"),
    "label": ('{"label": "catt"}', "unknown label 'catt': did you mean 'cat'?"),
    "label number": ('{"label": 3}', "unknown label '3'"),
    "no label": ('{"label": []}', "body.label"),
    "text": ('{"text": "a picture"}', "Extra inputs"),
    "unknown field": ('{"sede": 1}', "Extra inputs"),
    "short latent": ('{"latents": [[1, 2]]}', "at least 6"),
    "no latents": ('{"latents": []}', "at least 1"),
    "nan": ('{"latents": [[1, 2, 3, 4, 5, NaN]]}', "finite"),
    "infinite as float32": ('{"latents": [[1, 2, 3, 4, 5, 1e300]]}', "finite"),
    "latents and seed": ('{"latents": [[1, 2, 3, 4, 5, 6]], "seed": 1}', "either latents or count"),
    "deep": ('{"latents": ' + "[" * 50_000 + "]" * 50_000 + "}", ""),
    "no utf-8": (b'{"label": "\xff"}', ""),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_wishes(client, case):
    content, message = WRONG[case]
    answer = client.post("/generate", content=content, headers=JSON)
    assert answer.status_code in (400, 422)
    assert message in answer.json()["detail"]
    assert "\n" not in answer.json()["detail"]


def test_what_is_no_json_object_is_said_so(client):
    refused(client.post("/generate", content=b"{", headers=JSON), 400, "the body is not JSON: ")
    form = client.post("/generate", data={"count": 1})
    for answer in (form, client.post("/generate"), client.post("/generate", json=[1])):
        refused(answer, 422, "no JSON object: send one with Content-Type: application/json")
    answer = client.post("/generate", json={}, headers={"Accept": "application/json"})
    refused(answer, 406, "Accept names no type that this address returns: image/png, ")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("count=1000000", "less than or equal to 64"),
        ("count=x", "query.count"),
        ("seed=1.5", "query.seed"),
        ("label=cow", "unknown label 'cow'"),
        ("sede=1", "Extra inputs"),
        ("latents=1", "Extra inputs"),
    ],
)
def test_wrong_queries(client, query, message):
    refused(client.get(f"/generate.png?{query}"), 422, message)


def test_other_files_take_other_fields(plain, worded, serving):
    with serving(plain) as client:
        assert picture(client.get("/generate.png?seed=1")).shape == (8, 8, 3)
        refused(client.get("/generate.png?label=cat"), 422, "Extra inputs")
    with serving(worded) as client:
        default = picture(client.get("/generate.png?seed=1"))  # the first caption
        named = picture(client.get("/generate.png?seed=1&text=A+dark+picture."))
        other = picture(client.get("/generate.png?seed=1&text=a+bright+picture"))
        np.testing.assert_array_equal(default, named)
        assert not np.array_equal(default, other)
        refused(client.post("/generate", json={"text": "nothing"}), 422, "no word of 'nothing'")
        refused(client.post("/generate", json={"text": "a" * 1001}), 422, "1000 characters")


def test_points(tmp_path_factory, serving):
    import keras

    from tfgan2.export import Options, export_generator

    z = keras.Input((2,), name="z")
    points = keras.layers.Reshape((1, 1, 2))(keras.layers.Dense(2)(z))
    folder = tmp_path_factory.mktemp("points")
    export_generator(keras.Model(z, points), folder, Options(["onnx"], images=16))
    with serving(folder / "generator.onnx") as client:
        made = arrays(client.post("/generate", json={"count": 3}, headers=NPZ))
        assert made["points"].shape == (3, 2)
        assert picture(client.get("/generate.png?count=50")).shape[0] == 600
        assert picture(client.get("/generate.png")).shape[0] == 600
        answer = client.post("/generate", json={}, headers={"Accept": "application/zip"})
        refused(answer, 406, "image/png")


def test_a_model_without_finite_images_is_told(tmp_path_factory, serving):
    import keras

    from tfgan2.export import Options, export_generator

    z = keras.Input((2,), name="z")
    x = keras.layers.Dense(12, kernel_initializer="ones")(z)
    x = keras.layers.Reshape((2, 2, 3))(x)
    folder = tmp_path_factory.mktemp("exploding")
    export_generator(keras.Model(z, x), folder, Options(["onnx"], images=16))
    with serving(folder / "generator.onnx") as client:
        refused(client.post("/generate", json={"latents": [[3e38, 3e38]]}), 422, "are not finite")
        assert picture(client.get("/generate.png")).shape == (2, 2, 3)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "image/png"),
        ("", "image/png"),
        ("*/*", "image/png"),
        ("image/*", "image/png"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "image/png"),
        ("application/*", "application/zip"),
        ("image/png;q=0.5, application/x-npz", "application/x-npz"),
        ("IMAGE/PNG; q=0.1, application/zip; q=0.2", "application/zip"),
        ("application/octet-stream", "application/octet-stream"),
        ("image/png;q=0, */*;q=0.1", "application/zip"),
        ("*/*, application/*;q=0.5, image/png;q=0.2", "application/zip"),
        ("text/html", None),
        ("image/png;q=0", None),
        ("image/png;q=x", None),
        ("image/png;q=nan", None),
        (",;=,", None),
    ],
)
def test_accept(accept, expected):
    if expected is None:
        with pytest.raises(HTTPException, match="this address returns: image/png"):
            negotiate(accept)
    else:
        assert negotiate(accept) == expected


def test_a_file_of_any_name(generators, serving, tmp_path):
    name = os.fsdecode(b"g[1]\\\n\"'<odd>{{x}}\xff.onnx")
    (tmp_path / "a*b").mkdir()
    file = shutil.copyfile(generators / "generator.onnx", tmp_path / "a*b" / name)
    with serving(file) as client:
        addresses = "/openapi.json", "/metadata", "/page/", "/page/model.json", "/generate.png"
        assert {client.get(address).status_code for address in addresses} == {200}
        assert "<odd>" not in client.get("/page/").text


@pytest.mark.parametrize("kind", ["styles", "latents"])
def test_truncation(kind, truncating, serving):
    path = truncating[kind]
    generator = runtime.load(path)
    with serving(path) as client:
        for truncation in (None, 0.0, 0.5):
            body = {"count": 3, "seed": 4}
            body |= {} if truncation is None else {"truncation": truncation}
            made = arrays(client.post("/generate", json=body, headers=NPZ))
            expected = generator.generate(3, seed=4, truncation=truncation)
            np.testing.assert_array_equal(made["images"], to_uint8(expected))
            np.testing.assert_array_equal(made["latents"], generator.draw(3, seed=4)[0])
        given = {"latents": made["latents"].tolist(), "truncation": 0.5}
        again = arrays(client.post("/generate", json=given, headers=NPZ))
        np.testing.assert_array_equal(again["images"], made["images"])
        refused(client.post("/generate", json={"truncation": -1}), 422, "truncation")
        first = client.get("/generate.png?truncation=0&seed=1").content
        assert first == client.get("/generate.png?truncation=0&seed=2").content
        assert first != client.get("/generate.png?truncation=1&seed=2").content
    with serving(path.with_suffix(".tflite")) as client:
        assert 'id="truncation"' in client.get("/").text


def test_no_truncation(client):
    refused(client.post("/generate", json={"truncation": 0.5}), 422, "truncation")
