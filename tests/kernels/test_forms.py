"""The forms that layers of real flavours take in a compiled step, counted in its graph."""

from __future__ import annotations

import re
from collections import Counter

import pytest
import tensorflow as tf

from tfgan2 import registry
from tfgan2.kernels import compiled_update

ACTIVATIONS = {"Relu", "ReluGrad", "LeakyRelu", "LeakyReluGrad"}
CONVOLUTIONS = {"Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter"}
SCOPE = re.compile(r"(winograd_\dx\d|patches)_(dilated_)?(conv2d_transpose|conv2d|kernel_gradient)")
# Matrix multiplications of one convolution.
MULTIPLICATIONS = {"winograd_4x4": 9, "winograd_3x3": 16, "patches": 1}


def counted(name: str, edge: int, batch: int, **forms: bool) -> dict[str, int]:
    """Counts convolutions by form, and activations, in a step on color images at the defaults."""
    model = registry.create(name, image_shape=(edge, edge, 3))
    model.compile()
    images = tf.TensorSpec((batch * model.batches_per_step, edge, edge, 3))
    labels = tf.TensorSpec(images.shape[:1], tf.int32)
    parts = (images, images if model.data_kind == "pairs" else labels)
    graph = compiled_update(model, **forms).get_concrete_function(parts).graph.as_graph_def()
    found: Counter[str] = Counter()
    for node in [*graph.node, *(node for each in graph.library.function for node in each.node_def)]:
        if node.op in ACTIVATIONS | CONVOLUTIONS:
            found[node.op] += 1
        form = SCOPE.search(node.name)
        # The gradients of patches are matrix multiplications in a scope of their own.
        if node.op == "MatMul" and form and SCOPE.match(node.name.split("/")[-2]):
            found[form[0]] += 1
    for form, number in found.items():
        each = next((n for prefix, n in MULTIPLICATIONS.items() if form.startswith(prefix)), 1)
        assert number % each == 0, form
        found[form] = number // each
    return dict(found)


@pytest.mark.parametrize(
    ("name", "edge", "batch", "expected"),
    [
        pytest.param(
            "dcgan",
            64,
            64,
            {
                # Four layers in each network. The first of the discriminator has 3 channels, too
                # few but for its gradient; so has the gradient of the generator's last.
                "winograd_4x4_conv2d": 3 * 3 + 3,
                "winograd_4x4_conv2d_transpose": 4 + 3 * 4,
                "winograd_4x4_kernel_gradient": 3 * 3 + 3,
                "Conv2D": 3 + 1,
                "Conv2DBackpropFilter": 3 + 1,
            },
            id="winograd 4x4",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "inpainting",
            32,
            64,
            {
                # From 128 channels on; the generator runs once.
                "winograd_3x3_conv2d": 5,
                "winograd_3x3_conv2d_transpose": 5,
                "winograd_3x3_kernel_gradient": 5,
                "winograd_4x4_conv2d": 2,
                "winograd_4x4_conv2d_transpose": 2,
                "winograd_4x4_kernel_gradient": 2,
                # Dilated by as much as the edge of the features, 8, or more.
                "patches_dilated_conv2d": 2,
                # The discriminators' kernels that are larger than their output.
                "patches_conv2d": 3 * 2,
                "Conv2D": 19,
                "Conv2DBackpropInput": 19,
                "Conv2DBackpropFilter": 19,
            },
            id="winograd 3x3, dilated",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "pix2pix",
            32,
            1,
            {
                # Four of five layers on each side of the U-Net have at most 8x8 output pixels,
                # and so have two of the discriminator's.
                "patches_conv2d": 4 + 3 * 2,
                "patches_conv2d_transpose": 4,
                "winograd_4x4_conv2d_transpose": 1 + 1 + 3,
                "Conv2D": 8,
                "Conv2DBackpropInput": 3,
                "Conv2DBackpropFilter": 8,
            },
            id="patches",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_step_takes_each_form(name: str, edge: int, batch: int, expected: dict[str, int]) -> None:
    assert counted(name, edge, batch) == expected


@pytest.mark.parametrize("xla", [True, False])
def test_convolutions_and_activations_are_tensorflows_own_on_request(xla: bool) -> None:
    found = counted("dcgan", 32, 4, xla=xla, fast_convolutions=False)
    # Without XLA, nothing is rewritten; with it, activations still are.
    assert set(found) == (CONVOLUTIONS if xla else CONVOLUTIONS | ACTIVATIONS)
