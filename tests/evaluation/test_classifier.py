"""The classifier: trained once, the same each time, and accurate on images it never saw."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from tfgan2.data import ImageDataset, load_dataset
from tfgan2.data.sources import memory_source
from tfgan2.data.stacked import stacked_source
from tfgan2.evaluation import classifier
from tfgan2.evaluation.extractor import Extractor
from tfgan2.evaluation.features import make_extractor
from tfgan2.images import to_uint8


def make(dataset: ImageDataset, cache: Path, **options: object) -> Extractor:
    extractor = make_extractor("classifier", dataset, cache_dir=cache, **options)
    assert extractor is not None
    return extractor


def pixels(dataset: ImageDataset, count: int) -> tuple[np.ndarray, np.ndarray]:
    images, labels = dataset.some(count)
    return to_uint8(images), labels


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "_STEPS", (3, 3))


@pytest.fixture(scope="module")
def digits() -> ImageDataset:
    return load_dataset("digits", image_size=8)


@pytest.fixture(scope="module")
def trained(digits: ImageDataset, tmp_path_factory: pytest.TempPathFactory) -> Extractor:
    """Less than half as long as users get it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "_STEPS", (250, 250))
        return make(digits, tmp_path_factory.mktemp("cache"))


@pytest.mark.usefixtures("few_steps")
def test_images_may_have_any_number_of_channels(tmp_path: Path) -> None:
    images = np.zeros((20, 8, 8, 2), np.uint8)
    source = memory_source(images, np.arange(20) % 2)
    made = make(ImageDataset(source, "two", (8, 8, 2), "", ("a", "b")), tmp_path)
    assert made.protocol["input"] == "uint8 2 channels"


def test_it_classifies_digits(digits: ImageDataset, trained: Extractor) -> None:
    assert (trained.name, trained.has_classes) == ("classifier", True)
    assert trained.class_names == digits.class_names
    assert trained.protocol["accuracy"] > 0.95
    assert 130 < int(trained.protocol["accuracy_of"].split()[0]) < 230  # a tenth
    trained_on = trained.protocol["trained_on"]
    assert trained_on == {"images": 1797, "classes": 10}
    images, labels = pixels(digits, 1000)
    features, probabilities = trained(images)
    assert features.shape == (1000, 128) and features.dtype == np.float32
    assert (features < 0).any() and (features.std(axis=0) > 0).all()
    assert np.square(features).mean() == pytest.approx(1, abs=0.05)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert (probabilities.argmax(axis=1) == labels).mean() > 0.95


def test_features_of_an_image_do_not_depend_on_the_others(
    digits: ImageDataset, trained: Extractor
) -> None:
    images, _ = pixels(digits, 700)
    whole = trained(images)
    for size in (100, 333):
        parts = [trained(images[start : start + size]) for start in range(0, 700, size)]
        features, probabilities = map(np.concatenate, zip(*parts, strict=True))
        np.testing.assert_array_equal(features, whole.features)
        # On some CPUs the last bit of a softmax depends on the row.
        np.testing.assert_allclose(probabilities, whole.probabilities, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.usefixtures("few_steps")
def test_it_is_trained_once(
    digits: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, int, int]] = []

    def progress(text: str, done: int, total: int) -> None:
        if text != "reading real images":
            calls.append((text, done, total))

    first = make(digits, tmp_path, progress=progress)
    assert calls[0] == ("training a classifier of digits", 0, 3) and calls[-1][1:] == (3, 3)
    calls.clear()
    kept = make(digits, tmp_path, progress=progress)
    assert not calls and kept.protocol == first.protocol
    images, _ = pixels(digits, 20)
    np.testing.assert_array_equal(kept(images).features, first(images).features)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-100])
    again = make(digits, tmp_path, progress=progress)
    # Deterministic: the hash of the weights is in the protocol.
    assert calls and again.protocol == first.protocol
    make(load_dataset("digits", image_size=8, classes=["1", "7"]), tmp_path)
    monkeypatch.setattr(classifier, "VERSION", 0)
    make(digits, tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_no_test_image_is_ever_trained_on(digits: ImageDataset) -> None:
    test: dict = {}
    examples = classifier.training_examples(digits, 0.1, test)
    trained = {image.tobytes() for image, _ in islice(examples, 40 * 1797)}
    kept = {image.tobytes() for image, _ in test.values()}
    assert kept and not trained & kept
    assert trained | kept == {image.tobytes() for image in pixels(digits, 1797)[0]}


def test_images_that_would_all_be_test_images_are_trained_on(digits: ImageDataset) -> None:
    test: dict = {}
    image, _ = next(classifier.training_examples(digits, 1.0, test))
    assert image.shape == (8, 8, 1) and not test


@pytest.mark.usefixtures("few_steps")
def test_held_out_images_give_the_accuracy(tmp_path: Path) -> None:
    dataset = load_dataset("digits", image_size=8, hold_out=150)
    assert make(dataset, tmp_path).protocol["accuracy_of"].startswith("150 images")
    firsts = list(classifier.examples(dataset.held_out))
    assert len({image.tobytes() for image, _ in firsts}) == len(firsts) == 150


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("shape", [(4, 4, 1), (9, 9, 3), (40, 40, 4), (128, 128, 3)])
def test_sizes(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, *shape), np.uint8)
    dataset = ImageDataset(
        memory_source(images, np.arange(40) % 2),
        name="own",
        image_shape=shape,
        class_names=("a", "b"),
        content="own",
    )
    space = make(dataset, tmp_path)
    assert ("2x2" in space.protocol["resize"]) == (shape[0] == 128)
    found = space(images[:3])
    assert found.features.shape == (3, 128) and found.probabilities.shape == (3, 2)
    assert np.isfinite(found.features).all()


