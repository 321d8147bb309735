"""Classes in generators and discriminators, and self-attention, against NumPy."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from tfgan2.errors import UserError
from tfgan2.models import SAGAN, BigGAN, ProjectionGAN
from tfgan2.networks.attention import self_attention
from tfgan2.networks.biggan import level_channels
from tfgan2.networks.layers import LayerMaker, projection
from tfgan2.networks.pairs import generator
from tfgan2.networks.sizes import attention_edges, residual_blocks


def randomize(model: keras.Model) -> None:
    """Gives a model random weights; variances stay positive."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        values = rng.normal(scale=0.4, size=weight.shape)
        weight.assign(np.abs(values) + 0.1 if weight.name == "moving_variance" else values)


def test_attention_by_hand() -> None:
    image = keras.Input((4, 6, 16))
    model = keras.Model(image, self_attention(image, LayerMaker(1).conv))
    randomize(model)
    convs = [x for x in model.layers if isinstance(x, keras.layers.Conv2D)]
    convs.sort(key=lambda x: (len(x.name), x.name))  # as they were made
    theta, phi, g, last = (x.kernel.numpy() for x in convs)
    gain = model.layers[-2].gain.numpy()
    assert theta.shape == phi.shape == (1, 1, 16, 2) and g.shape == (1, 1, 16, 8)
    assert last.shape == (1, 1, 8, 16) and gain.shape == ()
    x = np.random.default_rng(1).normal(size=(3, 4, 6, 16)).astype(np.float32)

    def pooled(y: np.ndarray) -> np.ndarray:
        return y.reshape(3, 2, 2, 3, 2, -1).max(axis=(2, 4)).reshape(3, 6, -1)

    logits = (x @ theta[0, 0]).reshape(3, 24, 2) @ pooled(x @ phi[0, 0]).transpose(0, 2, 1)
    weights = np.exp(logits - logits.max(axis=2, keepdims=True))
    weights /= weights.sum(axis=2, keepdims=True)
    taken = (weights @ pooled(x @ g[0, 0])).reshape(3, 4, 6, 8) @ last[0, 0]
    np.testing.assert_allclose(model(x), x + gain * taken, rtol=1e-5, atol=1e-5)
    model.layers[-2].gain.assign(0.0)
    np.testing.assert_array_equal(model(x), x)  # as at first


@pytest.mark.parametrize("conditioning", ["norm", "hierarchy"])
def test_conditional_batch_norm_by_hand(conditioning: str) -> None:
    """The first norm of a residual generator: of a dense layer's features."""
    make = LayerMaker(1, 4, spectral=conditioning == "hierarchy")
    settings = {"conditioning": conditioning, "embedding": 5}
    model = generator("resnet", (16, 16, 1), 7, make, num_labels=3, **settings)
    randomize(model)
    norm = next(x for x in model.layers if isinstance(x, keras.layers.BatchNormalization))
    assert not norm.center and not norm.scale
    after = norm.output
    for _ in range(2):  # the product, the sum
        after = after._keras_history.operation._outbound_nodes[0].outputs[0]
    features, normed, result = keras.Model(model.inputs, [norm.input, norm.output, after])(
        [z := np.random.default_rng(2).normal(size=(4, 7)).astype(np.float32), np.arange(4) % 3]
    )
    mean, variance = norm.moving_mean.numpy(), norm.moving_variance.numpy()
    plain = (features - mean) / np.sqrt(variance + 1e-5)
    np.testing.assert_allclose(normed, plain, rtol=1e-4, atol=1e-5)
    embeddings = [x for x in model.layers if isinstance(x, keras.layers.Embedding)]
    if conditioning == "norm":
        scales, shifts = (x.embeddings.numpy()[np.arange(4) % 3] for x in embeddings[:2])
    else:
        (shared,) = embeddings
        part = z[:, 2:5]  # of 7 latents in three parts, the second
        condition = np.concatenate([shared.embeddings.numpy()[np.arange(4) % 3], part], axis=1)
        linear = [x for x in model.layers if getattr(x, "kernel", None) is not None]
        linear = [x.kernel.numpy() for x in linear if x.kernel.shape == (8, 4)]
        scales, shifts = (condition @ kernel for kernel in linear[:2])
    expected = plain * (1 + scales[:, None, None]) + shifts[:, None, None]
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


