"""Exported files, their pages, and a browser.

The browser tests need Chromium, Playwright and the npm package onnxruntime-web, whose folder the
environment variable TFGAN2_ORT_WEB names. Without the variable they are skipped; with it, what else
is missing is an error.
"""

from __future__ import annotations

import functools
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from helpers import export_truncating

from tfgan2 import web

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


def to_image(x: Any, channels: int, *, edge: int = 12) -> Any:
    from keras import layers  # here, so that collecting the tests loads no TensorFlow

    x = layers.Reshape((edge // 2, edge // 2, 8))(layers.Dense(edge * edge * 2)(x))
    x = layers.Conv2DTranspose(channels, 4, 2, padding="same")(layers.ReLU()(x))
    # Random weights give faint images; these use the whole range.
    return layers.Activation("tanh")(layers.Rescaling(3.0)(x))


def export_labelled(folder: Path, output: str = "float32") -> Path:
    """Normal latents and three classes become 12x12 RGB."""
    import keras

    from tfgan2.export import Options, export_generator

    keras.utils.set_random_seed(1)
    z, label = keras.Input((10,), name="z"), keras.Input((), dtype="int32", name="label")
    told = keras.layers.Embedding(3, 10, "glorot_normal")(label)
    x = to_image(keras.layers.Concatenate()([z, told]), 3)
    about = {"flavour": "cgan", "dataset": "folder:/home/me/pets <b>", "step": 1500}
    names = ["cat", "dog", "two words"]
    generator = keras.Model([z, label], x)
    options = Options(["onnx"], output=output, images=16)
    export_generator(generator, folder, options, class_names=names, about=about)
    return folder / "generator.onnx"


def export_uniform(folder: Path, output: str = "float32") -> Path:
    """Uniform latents, fewer than there are sliders, become 12x12 grey, four at a time."""
    import keras

    from tfgan2.export import Options, export_generator

    keras.utils.set_random_seed(2)
    z = keras.Input((5,), name="z")
    generator = keras.Model(z, to_image(z, 1))
    export_generator(
        generator,
        folder,
        Options(["onnx", "tflite"], batch=4, output=output, images=16),
        latent_distribution="uniform",
    )
    return folder / "generator.onnx"


def export_told(folder: Path, output: str = "float32") -> Path:
    """Latents and sentences become 12x12 grey; the encoder stands beside."""
    import keras

    from tfgan2.export import ExportSpec, Options, export_networks

    keras.utils.set_random_seed(3)
    z, text = keras.Input((6,), name="z"), keras.Input((4,), name="text")
    generator = keras.Model([z, text], to_image(keras.layers.Concatenate()([z, text]), 1))
    words = keras.Input((5,), dtype="int32", name="words")
    encoded = keras.layers.Embedding(6, 4, "glorot_normal")(words)
    encoder = keras.Model(words, keras.layers.GlobalAveragePooling1D()(encoded))
    facts = {
        "generator": {"captions": ["a bright picture", "a dark picture"]},
        "text_encoder": {"vocabulary": ["a", "bright", "dark", "picture"], "caption_length": 5},
    }
    networks = {"generator": generator, "text_encoder": encoder}
    described = {name: ExportSpec(model, facts=facts[name]) for name, model in networks.items()}
    export_networks(described, folder, Options(["onnx"], output=output, images=16))
    return folder / "generator.onnx"


def export_translators(folder: Path, output: str = "float32") -> dict[str, Path]:
    """Networks that take images: `fixed` 16x16 RGB, `masked` 16x16 grey, `free` of any size.

    `free` was trained on files whose values 0…100 became black and white.
    """
    import keras
    from keras import layers

    from tfgan2.export import ExportSpec, Options, export_networks

    keras.utils.set_random_seed(4)
    image = keras.Input((16, 16, 3), name="input")
    fixed = keras.Model(image, layers.Conv2D(3, 3, padding="same", activation="tanh")(image))
    grey, mask = keras.Input((16, 16, 1), name="input"), keras.Input((16, 16, 1), name="mask")
    both = layers.Concatenate()([grey, mask])
    masked = keras.Model([grey, mask], layers.Conv2D(1, 5, padding="same", activation="tanh")(both))
    any_size = keras.Input((None, None, 3), name="input")
    wide = layers.Conv2D(3, 3, 2, padding="same", activation="relu")(any_size)
    wide = layers.Conv2DTranspose(8, 4, 4, padding="same", activation="relu")(wide)
    free = keras.Model(any_size, layers.Conv2D(3, 3, padding="same", activation="tanh")(wide))
    facts = {name: {"size": [16, 16], "multiple": 1, "scale": 1} for name in ("fixed", "masked")}
    ranges = {"8-bit": [0, 100]}
    facts["free"] = {"size": [16, 16], "multiple": 8, "scale": 2, "input_ranges": ranges}
    networks = {"fixed": fixed, "masked": masked, "free": free}
    described = {name: ExportSpec(model, facts=facts[name]) for name, model in networks.items()}
    export_networks(described, folder, Options(["onnx"], output=output, images=16))
    return {name: folder / f"{name}.onnx" for name in networks}


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_labelled(tmp_path_factory.mktemp("labelled"))


@pytest.fixture(scope="session")
def uniform(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_uniform(tmp_path_factory.mktemp("uniform"))


@pytest.fixture(scope="session")
def truncating(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Generators that truncate styles and latents."""
    return export_truncating(tmp_path_factory.mktemp("truncating"))


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_told(tmp_path_factory.mktemp("told"))


@pytest.fixture(scope="session")
def translators(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return export_translators(tmp_path_factory.mktemp("translators"))


@pytest.fixture(scope="session")
def rounded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files of all fixtures above by name, with uint8 images."""
    folders = (tmp_path_factory.mktemp("rounded") for _ in range(4))
    return {
        "labelled": export_labelled(next(folders), "uint8"),
        "uniform": export_uniform(next(folders), "uint8"),
        "told": export_told(next(folders), "uint8"),
        **export_translators(next(folders), "uint8"),
    }


@pytest.fixture(scope="session")
def ort_web() -> Path:
    given = os.environ.get("TFGAN2_ORT_WEB")
    if not given:
        pytest.skip("TFGAN2_ORT_WEB names no folder with the npm package onnxruntime-web")
    return Path(given)


# Module scope: while Playwright runs, this thread has an event loop, which other tests may not
# tolerate.
@pytest.fixture(scope="module")
def browser(ort_web: Path) -> Iterator[Any]:
    """Chromium; requested after `ort_web`, so that it may be missing only if that is, too."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    assert path, "TFGAN2_ORT_WEB is set, but there is no chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS.split())
        yield chromium
        chromium.close()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder and the address of a plain file server for it."""
    folder = tmp_path_factory.mktemp("site")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def open_page(browser: Any, ort_web: Path, site: tuple[Path, str]) -> Iterator[Callable[..., Any]]:
    """Opens the page of a file, somewhere below a server's root, and waits until it is ready.

    Whatever it logs as an error, and whatever it asks of another address, fails the test.
    """
    folder, address = site
    opened: list[Any] = []
    troubles: list[str] = []

    def start(onnx: Path, **options: Any) -> Any:
        name = f"some/{onnx.parent.name}-{onnx.stem}"
        if not (folder / name).exists():
            web.write_page(folder / name, onnx, ort_web)
        context = browser.new_context(accept_downloads=True, **options)
        opened.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda item: item.type == "error" and troubles.append(item.text))
        page.on(
            "request",
            lambda item: (
                item.url.startswith((address, "blob:", "data:"))
                or troubles.append(f"asked for {item.url}")
            ),
        )
        page.goto(f"{address}/{name}/")
        page.evaluate("window.tfgan2.ready.then(() => true)")
        return page

    yield start
    for context in opened:
        context.close()
    assert troubles == []