def stacked(classes: tuple[int, ...], grey: np.ndarray, digits: np.ndarray) -> ImageDataset:
    """As "stacked_mnist", of other digits."""
    triples = np.random.RandomState(0).randint(len(grey), size=(3000, 3)).astype(np.int32)
    numbers = digits[triples] @ [100, 10, 1]
    kept = np.isin(numbers, classes)
    labels = np.searchsorted(classes, numbers[kept])
    return ImageDataset(
        stacked_source(grey, triples[kept], labels.astype(np.int32)),
        name="stacked_mnist",
        image_shape=(8, 8, 3),
        class_names=tuple(f"{number:03d}" for number in classes),
        content="stacked",
    )


@pytest.mark.slow
def test_stacked_digits(
    tmp_path: Path, digits: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier, "_STEPS", (150, 150))
    grey, numbers = pixels(digits, 1797)
    dataset = stacked(tuple(range(1000)), grey, numbers)
    space = make(dataset, tmp_path)
    assert space.protocol["accuracy"] > 0.85  # of digits
    images, labels = pixels(dataset, 200)
    features, probabilities = space(images)
    assert features.shape == (200, 384)
    assert (probabilities.argmax(axis=1) == labels).mean() > 0.7
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-4)
    # Each channel is seen by itself, by the same network.
    turned = space(images[..., ::-1])
    np.testing.assert_allclose(
        turned.features.reshape(-1, 3, 128)[:, ::-1], features.reshape(-1, 3, 128), atol=1e-4
    )
    cube = probabilities.reshape(-1, 10, 10, 10)
    red, green, blue = cube.sum((2, 3)), cube.sum((1, 3)), cube.sum((1, 2))
    np.testing.assert_allclose(np.einsum("na,nb,nc->nabc", red, green, blue), cube, atol=1e-5)
    np.testing.assert_allclose(
        turned.probabilities, cube.swapaxes(1, 3).reshape(-1, 1000), atol=1e-5
    )


@pytest.mark.slow
@pytest.mark.usefixtures("few_steps")
def test_some_classes_of_stacked_digits(tmp_path: Path, digits: ImageDataset) -> None:
    grey, numbers = pixels(digits, 1797)
    chosen = tuple(range(0, 1000, 3))
    dataset = stacked(chosen, grey, numbers)
    space = make(dataset, tmp_path)
    images, _ = pixels(dataset, 20)
    found = space(images).probabilities
    assert found.shape == (20, len(chosen))
    whole = make(stacked(tuple(range(1000)), grey, numbers), tmp_path)
    assert whole.has_classes
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-4)