def test_labels_multiply_latents() -> None:
    settings: dict[str, Any] = {"conditioning": "product", "num_labels": 3}
    model = generator("dcgan", (8, 8, 1), 5, LayerMaker(1, 4), **settings)
    embedding = next(x for x in model.layers if isinstance(x, keras.layers.Embedding))
    latents, labels = np.random.default_rng(0).normal(size=(4, 5)), np.array([0, 2, 1, 2])
    first = next(x for x in model.layers if isinstance(x, keras.layers.Dense))
    taken = keras.Model(model.inputs, first.input)([latents.astype(np.float32), labels])
    expected = latents * embedding.embeddings.numpy()[labels]
    np.testing.assert_allclose(taken, expected, rtol=1e-5)


def test_conditional_norms_begin_as_plain_ones() -> None:
    model = ProjectionGAN((16, 16, 1), base_channels=4, num_classes=3)
    latents = np.repeat(model.draw_latents(1), 3, axis=0)
    images = model.generate(latents, [0, 1, 2])
    np.testing.assert_allclose(images[1:], images[:1].repeat(2, axis=0), atol=1e-6)
    for layer in model.generator.layers:
        if isinstance(layer, keras.layers.Embedding):
            layer.embeddings.assign(np.random.default_rng(0).normal(size=layer.embeddings.shape))
    model.ema_generator.set_weights(model.generator.get_weights())
    images = model.generate(latents, [0, 1, 2])
    assert np.abs(images[1] - images[0]).max() > 0.01


def test_each_block_has_its_own_latents() -> None:
    model = BigGAN((16, 16, 1), base_channels=4, num_classes=2)
    assert model.latent_dim == 60 and residual_blocks((16, 16, 1)) == 2
    randomize(model.ema_generator)
    latents = np.zeros((4, 60), np.float32)
    for part in range(3):
        latents[part + 1, 20 * part : 20 * part + 20] = 1.0
    images = model.generate(latents, [0] * 4)
    assert all(np.abs(image - images[0]).max() > 1e-4 for image in images[1:])


def test_projection_by_hand() -> None:
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(2, 5)), rng.normal(size=(2, 3, 5))
    expected = np.einsum("bn,bpn->b", features, labels)[:, None]
    result = projection(*(keras.ops.convert_to_tensor(x, "float32") for x in (features, labels)))
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)
    maps = rng.normal(size=(2, 3, 4, 5)).astype(np.float32)
    result = projection(maps, keras.ops.convert_to_tensor(labels, "float32"))
    expected = np.einsum("bhwn,bpn->bhw", maps, labels)[..., None]
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


def test_logits_of_the_projection_discriminator() -> None:
    model = ProjectionGAN((8, 8, 1), base_channels=4, num_classes=3, packing=2)
    images = np.random.default_rng(0).normal(size=(3, 8, 8, 2)).astype(np.float32)
    labels = np.array([[0, 1], [1, 1], [2, 0]])
    layers = model.discriminator.layers
    final = model.discriminator.get_layer("logits_sn")
    embedding = next(
        x.layer for x in layers if isinstance(getattr(x, "layer", 0), keras.layers.Embedding)
    )
    features = keras.Model(model.discriminator.inputs, final.input)([images, labels]).numpy()
    embedded = embedding.embeddings.numpy()[labels].sum(axis=1)
    plain = features @ final.layer.kernel.numpy() + final.layer.bias.numpy()
    expected = plain + (features * embedded).sum(axis=1, keepdims=True)
    result = model.discriminator([images, labels]).numpy()
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)
    assert np.abs(result - plain).max() > 1e-3


