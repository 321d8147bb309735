"""Samples: each image once, in the same order, whatever the chunks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import make_small
from PIL import Image

from tfgan2.data import load_dataset
from tfgan2.errors import UserError
from tfgan2.evaluation import samples
from tfgan2.evaluation.samples import (
    RealSamples,
    generated_samples,
    run_samples,
    translated_samples,
)
from tfgan2.images import to_uint8


def test_real_images_come_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "_CHUNK", 500)
    dataset = load_dataset("digits")
    chunks = list(RealSamples(dataset).chunks(dataset.num_images))
    assert [len(chunk.images) for chunk in chunks] == [500, 500, 500, 297]
    images = np.concatenate([chunk.images for chunk in chunks])
    assert images.dtype == np.uint8
    distinct = np.unique(images.reshape(len(images), -1), axis=0)
    every = np.unique((dataset.some(1797)[0].reshape(1797, -1) + 1) * 127.5, axis=0)
    assert len(distinct) == len(every)


def test_the_hash_of_the_pixels_depends_on_the_images() -> None:
    dataset = load_dataset("digits")
    same = RealSamples(load_dataset("digits")).content
    assert RealSamples(dataset).content == same
    assert RealSamples(load_dataset("digits", image_size=12)).content != same
    others = replace(dataset, class_names=tuple("abcdefghij"))
    assert RealSamples(others).content == same
    assert RealSamples(others).classes != RealSamples(dataset).classes


def test_samples_do_not_depend_on_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    reals = RealSamples(load_dataset("digits"))
    generated = generated_samples(make_small("cgan"), {}, 5, reals, "abc")
    whole = next(iter(generated.chunks(50)))
    monkeypatch.setattr(samples, "_CHUNK", 20)
    parts = list(generated.chunks(50))
    assert [len(part.images) for part in parts] == [20, 20, 10]
    np.testing.assert_array_equal(np.concatenate([part.labels for part in parts]), whole.labels)
    # The last batch of a chunk is smaller, which may change the last bit before the rounding.
    joined = np.concatenate([part.images for part in parts]).astype(int)
    assert np.abs(joined - whole.images).max() <= 1


def test_images_that_are_not_finite_are_refused() -> None:
    model = make_small("gan")
    bias = model.ema_generator.weights[-1]
    bias.assign(np.full(bias.shape, np.nan))
    with pytest.raises(UserError, match="the images to evaluate are not finite"):
        next(generated_samples(model, {}, 0, RealSamples(load_dataset("digits"))).chunks(4))


def test_labels_are_as_frequent_as_in_uneven_data() -> None:
    dataset = load_dataset("digits", image_size=8, classes=["7", "1", "4"])
    for counts, expected in (((60, 50, 40), [4, 3, 3]), ((60, 30, 10), [6, 3, 1])):
        uneven = replace(dataset, class_counts=counts)
        generated, _ = run_samples(make_small("cgan"), uneven, {}, 0, None)
        labels = next(iter(generated.chunks(10))).labels
        assert np.bincount(labels).tolist() == expected
        assert labels.tolist() == generated.labels(10).tolist()
        assert ("labels" in generated.protocol) == (expected[2] == 1)


def test_texts_are_captions_of_the_data() -> None:
    dataset = load_dataset("digits-captions", image_size=16)
    model = make_small("stackgan", **dataset.details)
    generated, _ = run_samples(model, dataset, {}, 0, None)
    images = next(iter(generated.chunks(12))).images
    words = next(iter(dataset.batches(12, seed=0)))[1].numpy()
    assert len(np.unique(words, axis=0)) > 10  # the examples of a grid are 10
    expected = model.generate(model.draw_latents(12), words)
    np.testing.assert_array_equal(images, to_uint8(expected))
    assert len(samples._captions(dataset, dataset.num_images + 3)) == dataset.num_images + 3


def test_labels_are_known_only_for_generators_of_classes() -> None:
    dataset = load_dataset("digits", image_size=8, classes=["7", "1", "4"])
    for name in ("cgan", "infogan", "dcgan"):
        generated, _ = run_samples(make_small(name), dataset, {}, 0, None)
        labels = next(iter(generated.chunks(4))).labels
        if name == "cgan":
            assert labels.tolist() == [0, 1, 2, 0] and list(generated.label_names) == [
                "7",
                "1",
                "4",
            ]
        else:
            assert labels is None and not generated.label_names


def test_translations_come_with_their_targets() -> None:
    dataset = load_dataset("digits", image_size=16, hold_out=20)
    assert dataset.held_out is not None
    model = make_small("inpainting", (16, 16, 1), mask="centre")
    generated = translated_samples(model, dataset.held_out, {})
    assert generated.count == 20
    chunk = next(iter(generated.chunks(20)))
    assert chunk.targets is not None and chunk.targets.shape == chunk.images.shape
    # Outside the mask the input is kept.
    np.testing.assert_array_equal(chunk.images[:, 0], chunk.targets[:, 0])


def test_two_sides_may_differ_in_length(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for side, count in (("A", 9), ("B", 4)):
        (tmp_path / side).mkdir()
        for number in range(count):
            pixels = rng.integers(0, 256, (16, 16), np.uint8)
            Image.fromarray(pixels).save(tmp_path / side / f"{number}.png")
    name = f"unpaired:{tmp_path / 'A'},{tmp_path / 'B'}"
    dataset = load_dataset(name, image_size=16)
    reals = RealSamples(dataset)
    (chunk,) = reals.chunks(reals.dataset.num_images)
    assert len(np.unique(chunk.images.reshape(len(chunk.images), -1), axis=0)) == 4
    generated = translated_samples(make_small("cyclegan"), dataset, {})
    assert generated.count == 9 and not generated.paired
    (chunk,) = generated.chunks(9)
    assert chunk.images.shape == (9, 16, 16, 1) and chunk.targets is None
