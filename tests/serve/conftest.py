"""Exported files to serve, and servers in processes of their own."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from helpers import export_truncating, small_generator

from tfgan2.serve import Limits, create_app

CLASSES = ["cat", "dog", "0"]
CAPTIONS = ["a dark picture", "a bright picture"]


@pytest.fixture(scope="session")
def generators(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """generator.onnx and generator.tflite with the classes cat, dog and 0."""
    from tfgan2.export import Options, export_generator

    folder = tmp_path_factory.mktemp("generators")
    export_generator(
        small_generator(3), folder, Options(["onnx", "tflite"], images=16), class_names=CLASSES
    )
    return folder


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator without labels, with a fixed batch of 4."""
    from tfgan2.export import Options, export_generator

    folder = tmp_path_factory.mktemp("plain")
    export_generator(small_generator(0), folder, Options(["onnx"], batch=4, images=16))
    return folder / "generator.onnx"


@pytest.fixture(scope="session")
def truncating(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Generators that truncate styles and latents."""
    return export_truncating(tmp_path_factory.mktemp("truncating"))


@pytest.fixture(scope="session")
def worded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator that takes sentences of the words a, bright, dark, picture."""
    import keras

    from tfgan2.export import ExportSpec, Options, export_networks

    layers = keras.layers
    keras.utils.set_random_seed(1)
    words = keras.Input((3,), dtype="int32", name="words")
    encoder = keras.Model(words, layers.Flatten()(layers.Embedding(6, 2, "normal")(words)))
    z, text = keras.Input((4,), name="z"), keras.Input((6,), name="text")
    x = layers.Dense(8 * 8, activation="tanh")(layers.Concatenate()([z, text]))
    folder = tmp_path_factory.mktemp("worded")
    facts = {"vocabulary": ["a", "bright", "dark", "picture"], "caption_length": 3}
    export_networks(
        {
            "generator": ExportSpec(
                keras.Model([z, text], layers.Reshape((8, 8, 1))(x)), facts={"captions": CAPTIONS}
            ),
            "text_encoder": ExportSpec(encoder, facts=facts),
        },
        folder,
        Options(["onnx"], images=16),
    )
    return folder / "generator.onnx"


@pytest.fixture(scope="session")
def painter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fills what a mask hides in images of 16x16x3, two at a time."""
    import keras

    from tfgan2.export import ExportSpec, Options, export_networks

    layers = keras.layers
    keras.utils.set_random_seed(2)
    image, mask = keras.Input((16, 16, 3), name="input"), keras.Input((16, 16, 1), name="mask")
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(layers.Concatenate()([image, mask]))
    x = layers.Conv2D(3, 3, padding="same", activation="tanh")(x)
    folder = tmp_path_factory.mktemp("painter")
    facts = {"size": [16, 16], "multiple": 1, "scale": 1}
    export_networks(
        {"generator": ExportSpec(keras.Model([image, mask], x), facts=facts)},
        folder,
        Options(["onnx"], batch=2, images=16),
    )
    return folder / "generator.onnx"


@pytest.fixture(scope="session")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Takes images of any size; of large ones it makes others slowly."""
    import keras

    from tfgan2.export import ExportSpec, Options, export_networks

    layers = keras.layers
    keras.utils.set_random_seed(3)
    x = image = keras.Input((None, None, 3), name="input")
    for _ in range(2):
        x = layers.Conv2D(32, 5, padding="same", activation="relu")(x)
    x = layers.Conv2D(3, 5, padding="same", activation="tanh")(x)
    folder = tmp_path_factory.mktemp("slow")
    facts = {"size": [16, 16], "multiple": 1, "scale": 1}
    export_networks(
        {"generator": ExportSpec(keras.Model(image, x), facts=facts)},
        folder,
        Options(["onnx"], images=16),
    )
    return folder / "generator.onnx"


Serving = Callable[..., contextlib.AbstractContextManager[TestClient]]


@pytest.fixture(scope="session")
def serving() -> Serving:
    """Called with a file and limits, it serves it in this process."""

    @contextlib.contextmanager
    def serve(file: Path, **limits: float) -> Iterator[TestClient]:
        app = create_app(file, Limits(**limits), threads=1)
        with TestClient(app) as client:
            yield client

    return serve


@pytest.fixture(scope="module")
def client(generators: Path, serving: Serving) -> Iterator[TestClient]:
    """Of `generators`."""
    with serving(generators / "generator.onnx") as client:
        yield client


class Server:
    """`tfgan2 serve` in a process of its own.

    Attributes:
        process: of the server.
        url: without a slash at its end.
        errors: what stood on stderr, once it has left.
    """

    # TensorFlow cannot be imported in it: a server must do without.
    CODE = (
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'tf2onnx', 'matplotlib'): sys.modules[name] = None\n"
        "from tfgan2.cli import main; main()"
    )

    def __init__(self, file: Path, *options: str) -> None:
        words = ["serve", str(file), "--port", "0", "--threads", "1", *options]
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.CODE, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.errors = ""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith(f"{file} at http://"), self.stop()
        self.url = line.split(" at ")[1].split("/ ")[0]

    @property
    def port(self) -> int:
        return httpx.URL(self.url).port or 0

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal and waits; returns the exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        _, self.errors = self.process.communicate(timeout=60)
        return self.process.returncode


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    """Starts servers that are gone when the test is over."""
    servers: list[Server] = []

    def started(*words: object) -> Server:
        servers.append(Server(*words))  # type: ignore[arg-type]
        return servers[-1]

    yield started
    for server in servers:
        if server.process.poll() is None:
            server.process.kill()
            server.wait()
        print(server.errors)  # shown where the test has failed