@pytest.mark.parametrize(
    ("shape", "edges"),
    [
        ((8, 8, 1), []),
        ((28, 28, 1), [14]),
        pytest.param((32, 32, 3), [16, 8], marks=pytest.mark.slow),
        pytest.param((64, 48, 3), [32, 16], marks=pytest.mark.slow),
        pytest.param((128, 128, 3), [64, 32, 16, 8], marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("network", ["dcgan", "resnet", "biggan"])
def test_attention_at_every_size(
    network: str, shape: tuple[int, int, int], edges: list[int]
) -> None:
    assert attention_edges(shape) == edges
    model = SAGAN(shape, base_channels=2, max_channels=8, num_classes=2, network=network)
    assert model.config.attention == next((edge for edge in edges if edge <= 32), 0)
    for edge in [0, *edges]:
        model = SAGAN(
            shape, base_channels=2, max_channels=8, num_classes=2, network=network, attention=edge
        )
        for one in (model.generator, model.discriminator):
            softmax = [x for x in one.layers if isinstance(x, keras.layers.Softmax)]
            assert len(softmax) == bool(edge)
            if edge:
                pixels = softmax[0].output.shape[1]
                assert pixels == edge * edge * min(shape[:2]) // max(shape[:2])


def test_attention_of_an_impossible_size() -> None:
    with pytest.raises(UserError, match=r"attention must be one of 0, 16, 8, not 20$"):
        SAGAN((32, 32, 3), num_classes=2, attention=20)
    with pytest.raises(UserError, match=r"attention must be one of 0, not 16$"):
        SAGAN((32, 32, 3), num_classes=2, attention=16, network="mlp")


@pytest.mark.parametrize(
    ("edge", "up", "down"),
    [
        (32, [4, 4, 4, 4], [2, 2, 2, 2]),
        (64, [16, 16, 8, 4, 2], [1, 2, 4, 8, 16]),
        (128, [16, 16, 8, 4, 2, 1], [1, 2, 4, 8, 16, 16]),
        (256, [16, 16, 8, 8, 4, 2, 1], [1, 2, 4, 8, 8, 16, 16]),
    ],
)
def test_channels_of_biggan(edge: int, up: list[int], down: list[int]) -> None:
    model = BigGAN((edge, edge, 3), base_channels=3, num_classes=2, attention=0)

    def sums(network: keras.Model) -> list[int]:
        found = [x.output for x in network.layers if isinstance(x, keras.layers.Add)]
        return [x.shape[-1] // 3 for x in found if len(x.shape) == 4 and x.shape[-1] % 3 == 0]

    dense = next(x for x in model.generator.layers if isinstance(x, keras.layers.Reshape))
    first = [x.output.shape[-1] for x in model.generator.layers if x.name.startswith("reshape")]
    assert dense is not None and 3 * up[0] in first
    blocks = [x for x in model.generator.layers if isinstance(x, keras.layers.Add)]
    assert [x.output.shape[-1] // 3 for x in blocks if x.output.shape[1] > 4] == up[1:]
    assert sums(model.discriminator)[: len(down)] == down
    assert len(level_channels((128, 128), LayerMaker(1, 3), 6)) == 6


def test_channels_and_attention_of_the_paper_at_128_pixels() -> None:
    shape: dict[str, Any] = {"image_shape": (128, 128, 3), "num_classes": 2}
    for flavour in (BigGAN, ProjectionGAN):
        config = flavour.Config(**shape, network="biggan")
        make = LayerMaker(1, config.base_channels, max_channels=config.max_channels)
        assert level_channels((128, 128), make, 6) == [96, 192, 384, 768, 1536, 1536]
    assert BigGAN.Config(**shape).max_channels == 1536
    assert BigGAN.Config(**shape).attention == 64
    assert BigGAN.Config(**shape, attention=0).attention == 0
    assert BigGAN.Config(**shape, network="mlp").attention == 0
    assert BigGAN.Config(image_shape=(256, 128, 3), num_classes=2).attention == 64
    assert BigGAN.Config(image_shape=(64, 64, 3), num_classes=2).attention == 32
    assert BigGAN.Config(**shape, network="pyramid").max_channels == 512
    assert {BigGAN.Config.presets[name]["max_channels"] for name in ("few", "cpu")} == {256}


def test_labels_enter_networks_without_batch_norm_with_the_latents() -> None:
    settings: dict[str, Any] = {"num_labels": 3, "conditioning": "norm"}
    for network, shape in (("r3gan", (16, 16, 1)), ("dcgan", (1, 1, 2))):
        model = generator(
            "mlp" if shape == (1, 1, 2) else network, shape, 5, LayerMaker(1, 8), **settings
        )
        embeddings = [x for x in model.layers if isinstance(x, keras.layers.Embedding)]
        assert [x.output_dim for x in embeddings] == [50]


def test_labels_and_all_latents_reach_networks_without_blocks() -> None:
    model = BigGAN((16, 16, 1), base_channels=8, num_classes=2, network="mlp")
    latents = np.zeros((2, 60), np.float32)
    latents[1, 59] = 1.0
    images = model.generate(latents, [0, 0])
    assert np.abs(images[1] - images[0]).max() > 1e-4
    assert np.abs(model.generate(latents, [1, 1]) - images).max() > 1e-4
