"""Masks for inpainting."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfgan2.nn import masks


@pytest.mark.parametrize("kind", masks.KINDS)
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
    tops, lefts = masks.surroundings(tf.constant(drawn), 8)
    assert tops.numpy().tolist() == [12, 0, 24]
    assert lefts.numpy().tolist() == [8, 0, 24]
    assert masks.local_size(32, 0.5) == 24 and masks.local_size(8, 0.9) == 8
