"""The Fréchet distance of a file, and the inputs that calibrate and verify."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from tfgan2.export import ExportSpec, Options, export_networks
from tfgan2.export.exporter import Fidelity, default_count
from tfgan2.export.graph import keras_model, reference
from tfgan2.export.spec import draw_inputs, verification_cases


def spec_of(shape, **settings):
    """A network that returns its input, or one that takes latents."""
    if settings.pop("latents", False):
        z = keras.Input((3,), name="z")
        size = int(np.prod(shape))
        made = keras.layers.Reshape(shape)(keras.layers.Dense(size, "tanh")(z))
        return ExportSpec(keras.Model(z, made))
    image = keras.Input(shape, name="input")
    same = keras.layers.Activation("linear", name="image")(image)
    return ExportSpec(keras.Model(image, same), facts={"size": [64, 64]}, **settings)


def test_default_counts():
    counts = {
        (16, 16, 1): 2000,
        (64, 64, 3): 2000,
        (128, 128, 3): 500,
        (1, 1, 2): 2000,
    }
    for shape, count in counts.items():
        assert default_count(spec_of(shape, latents=True)) == count
    assert default_count(spec_of((64, 64, 3))) == 200
    assert default_count(spec_of((None, None, 3))) == 200


@pytest.mark.parametrize(
    ("edge", "count", "largest"), [(64, 64, 64), (128, 16, 16), (256, 8, 4), (512, 8, 1)]
)
def test_large_images_are_verified_a_few_at_a_time(edge, count, largest):
    sizes = []

    class Counted(keras.layers.Layer):
        def call(self, z):
            sizes.append(z.shape[0])
            return z[:, :, None, None] * np.ones((1, 1, edge, edge), np.float32)

    z = keras.Input((1,), name="z")
    image = keras.layers.Permute((2, 3, 1))(Counted()(z))
    spec = ExportSpec(keras.Model(z, image))
    (inputs,) = verification_cases(spec, 0)
    assert len(inputs["z"]) == count
    sizes.clear()  # from building the network
    output = reference(spec, inputs)
    assert max(sizes) == largest and sum(sizes) == count
    np.testing.assert_array_equal(output[:, 0, 0, 0], inputs["z"][:, 0])


def test_a_file_is_measured_against_keras():
    spec = spec_of((8, 8, 1), latents=True)
    fidelity = Fidelity(spec, 300, seed=5)

    def scaled(factor):
        return lambda inputs: keras_model(spec)(inputs) * factor

    assert fidelity.measure(scaled(1)) == {
        "distance": 0.0,
        "features": "random-conv-112",
        "images": 300,
    }
    darker, dark = (fidelity.measure(scaled(factor))["distance"] for factor in (0.9, 0.5))
    assert 0 < darker < dark


def test_points_are_compared_as_they_are():
    spec = spec_of((1, 1, 2), latents=True)
    fidelity = Fidelity(spec, 500, seed=0)
    assert fidelity.features == "values"

    def moved(inputs):
        return keras_model(spec)(inputs) + 3

    assert fidelity.measure(moved)["distance"] == pytest.approx(18, rel=1e-3)


def test_examples_calibrate_and_others_verify():
    examples = np.arange(10, dtype=np.float32).reshape(10, 1, 1, 1) * np.ones((1, 64, 64, 3))
    spec = spec_of((64, 64, 3), examples={"input": examples.astype(np.float32)})
    values = {
        verify: set(draw_inputs(spec, 25, 0, verify=verify)["input"][:, 0, 0, 0].tolist())
        for verify in (False, True)
    }
    assert values == {False: {0, 2, 4, 6, 8}, True: {1, 3, 5, 7, 9}}
    # Images of another size are synthetic.
    assert draw_inputs(spec, 1, 0, (32, 32))["input"].shape == (1, 32, 32, 3)


@pytest.mark.slow
def test_real_examples_calibrate_better_than_synthetic_ones(tmp_path):
    """With dark inputs and high contrast, synthetic inputs waste most of the int8 range."""
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 1), name="input")
    x = keras.layers.Conv2D(8, 3, padding="same")(image)
    x = keras.layers.Conv2D(1, 3, padding="same")(x)
    made = keras.layers.Activation("tanh", name="image")(keras.layers.Rescaling(20.0)(x))
    rng = np.random.default_rng(0)
    dark = (0.05 * rng.standard_normal((80, 16, 16, 1))).astype(np.float32)
    quality = {}
    for source, given in (("made up", {}), ("pictures", {"input": dark})):
        spec = ExportSpec(
            keras.Model(image, made), facts={"size": [16, 16]}, examples=given, source=source
        )
        (artifact,) = export_networks(
            {"generator": spec},
            tmp_path / source,
            Options(["tflite"], ["int8"], allow_lossy=True, images=16),
        )
        assert artifact.calibration == f"64 of {source}"
        judged = Fidelity(replace(spec, examples={}), 16, 0)
        assert judged.features == "random-conv-112"
        from tfgan2 import runtime

        translator = runtime.load(artifact.path)
        wanted = np.asarray(spec.network(dark))
        quality[source] = float(np.mean((translator(dark) - wanted) ** 2))
    assert quality["pictures"] < quality["made up"] / 4
