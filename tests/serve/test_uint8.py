"""Files whose graph makes the picture: what is sent is what the graph made."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import onnxruntime
import pytest
from helpers import small_generator
from PIL import Image

from tfgan2.images import grid
from tfgan2.inputs.latents import draw_latents
from tfgan2.runtime.translator import middle_mask


@pytest.fixture(scope="module")
def rounding(tmp_path_factory):
    """As `generators`, as uint8."""
    from tfgan2.export import Options, export_generator

    folder = tmp_path_factory.mktemp("rounding")
    options = Options(["onnx", "tflite"], output="uint8", images=16)
    export_generator(small_generator(3), folder, options, class_names=["cat", "dog", "0"])
    return folder


def raw(file, inputs):
    """What a file makes, by its library alone, sample by sample as TFLite wants it."""
    if file.suffix == ".onnx":
        session = onnxruntime.InferenceSession(file)
        return session.run(["image"], inputs)[0]
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(model_path=str(file)).get_signature_runner()
    rows = [{name: array[i : i + 1] for name, array in inputs.items()} for i in range(3)]
    return np.concatenate([run(**row)["image"] for row in rows])


def opened(content):
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["generator.onnx", "generator.tflite"])
def test_every_kind_of_answer(rounding, serving, name):
    labels = np.arange(3, dtype=np.int32)
    made = raw(rounding / name, {"z": draw_latents(3, 6, seed=4), "label": labels})
    assert made.dtype == np.uint8 and np.ptp(made) > 20
    wish = {"count": 3, "seed": 4}

    def off(found):
        # Batches and the library alone may round differently.
        return np.abs(found.astype(int) - made[: len(found)]).max()

    with serving(rounding / name) as client:

        def asked(kind):
            return client.post("/generate", json=wish, headers={"Accept": kind}).content

        images = np.load(io.BytesIO(asked("application/x-npz")))["images"]
        assert images.dtype == np.uint8 and off(images) <= 1
        archive = zipfile.ZipFile(io.BytesIO(asked("application/zip")))
        zipped = np.stack([opened(archive.read(each)) for each in archive.namelist()])
        np.testing.assert_array_equal(zipped, images)
        shown = opened(client.get("/generate.png?seed=4&label=cat").content)
        np.testing.assert_array_equal(shown, images[0])
        many = opened(asked("image/png"))
        edge = grid(images, columns=3, padding=1).shape[0]
        scale = many.shape[0] // edge
        np.testing.assert_array_equal(many[::scale, ::scale], grid(images, columns=3, padding=1))
        assert client.get("/metadata").json()["outputs"][0]["dtype"] == "uint8"
        page = client.get("/")
        assert page.status_code == 200 and "<title>" in page.text
        if name == "generator.onnx":
            assert page.url.path == "/page/"
            assert (
                client.get("/page/model.json").json()["metadata"]["outputs"][0]["range"][1] == 255
            )
        else:
            assert 'src="generate.png?' in page.text


def test_a_translator(tmp_path_factory, serving):
    import keras

    from tfgan2.export import ExportSpec, Options, export_networks

    layers = keras.layers
    keras.utils.set_random_seed(2)
    image, mask = keras.Input((16, 16, 3), name="input"), keras.Input((16, 16, 1), name="mask")
    x = layers.Conv2D(3, 3, padding="same", activation="tanh")(layers.Concatenate()([image, mask]))
    folder = tmp_path_factory.mktemp("translator")
    facts = {"size": [16, 16], "multiple": 1, "scale": 1}
    network = ExportSpec(keras.Model([image, mask], x), facts=facts)
    export_networks(
        {"generator": network}, folder, Options(["onnx"], output="uint8", batch=2, images=16)
    )
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    picture = Image.fromarray(pixels)
    hidden = np.asarray(middle_mask(picture))[..., None] > 0
    values = np.repeat(pixels[None].astype(np.float32) / 127.5 - 1, 2, axis=0)
    masks = np.repeat(hidden[None].astype(np.float32), 2, axis=0)
    made = raw(folder / "generator.onnx", {"input": values, "mask": masks})[0]
    assert made.dtype == np.uint8 and np.ptp(made) > 50
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    with serving(folder / "generator.onnx") as client:
        answer = client.post("/translate", files={"image": buffer.getvalue()})
        assert answer.status_code == 200, answer.text
        np.testing.assert_array_equal(opened(answer.content), np.where(hidden, made, pixels))
        assert client.get("/").url.path == "/page/"
