"""Truncation and standing statistics in exported files."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import make_small, tensors_for

from tfgan2 import runtime
from tfgan2.errors import UserError
from tfgan2.export import Options, export_networks, model_specs
from tfgan2.nn.statistics import batch_norms


def trained(flavour, **more):
    model = make_small(flavour, **more)
    model.compile()
    model.train_step(tensors_for(model))
    return model


def exported(model, folder, formats=("onnx", "tflite"), **options):
    """Exports a model, and opens its files."""
    chosen = Options(list(formats), images=16, **options)
    export_networks(model_specs(model, model.label_names(["a", "b", "c"]), chosen), folder, chosen)
    return [runtime.load(folder / f"generator.{kind}") for kind in formats]


@pytest.mark.slow
def test_styles_have_an_input(tmp_path):
    model = trained("stylegan2", conditional=True)
    latents, labels = model.draw_latents(5), np.array([0, 1, 2, 0, 1])
    for generator in exported(model, tmp_path, truncation=0.6):
        assert generator.truncation_of == "styles" and generator.default_truncation == 0.6
        inputs = [item["name"] for item in generator.metadata["inputs"]]
        assert inputs == ["z", "label", "truncation"]
        for truncation in (None, 0.0, 0.3, 1.0):
            made = generator(latents, labels, truncation=truncation)
            used = 0.6 if truncation is None else truncation
            expected = model.generate(latents, labels, truncation=used)
            np.testing.assert_allclose(made, expected, atol=1e-4)
        drawn = generator.generate(5, seed=0, truncation=1.0)
        np.testing.assert_allclose(drawn, model.generate(latents, labels), atol=1e-4)


@pytest.mark.slow
def test_styles_without_a_default(tmp_path):
    model = trained("stylegan2")
    latents = model.draw_latents(4)
    for generator in exported(model, tmp_path, ["onnx"]):
        assert [item["name"] for item in generator.metadata["inputs"]] == ["z", "truncation"]
        assert generator.default_truncation is None
        np.testing.assert_allclose(generator(latents), model.generate(latents), atol=1e-4)


@pytest.mark.slow
def test_latents_lie_within_a_threshold(tmp_path):
    model = trained("biggan")
    latents, labels = model.draw_latents(5), np.array([0, 1, 2, 0, 1])
    for generator in exported(model, tmp_path, ["onnx"], truncation=0.5):
        assert generator.metadata["truncation"] == {"of": "latents", "default": 0.5}
        assert [item["name"] for item in generator.metadata["inputs"]] == ["z", "label"]
        expected = model.generate(latents, labels, truncation=0.5)
        np.testing.assert_allclose(generator(latents, labels), expected, atol=1e-4)
        made = generator(latents, labels, truncation=0.0)  # its statistics stay those of 0.5
        np.testing.assert_allclose(made[0], made[3], atol=1e-5)


def test_statistics_are_folded(tmp_path):
    model = trained("dcgan")
    latents = model.draw_latents(5)
    before = [norm.moving_mean.numpy() for norm in batch_norms(model.sampling_generator)]
    expected = model.generate(latents, standing_statistics=3)
    assert np.abs(expected - model.generate(latents)).max() > 1e-3
    for generator in exported(model, tmp_path, ["onnx"], standing_statistics=3):
        assert generator.metadata["standing_statistics"] == 3
        np.testing.assert_allclose(generator(latents), expected, atol=1e-4)
        with pytest.raises(UserError, match="has no truncation"):
            generator(latents, truncation=0.5)
    for mean, norm in zip(before, batch_norms(model.sampling_generator), strict=True):
        np.testing.assert_array_equal(norm.moving_mean, mean)


@pytest.mark.parametrize(
    ("flavour", "options", "message"),
    [
        ("dcgan", {"truncation": 0.5}, "DCGAN has no truncation"),
        ("stylegan2", {"standing_statistics": 2}, "StyleGAN2 has no batch norm"),
        ("pix2pix", {"standing_statistics": 2}, "Pix2Pix takes images: omit --truncation"),
        ("pix2pix", {"truncation": 0.5}, "Pix2Pix takes images: omit --truncation"),
    ],
)
def test_refused(flavour, options, message):
    with pytest.raises(UserError, match=message):
        model_specs(make_small(flavour), (), Options(**options))


@pytest.mark.slow
def test_code_that_would_draw_latents_for_ever_is_refused(tmp_path):
    options = Options(["onnx"], truncation=0.0, bundle=True)
    specs = model_specs(make_small("biggan"), (), options)
    with pytest.raises(UserError, match="until they lie within the truncation: give one above 0"):
        export_networks(specs, tmp_path / "out", options)
    assert not (tmp_path / "out").exists()


def test_options_out_of_range():
    with pytest.raises(UserError, match="truncation must be at least 0, not -1"):
        Options(truncation=-1.0)
    with pytest.raises(UserError, match="at least 0, not -1"):
        Options(standing_statistics=-1)
