from __future__ import annotations

import numpy as np
import pytest
from helpers import make_small

from tfgan2.errors import UserError


@pytest.mark.parametrize(
    ("flavour", "more"),
    [
        ("cgan", {}),
        ("biggan", {}),  # one embedding for all blocks
        ("projection", {"network": "resnet"}),  # one for each batch norm
        ("stylegan2", {"conditional": True}),  # within another network
    ],
)
def test_whole_weights_are_labels(flavour: str, more: dict) -> None:
    model = make_small(flavour, **more)
    latents, weights = model.draw_latents(6), model.sampling_generator.get_weights()
    for variable in model.sampling_generator.weights:
        if "embeddings" in variable.name:  # some are 0 at first
            variable.assign(np.random.default_rng(0).normal(size=variable.shape))
    labels = np.array([0, 1, 2, 2, 1, 0])
    expected = model.generate(latents, labels)
    mixed = model.generate(latents, np.eye(3)[labels])
    np.testing.assert_allclose(mixed, expected, atol=1e-5)
    assert np.abs(expected[0] - model.generate(latents, [1] * 6)[0]).max() > 1e-3
    assert len(weights) == len(model.sampling_generator.get_weights())


def test_between_two_classes_the_embedding_is_their_mean() -> None:
    model = make_small("cgan")
    latents = model.draw_latents(3)
    (table,) = [w for w in model.sampling_generator.weights if "embeddings" in w.name]
    before = table.numpy()
    mixed = model.generate(latents, [[0.25, 0.0, 0.75]] * 3)
    np.testing.assert_array_equal(table.numpy(), before)  # the model keeps its own
    table.assign(np.stack([0.25 * before[0] + 0.75 * before[2], before[1], before[2]]))
    np.testing.assert_allclose(mixed, model.generate(latents, [0, 0, 0]), atol=1e-6)


def test_weights_of_another_shape() -> None:
    model = make_small("cgan")
    with pytest.raises(UserError, match="weights of shape"):
        model.generate(model.draw_latents(2), np.ones((2, 4)))
    model = make_small("dcgan")
    with pytest.raises(UserError, match="takes no labels"):
        model.generate(model.draw_latents(2), np.ones((2, 3)))
