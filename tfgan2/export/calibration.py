"""Real samples that calibrate and verify networks which take images or sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np

from tfgan2.errors import UserError
from tfgan2.export.options import Options
from tfgan2.export.spec import ExportSpec

if TYPE_CHECKING:
    from tfgan2.runs import RunConfig

MOST_SAMPLES = 640
_VALUES = 2**25


def check_calibration(dataset: str | None, config: RunConfig, options: Options) -> None:
    """Raises a UserError unless a dataset fits an export; None is the run's own. Loads nothing."""
    if dataset is None:
        return
    if not options.calibrated:
        raise UserError("--calibration is for the precisions int8 and mixed: add one of them")
    from tfgan2.data import kind_of

    needed, kind = kind_of(config.data.name), kind_of(dataset)
    if needed != kind:
        raise UserError(
            f"--calibration {dataset} holds {kind}, {config.flavour} was trained on {needed}: "
            "give a dataset of that kind"
        )


def with_run_examples(
    specs: Mapping[str, ExportSpec], config: RunConfig, options: Options, dataset: str | None
) -> dict[str, ExportSpec]:
    """Adds real inputs, from the run's own dataset or another, to networks that need them.

    Raises:
        UserError: int8 or mixed is requested and the dataset cannot be loaded, its images have
            another shape, or a dataset is given although latents calibrate.
    """
    if not any(spec.inputs_of for spec in specs.values()):
        if dataset is not None:
            raise UserError(f"{config.flavour} is calibrated on latents: leave --calibration out")
        return dict(specs)
    if all(precision == "float32" for precision in options.precisions):
        return dict(specs)
    try:
        samples = _load_samples(config, dataset)
    except UserError as error:
        if not options.calibrated:
            return dict(specs)  # synthetic inputs do to compare float16 with float32
        raise UserError(
            f"no samples to calibrate on: {error}; give others with --calibration"
        ) from error
    return with_examples(specs, samples, dataset or config.data.name)


def with_examples(
    specs: Mapping[str, ExportSpec], samples: tuple[np.ndarray, ...], source: str
) -> dict[str, ExportSpec]:
    """Adds real inputs to networks.

    Args:
        specs: the networks.
        samples: the parts of a batch of the dataset, as `ImageDataset.some` returns them.
        source: name of the dataset, for the metadata.

    Raises:
        UserError: the samples have another shape than the inputs.
    """
    return {
        name: replace(spec, examples=_inputs_of(spec, samples, source), source=source)
        if spec.inputs_of
        else spec
        for name, spec in specs.items()
    }


def _inputs_of(
    spec: ExportSpec, samples: tuple[np.ndarray, ...], source: str
) -> dict[str, np.ndarray]:
    assert spec.inputs_of is not None
    examples = spec.inputs_of(samples)
    for item in spec.network.inputs:
        if item.name in examples:
            needed, shape = item.shape[1:], examples[item.name].shape[1:]
            if any(size not in (None, other) for size, other in zip(needed, shape, strict=True)):
                raise UserError(
                    f"{source} has inputs of shape {shape}, the network takes {tuple(needed)}: "
                    "calibrate on samples like the training data"
                )
    return examples


def _load_samples(config: RunConfig, dataset: str | None) -> tuple[np.ndarray, ...]:
    """Loads samples as the network was trained on."""
    from tfgan2.data import load_dataset

    settings = asdict(config.data)
    shape = config.dataset.get("image_shape")
    if dataset is not None:
        settings |= {"name": dataset, "classes": None, "split": None, "hold_out": 0}
        if shape:
            settings["image_size"] = shape[0]
    loaded = load_dataset(**settings)
    values = int(np.prod(loaded.image_shape))
    return loaded.some(int(np.clip(_VALUES // values, 128, MOST_SAMPLES)))
