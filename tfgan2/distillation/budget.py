"""The widest student within a budget of bytes, time or operations."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfgan2.errors import UserError

if TYPE_CHECKING:
    import keras

    from tfgan2.export.spec import ExportSpec
    from tfgan2.models import Pix2Pix

_UNITS = {
    "KB": ("bytes", 1e3),
    "MB": ("bytes", 1e6),
    "MS": ("milliseconds", 1.0),
    "MFLOP": ("flops", 1e6),
    "GFLOP": ("flops", 1e9),
}
_METADATA = 3000
"""Bytes of the metadata of a file, which says more of a trained student."""
_CHANNEL = 16
"""Bytes of a channel's bias, scale and zero point."""
_BASES = (64, 48, 32, 24, 16, 12, 8, 6, 4)
_RATIOS = (8, 4, 2, 1)


@dataclass(frozen=True)
class Cost:
    """What a student costs.

    Attributes:
        bytes: size of its int8 TFLite file.
        milliseconds: time for an image on one thread of this machine, by LiteRT.
        flops: floating-point operations for an image: two for each multiplication and addition.
    """

    bytes: int
    milliseconds: float
    flops: int

    def __str__(self) -> str:
        return (
            f"{self.bytes / 1e3:.0f} KB and {self.milliseconds:.2f} ms in int8, "
            f"{self.flops / 1e6:.1f} MFLOP"
        )


@dataclass(frozen=True)
class Budget:
    """The largest possible value of some fields of `Cost`."""

    limits: Mapping[str, float]

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Budget:
        """Reads limits such as "300KB", "3ms" and "20MFLOP"; a UserError for another text."""
        limits: dict[str, float] = {}
        for text in texts:
            match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Z]+)\s*", text.upper())
            units = [] if match is None else [match[2], match[2].removesuffix("S")]  # MFLOPs
            unit = next((_UNITS[name] for name in units if name in _UNITS), None)
            if match is None or unit is None or not float(match[1]):
                raise UserError(f"budget must be like 300KB, 3ms or 20MFLOP, not {text!r}")
            name, scale = unit
            if name in limits:
                raise UserError(f"budget has two limits of {name}: give one")
            limits[name] = float(match[1]) * scale
        if not limits:
            raise UserError("budget is missing: give one like 300KB, 3ms or 20MFLOP")
        return cls(limits)

    def holds(self, cost: Cost) -> bool:
        return all(getattr(cost, name) <= limit for name, limit in self.limits.items())


def widths() -> Iterator[tuple[int, int]]:
    """Yields base channels and largest channels of students, from the widest down.

    For each number of channels at the image, the deepest stages, which hold most of the weights and
    compute least, are cut first.
    """
    return ((base, base * ratio) for base in _BASES for ratio in _RATIOS)


def widest(
    budget: Budget,
    student: Callable[[int, int], ExportSpec],
    say: Callable[[str], None] = lambda text: None,
) -> tuple[dict[str, int], Cost]:
    """Finds the widest student within a budget, by exporting and timing untrained ones.

    Args:
        budget: what it may cost.
        student: builds one of so many base channels, and so many channels at most.
        say: called with a line for each student that is measured.

    Returns:
        Its hyperparameters `base_channels` and `max_channels`, and its cost.

    Raises:
        UserError: even the narrowest exceeds the budget.
    """
    from tfgan2.costs.model import count_image

    overhead, slow = 0, math.inf
    sizes = list(widths())
    for base, most in sizes:
        spec = student(base, most)
        flops = round(count_image(spec.network, spec.network.outputs[0].shape[1:]).flops)
        weights = _weight_bytes(spec.network)
        # All students have the same operators: the rest of their files is much alike.
        cost = Cost(weights + overhead, 0.0, flops)
        # The narrowest is measured in any case: the error says what it needs.
        if (base, most) != sizes[-1] and (not budget.holds(cost) or flops >= slow):
            continue
        cost = _measured(spec, flops)
        overhead = round(0.6 * (cost.bytes - weights))  # the narrowest have 0.65 of it
        say(f"student of {base} to {most} channels: {cost}")
        if budget.holds(cost):
            return {"base_channels": base, "max_channels": most}, cost
        if cost.milliseconds > budget.limits.get("milliseconds", math.inf):
            slow = flops
    raise UserError(f"even the smallest student exceeds the budget: it needs {cost}")


def student_of_latents(
    shape: tuple[int, int, int],
    latent_dim: int,
    distribution: str,
    class_names: Sequence[str],
    base: int,
    most: int,
) -> ExportSpec:
    """Builds an untrained student of images of this shape, drawn from latents."""
    from tfgan2.export import ExportSpec
    from tfgan2.networks.layers import LayerMaker
    from tfgan2.networks.pairs import generator

    make = LayerMaker(0, base, max_channels=most)
    network = generator("mobile", shape, latent_dim, make, num_labels=len(class_names))
    return ExportSpec(network, latent_distribution=distribution, class_names=class_names)


def student_of_images(model: Pix2Pix, base: int, most: int) -> ExportSpec:
    """Builds an untrained student like `model`, of another width."""
    from tfgan2.export import ExportSpec
    from tfgan2.networks import mobile
    from tfgan2.networks.layers import LayerMaker

    shape = model.generator.inputs[0].shape[1:]
    make = LayerMaker(0, base, max_channels=most)
    network = mobile.translator(shape, model.image_shape[-1], model.depth, make)
    return ExportSpec(network, facts=model.export_facts())


def _weight_bytes(network: keras.Model) -> int:
    """Returns the bytes of all kernels in int8, and of what each of their channels has."""
    kernels = [weight for weight in network.get_weights() if weight.ndim > 1]
    channels = sum(max(weight.shape[-2:]) for weight in kernels)
    return sum(weight.size for weight in kernels) + _CHANNEL * channels


def _measured(spec: ExportSpec, flops: int) -> Cost:
    from tfgan2.export import Options
    from tfgan2.export.exporter import milliseconds_per_image
    from tfgan2.export.graph import checked
    from tfgan2.export.spec import draw_inputs
    from tfgan2.export.tflite import TFLiteModels
    from tfgan2.runtime.backends import Model, open_backend
    from tfgan2.runtime.quiet import quiet

    # As after training: equal biases, such as zeros, are stored once.
    rng, network = np.random.default_rng(0), spec.network
    network.set_weights([w + rng.uniform(0.0, 0.1, w.shape) for w in network.get_weights()])
    with tempfile.TemporaryDirectory() as folder, quiet():
        path, spec = Path(folder, "generator.tflite"), checked(spec)
        content, _ = TFLiteModels(spec, Options(["tflite"], ["int8"])).make("int8", path)
        backend = open_backend(path, content, threads=1)
    model = Model(backend, {"outputs": [{"name": spec.output_name}], "batch": 1})
    milliseconds = milliseconds_per_image(model, draw_inputs(spec, 1, 0))
    return Cost(len(content) + _METADATA, milliseconds, flops)
