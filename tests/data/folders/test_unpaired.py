"""Images of two kinds that are not paired."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from grey_images import everything, grey, write

from tfgan2.data import kind_of, load_dataset
from tfgan2.errors import UserError


@pytest.mark.parametrize("cache", ["memory", "stream"])
def test_unpaired_sides_of_different_length(tmp_path: Path, cache: str) -> None:
    for side, count in (("a", 5), ("b", 8)):
        for i in range(count):
            write(tmp_path / side / f"{i}.png", grey(100 + 10 * i + (5 if side == "b" else 0)))
    name = f"unpaired:{tmp_path / 'a'},{tmp_path / 'b'}"
    dataset = load_dataset(name, image_size=8, hold_out=1, cache=cache)
    assert kind_of(name) == dataset.kind == "unpaired"
    assert dataset.num_images == 7 and dataset.held_out.num_images == 1
    a, b = everything(dataset)
    assert len(np.unique(a)) == 4 and len(np.unique(b)) == 7
    assert set(a % 10) == {0} and set(b % 10) == {5}
    turned = load_dataset(name, image_size=8, direction="BtoA")
    assert set(everything(turned)[0] % 10) == {5}
    # Resumed after two batches, the third is the same.
    batches = list(dataset.batches(2, seed=1).take(3))
    (again,) = dataset.batches(2, seed=1, start=4).take(1)
    for one, other in zip(batches[2], again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_unpaired_words_that_are_wrong(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="takes two folders, not 3"):
        load_dataset(f"unpaired:{tmp_path},{tmp_path},{tmp_path}")
    write(tmp_path / "a" / "1.png", grey(0))
    (tmp_path / "b").mkdir()
    with pytest.raises(UserError, match="b' holds no images"):
        load_dataset(f"unpaired:{tmp_path / 'a'},{tmp_path / 'b'}")
    with pytest.raises(UserError, match="unknown direction 'up': choose from AtoB, BtoA"):
        load_dataset(f"unpaired:{tmp_path / 'a'},{tmp_path / 'a'}", direction="up")
    with pytest.raises(UserError, match="is not paired"):
        load_dataset("digits", direction="BtoA")


def test_the_layout_of_cyclegan(tmp_path: Path) -> None:
    for folder, first in (("trainA", 0), ("testA", 5), ("trainB", 10), ("testB", 15)):
        for i in range(first, first + 4):
            write(tmp_path / "zoo" / folder / f"{folder} {i}.png", grey(100 + i))
    dataset = load_dataset(f"unpaired:{tmp_path}/zoo", image_size=8)
    for part, first in ((dataset, 100), (dataset.held_out, 105)):
        expected = [list(range(first, first + 4)), list(range(first + 10, first + 14))]
        assert [sorted(side) for side in everything(part)] == expected
    assert dataset.notes == ("unpaired: A is 'trainA', B is 'trainB'",)
    with pytest.raises(UserError, match="has no folders trainA and trainB, or A and B: give unp"):
        load_dataset(f"unpaired:{tmp_path}/zoo/trainA")
