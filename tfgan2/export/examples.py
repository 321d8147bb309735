"""Inputs that calibrate, verify and compare files: real examples, drawn, or synthetic."""

from __future__ import annotations

import numpy as np

from tfgan2.export.spec import ExportSpec
from tfgan2.inputs.latents import draw_latents
from tfgan2.inputs.words import FIRST

VERIFIED = {"latents": 64, "images": 4}
"""Samples that verify a network; fewer of one that takes images, since these are larger."""
CALIBRATED = {"latents": 320, "images": 64}
"""Samples that calibrate int8; an image has many values of each activation."""


def draw_inputs(
    spec: ExportSpec,
    count: int,
    seed: int,
    size: tuple[int, int] | None = None,
    *,
    verify: bool = False,
) -> dict[str, np.ndarray]:
    """Returns inputs like those of training, by name, with all classes in turn.

    Images of another `size` than in training, a height and a width, are synthetic. `verify` draws
    from the examples that verify instead of those that calibrate.
    """
    rng = np.random.default_rng(seed)
    examples = {} if size else _some_examples(spec, rng, count, verify)
    values: dict[str, np.ndarray] = {}
    for item in spec.network.inputs:
        name, shape = item.name, (count, *item.shape[1:])
        if name in examples:
            values[name] = examples[name]
        elif name == "z":
            values[name] = draw_latents(
                count, spec.latent_dim, seed=seed, distribution=spec.latent_distribution
            )
        elif name == "label":
            values[name] = (np.arange(count) % len(spec.class_names)).astype(np.int32)
        elif name == "text":
            values[name] = rng.standard_normal(shape, dtype=np.float32)
        elif name == "words":
            known = len(spec.facts["vocabulary"]) + FIRST
            values[name] = rng.integers(0, known, shape, dtype=np.int32)
            values[name][:, 0] = FIRST  # a caption has at least one word
        else:
            height, width = size or (spec.facts["size"] if None in shape else shape[1:3])
            make = _synthetic_masks if name == "mask" else _synthetic_images
            values[name] = make(rng, (count, height, width, shape[-1]))
    return values


def verification_cases(spec: ExportSpec, seed: int) -> list[dict[str, np.ndarray]]:
    """Returns inputs that verify a file, of two sizes if the network takes any."""
    cases = [draw_inputs(spec, VERIFIED[spec.kind], seed, verify=True)]
    if spec.has_free_size:
        height, width = spec.facts["size"]
        more = max(2, spec.facts.get("multiple", 1))
        cases.append(draw_inputs(spec, 1, seed, (height + more, width + 2 * more), verify=True))
    return cases


def calibration_count(spec: ExportSpec) -> int:
    return CALIBRATED[spec.kind]


def calibration_text(spec: ExportSpec) -> str:
    """Says for the metadata what int8 is calibrated on, for example "320 of latents"."""
    synthetic = {"input", "text", "words"} & set(spec.input_names)
    source = spec.source or ("made-up inputs" if synthetic else "latents")
    return f"{calibration_count(spec)} of {source}"


def _some_examples(
    spec: ExportSpec, rng: np.random.Generator, count: int, verify: bool
) -> dict[str, np.ndarray]:
    """Every other example, shuffled and repeated as needed."""
    if not spec.examples:
        return {}
    total = len(next(iter(spec.examples.values())))
    rows = np.arange(total)[int(verify) :: 2] if total > 1 else np.arange(total)
    rows = np.resize(rng.permutation(rows), count)
    return {name: array[rows] for name, array in spec.examples.items()}


def _synthetic_masks(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """One box in each."""
    height, width = shape[1:3]
    masks = np.zeros(shape, np.float32)
    for mask in masks:
        top, left = rng.integers(0, max(1, height // 2)), rng.integers(0, max(1, width // 2))
        mask[top : top + (height + 1) // 2, left : left + (width + 1) // 2] = 1.0
    return masks


def _synthetic_images(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Large blocks of colour with a little noise."""
    count, height, width, channels = shape
    coarse = rng.uniform(-1, 1, (count, -(-height // 8), -(-width // 8), channels))
    blocks = coarse.repeat(8, axis=1).repeat(8, axis=2)[:, :height, :width]
    return np.clip(blocks + 0.1 * rng.standard_normal(shape), -1, 1).astype(np.float32)
