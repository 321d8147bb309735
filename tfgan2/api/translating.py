"""Loads what makes images from images out of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tfgan2 import runs, runtime
from tfgan2.errors import UserError

NETWORKS = {"AtoB": ("a_to_b", "generator"), "BtoA": ("b_to_a",)}
"""The networks that may have a direction, by direction."""


def load_translator(run: Path, direction: str, checkpoint: str) -> runtime.Translator:
    """Loads a run's translator for images of any size; see `Run.translator`."""
    if direction not in NETWORKS:
        raise UserError(f"direction must be {' or '.join(NETWORKS)}, not {direction!r}")
    trained, about = runs.load_model(run, checkpoint)
    specs = trained.exports()
    name = next((name for name in NETWORKS[direction] if name in specs), None)
    if name is None:
        raise UserError(f"{about['flavour']} has one direction: leave --direction out")
    spec = specs[name]
    if spec.resized is None:
        raise UserError(f"{about['flavour']} takes no images: use run.sample()")
    network = spec.resized(None, None)
    metadata = {**spec.facts, **replace(spec, network=network).describe(None), "batch": None}
    metadata["input_ranges"] = runs.input_ranges(about, name)
    return runtime.Translator(
        runtime.Model(lambda arrays: {"image": trained.run_generator(network, arrays)}, metadata)
    )
