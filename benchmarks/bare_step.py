"""Trains only the compiled step of a flavour on one batch, without data, until it is killed.

python benchmarks/bare_step.py dcgan --precision mixed_bfloat16 --batch-size 512

Started by `train_speed.py` and `gpu.py`, which time the lines that it prints (contestants.py). The
batch holds fresh images for each update of the discriminator. `matmul` in place of a flavour
multiplies 2048x2048 float32 matrices, as the machine's peak.
"""

from __future__ import annotations

import argparse
import math
import os
from typing import Any

import tensorflow as tf
from command_line import errors_in_one_line
from contestants import train

from tfgan2 import registry
from tfgan2.kernels import compiled_update
from tfgan2.nn.precision import precision

EDGE = 2048


def about() -> dict[str, Any]:
    """Names the device and the versions."""
    gpus = tf.config.list_physical_devices("GPU")
    details = tf.config.experimental.get_device_details(gpus[0]) if gpus else {}
    return {
        "device": details.get("device_name", f"CPU, {os.cpu_count()} cores"),
        "TensorFlow": tf.__version__,
        "TensorFlow's CUDA": tf.sysconfig.get_build_info().get("cuda_version") if gpus else None,
    }


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("flavour", help="or matmul")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[])
    parser.add_argument("--no-xla", action="store_true")
    options = parser.parse_args(arguments)
    if options.flavour != "matmul":
        options.hyperparameters = registry.parse_settings(options.flavour, options.set)
    return options


@errors_in_one_line()
def main() -> None:
    options = parsed()
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    if options.flavour == "matmul":
        matrix = tf.random.normal((EDGE, EDGE))
        values = {}

        def multiply() -> None:
            values["product"] = tf.matmul(matrix, matrix)[0, 0]

        train(multiply, lambda: float(values["product"]), about())
    shape = (options.image_size, options.image_size, 3)
    with precision(options.precision):
        model = registry.create(options.flavour, image_shape=shape, **options.hyperparameters)
        model.compile()
    count = options.batch_size * model.batches_per_step
    batch = tf.random.stateless_uniform((count, *shape), (1, 2), -1.0, 1.0)
    update = compiled_update(model, xla=not options.no_xla)
    losses: dict[str, Any] = {}

    def check() -> None:
        """Waits for the computation."""
        found = {name: float(value) for name, value in losses.items()}
        if not all(map(math.isfinite, found.values())):
            raise SystemExit(f"a loss is not finite: {found}")

    train(lambda: losses.update(update(batch)), check, about())


if __name__ == "__main__":
    main()
