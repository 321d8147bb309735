"""Images of a teacher: `taught:FILE`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import TEACHER, assert_parts_are_the_batch, take, taught_file

from tfgan2.data import load_dataset
from tfgan2.data.taught import Taught
from tfgan2.errors import UserError


def test_batches_hold_images_latents_and_labels(tmp_path: Path) -> None:
    path = taught_file(tmp_path / "deep" / "images.npz", flavour="cgan")
    taught = Taught.read(path)
    dataset = load_dataset(f"taught:{path}")
    assert dataset.kind == "taught" and dataset.in_memory
    assert dataset.image_shape == (16, 16, 1) and dataset.class_names == ("a", "b", "c")
    assert dataset.facts["teacher"] == {**TEACHER, "flavour": "cgan"}
    (images, latents, labels), *_ = take(dataset, 8, 2, seed=1)
    assert images.dtype == latents.dtype == np.float32 and labels.dtype == np.int32
    for image, latent, label in zip(images, latents, labels, strict=True):
        number = int(np.flatnonzero((taught.latents == latent).all(axis=1))[0])
        np.testing.assert_allclose(image, taught.images[number] / 127.5 - 1, atol=1e-6)
        assert label == taught.labels[number]
    assert_parts_are_the_batch(dataset)
    held = load_dataset(f"taught:{path}", hold_out=4)
    assert held.num_images == 36 and held.held_out.num_images == 4


def test_without_labels(tmp_path: Path) -> None:
    images, latents = np.zeros((5, 8, 9, 3), np.uint8), np.ones((5, 2), np.float32)
    Taught(images, latents, None, (), TEACHER).write(tmp_path / "a.npz")
    assert Taught.read(tmp_path / "a.npz").labels is None
    dataset = load_dataset(f"taught:{tmp_path / 'a.npz'}")
    assert [part.shape for part in dataset.some(3)] == [(3, 8, 9, 3), (3, 2)]


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    paths = [taught_file(tmp_path / f"{n}.npz", *([40] if n < 2 else [41])) for n in range(3)]
    first, same, other = (load_dataset(f"taught:{path}").fingerprint for path in paths)
    assert first == same != other


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("taught:", {}, "give taught:FILE"),
        ("taught:{}/none.npz", {}, "no such file"),
        ("taught:{}/text.npz", {}, "is damaged, or `tfgan2 distill` did not write it"),
        ("taught:{}/other.npz", {}, "is damaged, or `tfgan2 distill` did not write it"),
        ("taught:{}/cut.npz", {}, "is damaged, or `tfgan2 distill` did not write it"),
        ("taught:{}/good.npz", {"image_size": 8}, "holds the images of a teacher"),
        ("taught:{}/good.npz", {"balance": True}, "has its labels in turn"),
        ("taught:{}/good.npz", {"classes": ["a"]}, "has no labels"),
    ],
)
def test_refused(name: str, options: dict[str, object], message: str, tmp_path: Path) -> None:
    good = taught_file(tmp_path / "good.npz")
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "cut.npz").write_bytes(good.read_bytes()[:-500])
    np.savez(tmp_path / "other.npz", images=np.zeros(3))
    with pytest.raises(UserError, match=message):
        load_dataset(name.format(tmp_path), **options)
