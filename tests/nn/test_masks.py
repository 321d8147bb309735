"""Masks for inpainting."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfgan2.nn import masks
from tfgan2.nn.resizing import crops


@pytest.mark.parametrize("kind", ["centre", "box", "free-form"])
def test_masks_hide_part_of_every_image(kind: str) -> None:
    drawn = masks.draw(kind, 50, (32, 24), 0.5, tf.constant([3, 4])).numpy()
    assert drawn.shape == (50, 32, 24, 1) and set(np.unique(drawn)) == {0.0, 1.0}
    shares = drawn.mean(axis=(1, 2, 3))
    assert (shares > 0.005).all() and (shares < 0.7).all()
    again = masks.draw(kind, 50, (32, 24), 0.5, tf.constant([3, 4])).numpy()
    np.testing.assert_array_equal(drawn, again)
    if kind == "centre":
        assert shares[0] == 0.25 and drawn[0, 8:24, 6:18].all()
    else:
        assert len({mask.tobytes() for mask in drawn}) > 45


def test_boxes_have_the_requested_sizes() -> None:
    drawn = masks.draw("box", 200, (40, 40), 0.5, tf.constant([0, 1])).numpy()[..., 0]
    edges = np.stack([drawn.max(axis=2).sum(axis=1), drawn.max(axis=1).sum(axis=1)], axis=1)
    np.testing.assert_array_equal(drawn.sum(axis=(1, 2)), edges.prod(axis=1))
    assert edges.min() == 10 and edges.max() == 20
    # Anywhere: some boxes reach the first row, some the last.
    assert drawn[:, 0].any() and drawn[:, -1].any()


def test_surroundings_are_centred_inside_the_image() -> None:
    drawn = np.zeros((3, 32, 32, 1), np.float32)
    drawn[0, 14:18, 10:14] = 1
    drawn[1, :4, :4] = 1
    drawn[2, -4:, -4:] = 1
    tops, lefts = masks.surroundings(tf.constant(drawn), (8, 8))
    assert tops.numpy().tolist() == [12, 0, 24]
    assert lefts.numpy().tolist() == [8, 0, 24]
    assert masks.local_size((32, 32), 0.5) == (24, 24)
    assert masks.local_size((8, 64), 0.9) == (8, 64)


@pytest.mark.parametrize("kind", ["centre", "box"])
def test_surroundings_hold_the_whole_hole(kind: str) -> None:
    drawn = masks.draw(kind, 20, (16, 48), 0.5, tf.constant([0, 1]))
    size = masks.local_size((16, 48), 0.5)
    assert size == (12, 36)
    local = crops(drawn, *masks.surroundings(drawn, size), *size)
    np.testing.assert_array_equal(tf.reduce_sum(local, [1, 2]), tf.reduce_sum(drawn, [1, 2]))


def test_the_brush_is_round_on_all_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """All strokes go from the middle of the image to the right."""
    draws = np.full((1, masks.STROKES, 2 + 2 * masks.SEGMENTS), 0.5, np.float32)
    draws[:, :, 2 : 2 + masks.SEGMENTS] = 0  # the angles
    monkeypatch.setattr(masks, "uniform", lambda shape, seed: tf.constant(draws))
    drawn = masks.draw("free-form", 1, (20, 80), 0.5, tf.constant([0, 1])).numpy()
    y, x = np.mgrid[:20, :80] + 0.5
    # The unit is the root of 20 * 80, 40 pixels: 20 pixels long, 4 wide.
    outside = np.maximum(np.maximum(40 - x, x - 60), 0)
    np.testing.assert_array_equal(drawn[0, ..., 0], np.hypot(y - 10, outside) < 2)
