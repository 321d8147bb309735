"""An image does not depend on the others of its batch."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest

from tfgan2 import runtime
from tfgan2.inputs.latents import draw_latents
from tfgan2.runtime.backends import in_sizes
from tfgan2.serve.limits import Limits
from tfgan2.serve.service import Service, candidate_sizes, invariant_sizes

SAMPLES = {"z": draw_latents(24, 5, seed=0)}


def double(inputs):
    return inputs["z"] * np.float32(1.1)


def other_kernel_alone(inputs):
    made = double(inputs)
    return np.nextafter(made, np.float32(9)) if len(made) == 1 else made


def other_kernel_in_the_tail(inputs):
    """As matrix products whose last rows are no full block of 4."""
    made = double(inputs)
    tail = len(made) % 4
    made[len(made) - tail :] = np.nextafter(made[len(made) - tail :], np.float32(9))
    return made


def scaled_by_the_batch(inputs):
    """As layers that quantise by the range of all samples together."""
    scale = np.abs(inputs["z"]).max() / np.float32(127)
    return np.rint(inputs["z"] / scale) * scale


def test_candidate_sizes():
    assert candidate_sizes(1) == (1,)
    assert candidate_sizes(20) == (1, 2, 3, 4, 6, 8, 12, 16, 20)
    sizes = candidate_sizes(100)
    assert all(b <= 1.5 * a for a, b in itertools.pairwise(sizes[1:]))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (double, (1, 2, 3, 4, 6, 8, 12, 16)),
        (other_kernel_alone, (2, 3, 4, 6, 8, 12, 16)),
        (other_kernel_in_the_tail, (4, 8, 12, 16)),
        (scaled_by_the_batch, (1,)),
    ],
)
def test_sizes_that_agree(model, expected):
    sizes = invariant_sizes(model, SAMPLES, candidate_sizes(16))
    assert sizes == expected
    steady = partial(in_sizes, model, sizes=sizes)
    z = draw_latents(20, 5, seed=3)
    together = steady({"z": z})
    assert together.shape == z.shape
    for start, stop in ((0, 1), (7, 8), (3, 8), (9, 20), (1, 18)):
        np.testing.assert_array_equal(steady({"z": z[start:stop]}), together[start:stop])


@pytest.mark.parametrize("name", ["generator.onnx", "generator.tflite"])
def test_an_exported_file(generators, name):
    service = Service(generators / name, Limits(max_batch=8), threads=1)
    z, labels = draw_latents(11, 6, seed=5), np.arange(11, dtype=np.int32) % 3
    together = service.model({"z": z, "label": labels})
    for start, stop in ((0, 1), (2, 3), (4, 9)):
        part = {"z": z[start:stop], "label": labels[start:stop]}
        np.testing.assert_array_equal(service.model(part), together[start:stop])
    alone = runtime.load(generators / name)(z, labels)
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_fixed_batch_is_what_is_run(plain):
    service = Service(plain, Limits())
    assert service.model.keywords["sizes"] == (4,)
    assert service.batches.max_batch == 4
