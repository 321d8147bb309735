"""Inception of Keras with random weights, and a tiny graph with the names of the frozen one."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import clean_resized

from tfgan2.data import ImageDataset
from tfgan2.data.sources import memory_source
from tfgan2.errors import UserError
from tfgan2.evaluation import inception
from tfgan2.evaluation.extractor import Extractor
from tfgan2.evaluation.features import make_extractor

WEIGHTS, BIASES = np.random.default_rng(1).standard_normal((2, 3, 5)).astype(np.float32) / 50


def images(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


def make(name: str, shape: tuple[int, int, int], cache_dir: Path) -> Extractor:
    dataset = ImageDataset(
        memory_source(images(2, *shape), None),
        name="own",
        image_shape=shape,
        class_names=(),
        content="own",
    )
    extractor = make_extractor(name, dataset, cache_dir=cache_dir)
    assert extractor is not None
    return extractor


def write_graph(path: Path, *, scope: str = "", likely: str = "softmax", height: int = 4) -> Path:
    """Twice as large, means of each colour, and a linear layer: all for one image at a time."""
    graph = tf.Graph()
    with graph.as_default():
        image = tf.raw_ops.Cast(x=tf.zeros((height, 4, 3), tf.uint8), DstT=tf.float32)
        batch = tf.raw_ops.ExpandDims(input=image, axis=0, name=f"{scope}ExpandDims")
        larger = tf.raw_ops.ResizeBilinear(images=batch, size=[8, 8])
        pooled = tf.raw_ops.Mean(
            input=larger * larger / 255, axis=[1, 2], keep_dims=True, name=f"{scope}pool_3"
        )
        flat = tf.raw_ops.Reshape(tensor=pooled, shape=[1, 3])
        logits = tf.raw_ops.Add(x=flat @ WEIGHTS, y=BIASES[0], name=f"{scope}logits")
        if likely == "softmax":
            tf.raw_ops.Softmax(logits=logits, name=f"{scope}softmax")
    definition = graph.as_graph_def(add_shapes=True)
    if likely == "none":
        definition = tf.compat.v1.graph_util.extract_sub_graph(definition, [f"{scope}pool_3"])
    path.write_bytes(definition.SerializeToString())
    return path


def enlarged(some: np.ndarray) -> np.ndarray:
    """Bilinear to 8x8 without antialias and without half pixels, as in 2015."""
    for axis in (1, 2):
        old = some.shape[axis]
        positions = np.arange(8) * old / 8
        low = positions.astype(int)
        high = np.minimum(low + 1, old - 1)
        share = (positions - low).reshape([-1 if a == axis else 1 for a in range(4)])
        some = some.take(low, axis) * (1 - share) + some.take(high, axis) * share
    return some


def expected(some: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    colour = np.repeat(some, 3, axis=3) if some.shape[3] == 1 else some[..., :3]
    larger = enlarged(colour.astype(np.float64))
    features = (larger * larger / 255).mean(axis=(1, 2))
    likely = np.exp(features @ WEIGHTS + BIASES[0])
    return features, likely / likely.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("scope", ["", "FID_Inception_Net/"])
@pytest.mark.parametrize("likely", ["softmax", "logits", "none"])
@pytest.mark.parametrize("shape", [(4, 4, 3), (6, 6, 1), (8, 8, 4)])
def test_the_frozen_graph(
    tmp_path: Path, scope: str, likely: str, shape: tuple[int, int, int]
) -> None:
    path = write_graph(tmp_path / "graph.pb", scope=scope, likely=likely)
    space = make(f"inception-tf:{path}", shape, tmp_path)
    assert space.name == "inception-tf"
    some = images(53, *shape)  # more than one batch
    features, probabilities = expected(some)
    found = space(some)
    np.testing.assert_allclose(found.features, features, rtol=1e-4)
    if likely == "none":
        assert not space.has_classes and found.probabilities is None
    else:
        assert space.has_classes
        np.testing.assert_allclose(found.probabilities, probabilities, rtol=1e-3)


def test_the_protocol_names_the_file(tmp_path: Path) -> None:
    first, other = (write_graph(tmp_path / f"{height}.pb", height=height) for height in (4, 5))
    same = tmp_path / "same.pb"
    same.write_bytes(first.read_bytes())
    spaces = [make(f"inception-tf:{path}", (4, 4, 3), tmp_path) for path in (first, same, other)]
    assert spaces[0].protocol == spaces[1].protocol
    assert spaces[0].protocol["weights"] != spaces[2].protocol["weights"]


def test_unusable_files(tmp_path: Path) -> None:
    text, empty, other = (tmp_path / name for name in ("text.pb", "empty.pb", "other.pb"))
    text.write_text("not a graph")
    empty.write_bytes(b"")
    graph = tf.Graph()
    with graph.as_default():
        tf.zeros(1, name="pool_3")
    other.write_bytes(graph.as_graph_def().SerializeToString())
    broken = tmp_path / "broken.pb"
    definition = tf.compat.v1.GraphDef.FromString(write_graph(broken).read_bytes())
    next(node for node in definition.node if node.name == "pool_3").op = "NoSuchOp"
    broken.write_bytes(definition.SerializeToString())
    for path, message in {
        tmp_path / "missing.pb": "cannot read .*missing.pb': No such file",
        tmp_path: "cannot read",
        text: "holds no graph",
        empty: "holds no graph",
        other: "no tensors ExpandDims:0 and pool_3:0",
        broken: "does not run",
    }.items():
        with pytest.raises(UserError, match=message) as caught:
            make(f"inception-tf:{path}", (4, 4, 3), tmp_path)
        assert "\n" not in str(caught.value) and "classify_image_graph_def.pb" in str(caught.value)


@pytest.mark.slow
def test_keras_inception(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inception, "WEIGHTS", None)
    monkeypatch.setattr(inception, "BATCH", 2)
    keras.utils.set_random_seed(0)
    space = make("inception", (20, 20, 1), tmp_path)
    assert (space.has_classes, space.class_names) == (True, ())
    assert "antialias" in space.protocol["resize"] and "grey" in space.protocol["input"]
    some = images(3, 20, 20, 1)
    found = space(some)
    assert found.features.shape == (3, 2048) and found.probabilities.shape == (3, 1000)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, rtol=1e-4)
    np.testing.assert_array_equal(space(some[2:]).features, found.features[2:])
    keras.utils.set_random_seed(0)
    network = keras.applications.InceptionV3(weights=None)
    given = np.repeat(clean_resized(some, 299), 3, axis=3) / 127.5 - 1
    np.testing.assert_allclose(found.probabilities, network(given), rtol=1e-3)


def test_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: object) -> None:
        assert options == {"weights": "imagenet"}
        raise Exception("URL fetch failure on https://…: None\nsecond line")

    monkeypatch.setattr(keras.applications, "InceptionV3", refuse)
    message = r"cannot be downloaded \(URL fetch .*: choose the features efficientnet-lite0, or"
    with pytest.raises(UserError, match=message) as caught:
        make("inception", (8, 8, 3), tmp_path)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="2 channels"):
        make("inception", (8, 8, 2), tmp_path)
