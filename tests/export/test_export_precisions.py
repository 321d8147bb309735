"""What each precision costs and saves; `pytest tests/export/test_export_precisions.py -s` shows."""

from __future__ import annotations

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from tfgan2.export.tflite import CALIBRATION_LATENTS


def test_sizes_and_differences(large):
    print(f"\n{'file':<26}{'MB':>7}{'of f32':>8}{'max':>10}{'mean':>10}{'steps':>7}{'ms':>7}")
    full = large.of("tflite").bytes
    for a in large.artifacts:
        print(
            f"{a.path.name:<26}{a.bytes / 1e6:>7.2f}{a.bytes / full:>8.3f}{a.max_difference:>10.1e}"
            f"{a.mean_difference:>10.1e}{a.picture_difference:>7.3f}{a.milliseconds_per_image:>7.2f}"
        )
    assert large.generator.count_params() > 1_000_000
    # precision: at most this part of the float32 size, this many steps of 0…255 off on average
    limits = {
        "float32": (1.0, 0.001),
        "float16": (0.52, 0.1),
        "dynamic": (0.28, 3.0),
        "int8": (0.28, 6.0),
    }
    for precision, (size, steps) in limits.items():
        artifact = large.of("tflite", precision)
        assert artifact.bytes <= size * full
        assert artifact.picture_difference <= steps
    assert large.of("tflite").max_difference <= 1e-4
    # Each is really another file: less precision, more difference.
    means = [
        large.of("tflite", precision).mean_difference
        for precision in ("float32", "float16", "dynamic", "int8")
    ]
    assert means == sorted(means)
    assert means[0] < means[1] / 100


def test_the_images_use_their_range(large):
    """Without it the differences above would say nothing about a trained generator."""
    z = np.random.default_rng(0).standard_normal((16, 100), np.float32)
    assert 0.3 < float(np.std(large.generator(z, training=False))) < 0.9


def test_int8_is_integer_inside_and_float_outside(large):
    interpreter = Interpreter(model_path=str(large.of("tflite", "int8").path))
    interpreter.allocate_tensors()
    assert [item["dtype"] for item in interpreter.get_input_details()] == [np.float32]
    assert [item["dtype"] for item in interpreter.get_output_details()] == [np.float32]
    floats = [item for item in interpreter.get_tensor_details() if item["dtype"] == np.float32]
    assert len(floats) == 2
    assert CALIBRATION_LATENTS >= 300
