"""The sets of points, and how they pass through the pipeline."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tfgan2.data import CATALOGUE, load_dataset
from tfgan2.data.dataset import ImageDataset
from tfgan2.data.points import STDS, Quality, modes, quality
from tfgan2.data.sources import empty_images, memory_source
from tfgan2.errors import UserError

COUNT = 100_000
NAMES = ("ring8", "grid25")


def everything(name: str) -> tuple[np.ndarray, np.ndarray]:
    images, labels = next(iter(load_dataset(name).batches(COUNT)))
    return images.numpy(), labels.numpy()


# --- what the sets are ---------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "number", "spread"), [("ring8", 8, 0.01), ("grid25", 25, 0.05)])
def test_the_points_are_the_gaussians(name: str, number: int, spread: float) -> None:
    dataset = load_dataset(name)
    assert dataset.image_shape == (1, 1, 2)
    assert dataset.num_images == COUNT
    assert dataset.class_names == tuple(map(str, range(number)))
    assert dataset.in_memory
    assert dataset.name == name
    assert STDS[name] == spread
    images, labels = everything(name)
    each = COUNT // number
    assert np.bincount(labels).tolist() == [each] * number
    for mode, centre in enumerate(modes(name)):
        points = images[labels == mode].reshape(-1, 2)
        off = points.astype(np.float64) - centre
        assert np.abs(off.mean(axis=0)).max() < 4.5 * spread / math.sqrt(each)
        deviation = 4.5 * spread / math.sqrt(2 * each)  # of an estimated std
        np.testing.assert_allclose(off.std(axis=0), spread, atol=deviation)
        assert abs(np.corrcoef(off.T)[0, 1]) < 4.5 / math.sqrt(each)
    distances = np.linalg.norm(images.reshape(-1, 2) - modes(name)[labels], axis=1)
    assert (distances < 10 * spread).all()  # a label is that of its own mode


def test_where_the_modes_are() -> None:
    ring, grid = modes("ring8"), modes("grid25")
    assert (ring.shape, ring.dtype, grid.shape, grid.dtype) == ((8, 2), "f4", (25, 2), "f4")
    root = math.sqrt(0.5)
    np.testing.assert_allclose(ring[:4], [[1, 0], [root, root], [0, 1], [-root, root]], atol=1e-7)
    np.testing.assert_allclose(ring[4:], -ring[:4], atol=1e-7)
    assert grid[[0, 1, 5, 24]].tolist() == [[-4, -4], [-2, -4], [-4, -2], [4, 4]]
    steps = range(-4, 5, 2)
    assert {tuple(mode) for mode in grid} == {(x, y) for x in steps for y in steps}


@pytest.mark.parametrize("name", NAMES)
def test_the_catalogue(name: str) -> None:
    dataset, entry = load_dataset(name), CATALOGUE[name]
    assert entry.image_shape == dataset.image_shape
    assert entry.num_images == dataset.num_images
    assert entry.source == "built in"


def test_the_draw_never_changes() -> None:
    """Runs must be comparable between versions and machines."""
    images, labels = everything("ring8")
    ring = images[labels == 0].reshape(-1, 2)
    for point in ([1.0176405, 0.0040016], [1.0097874, 0.0224089]):
        assert np.abs(ring - point).max(axis=1).min() < 1e-6
    images, _ = everything("grid25")
    sums = images.astype(np.float64).sum(axis=(0, 1, 2))
    np.testing.assert_allclose(sums, [0.381, 32.968], atol=0.002)


@pytest.mark.slow
def test_another_process_draws_the_same() -> None:
    code = (
        "import hashlib, sys, tfgan2.data.points; "
        "assert 'tensorflow' not in sys.modules; "
        "samples = [tfgan2.data.load_dataset(n).some(10**5)[0] for n in ('ring8', 'grid25')]; "
        "print(*(hashlib.sha256(array).hexdigest() for array in samples))"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert runs[0].stdout == runs[1].stdout
    assert len(set(runs[0].stdout.split())) == 2


# --- the pipeline --------------------------------------------------------------------------------


def test_every_epoch_shows_every_point_once() -> None:
    dataset = load_dataset("ring8", classes=["3"])
    batches = dataset.batches(5000).take(5)  # two epochs; a batch crosses their border
    points = np.concatenate([images.numpy() for images, _ in batches]).reshape(-1, 2)
    first, second = points[:12_500], points[12_500:]
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(np.unique(first, axis=0), np.unique(second, axis=0))
    assert len(np.unique(first, axis=0)) > 12_000


@pytest.mark.parametrize("batches_before", [1, 390, 391, 2000])
def test_start_goes_on_where_it_left_off(batches_before: int) -> None:
    dataset = load_dataset("grid25")
    straight = list(dataset.batches(256, seed=3).skip(batches_before).take(2))
    again = load_dataset("grid25").batches(256, seed=3, start=256 * batches_before).take(2)
    for (images, labels), (images_again, labels_again) in zip(straight, again, strict=True):
        np.testing.assert_array_equal(images, images_again)
        np.testing.assert_array_equal(labels, labels_again)


def test_what_a_batch_is() -> None:
    images, labels = load_dataset("grid25").batches(4).element_spec
    assert images == tf.TensorSpec((4, 1, 1, 2), tf.float32)
    assert labels == tf.TensorSpec((4,), tf.int32)


@pytest.mark.parametrize("aligned", [True, False])
def test_floats_pass_unchanged(aligned: bool) -> None:
    values = np.array([[-300.5, 0], [0.1, 255], [1e-9, 7]], np.float32).reshape(3, 1, 1, 2)
    if aligned:
        images = empty_images((1, 1, 1, values.nbytes)).view(np.float32).reshape(values.shape)
        images[:] = values
    else:
        images = np.empty(7, np.float32)[1:].reshape(values.shape)
        images[:] = values
    dataset = ImageDataset(
        memory_source(images, None), name="x", image_shape=(1, 1, 2), class_names=(), content=0
    )
    batch = next(iter(dataset.batches(3))).numpy()
    assert sorted(map(tuple, batch.reshape(3, 2))) == sorted(map(tuple, values.reshape(3, 2)))


def test_classes_are_kept_in_the_order_given() -> None:
    dataset = load_dataset("grid25", classes=["24", "0"])
    assert dataset.class_names == ("24", "0")
    assert dataset.num_images == 8000
    images, labels = next(iter(dataset.batches(8000)))
    signs = np.sign(images.numpy()[:, 0, 0])
    assert (signs[labels.numpy() == 0] == 1).all()
    assert (signs[labels.numpy() == 1] == -1).all()


def test_the_fingerprint_tells_content_apart() -> None:
    prints = {
        load_dataset("ring8").fingerprint,
        load_dataset("grid25").fingerprint,
        load_dataset("ring8", classes=["1", "2"]).fingerprint,
        load_dataset("ring8", classes=["2", "1"]).fingerprint,
    }
    assert len(prints) == 4
    assert load_dataset("ring8").fingerprint in prints


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 32}, "holds points, not images: leave --image-size out"),
        ({"image_size": 1}, "holds points, not images: leave --image-size out"),
        ({"channels": 3}, "holds points, not images: leave --channels out"),
        ({"split": "test"}, "has no splits: leave --split out"),
        ({"classes": ["25"]}, "unknown class '25'"),
        ({"classes": ["1", "1"]}, "class '1' is given twice"),
    ],
)
def test_what_is_refused(name: str, options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        load_dataset(name, **options)
    assert "\n" not in str(caught.value)


def test_a_mistyped_name() -> None:
    with pytest.raises(UserError, match="did you mean 'ring8'"):
        load_dataset("ring")


# --- quality -------------------------------------------------------------------------------------


def one_by_one(points: np.ndarray, name: str) -> Quality:
    found, good = set(), 0
    for x, y in points.astype(float):
        distances = [math.hypot(x - a, y - b) for a, b in modes(name).astype(float)]
        if min(distances) <= 3 * STDS[name]:
            found.add(distances.index(min(distances)))
            good += 1
    return Quality(len(found), good / len(points))


@pytest.mark.parametrize("name", NAMES)
def test_quality_agrees_with_counting_one_by_one(name: str) -> None:
    rng = np.random.default_rng(4)
    near = modes(name)[rng.integers(0, 6, 300)] + 2 * STDS[name] * rng.standard_normal((300, 2))
    points = np.concatenate([near, rng.uniform(-5, 5, (200, 2))]).astype(np.float32)
    expected = one_by_one(points, name)
    assert 0.1 < expected.good < 0.9
    assert 6 <= expected.modes_found < len(modes(name))
    assert quality(points, name) == expected
    assert quality(points.reshape(-1, 1, 1, 2), name) == expected


@pytest.mark.parametrize("name", NAMES)
def test_quality_of_the_data(name: str) -> None:
    images, _ = everything(name)
    of_data = quality(images, name)
    assert of_data.modes_found == len(modes(name))
    inside = 1 - math.exp(-4.5)  # of a round Gaussian within three stds
    assert abs(of_data.good - inside) < 4.5 * math.sqrt(inside * (1 - inside) / COUNT)


def test_quality_of_known_cases() -> None:
    assert quality(modes("grid25"), "grid25") == Quality(25, 1.0)
    assert quality(np.zeros((4, 2)), "ring8") == Quality(0, 0.0)
    assert quality(np.array([[1, 0], [1, 0], [0, 0], [1.04, 0]]), "ring8") == Quality(1, 0.5)
    edge = np.array([[0.1499, 0], [0.1501, 0], [2, 2 - 0.1499]])
    assert quality(edge, "grid25") == Quality(2, 2 / 3)
    # Along the diagonal the distance counts, not each coordinate by itself.
    assert quality(np.array([[0.12, 0.12]]), "grid25") == Quality(0, 0.0)
    broken = np.array([[np.nan, 0], [np.inf, 0], [0, 1], [-np.inf, np.nan]])
    assert quality(broken, "ring8") == Quality(1, 0.25)


def test_quality_of_what_is_no_points() -> None:
    for shape in ((0, 2), (3, 3), (2,), (4, 2, 2, 2), (5, 1, 2)):
        with pytest.raises(ValueError, match="shape"):
            quality(np.zeros(shape), "ring8")
    for function in (modes, lambda name: quality(np.zeros((1, 2)), name)):
        with pytest.raises(UserError, match="did you mean 'ring8'"):
            function("ring9")
