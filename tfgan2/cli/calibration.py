"""The real inputs that calibrate and verify a network which takes images or sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np

from tfgan2.data import kind_of, load_dataset
from tfgan2.errors import UserError
from tfgan2.export import Network, Options
from tfgan2.runs import RunConfig

if TYPE_CHECKING:
    from tfgan2.export.spec import ExportSpec

MOST_SAMPLES = 640
_VALUES = 2**25


def check_calibration(given: str | None, config: RunConfig, options: Options) -> None:
    """Raises a UserError unless a dataset can calibrate an export; loads nothing.

    Args:
        given: the dataset's name, or None.
        config: of the run.
        options: of the export.
    """
    if given is None:
        return
    if not options.calibrated:
        raise UserError("--calibration is for the precisions int8 and mixed: add one of them")
    wanted, found = kind_of(config.data.name), kind_of(given)
    if wanted != found:
        raise UserError(
            f"--calibration {given} holds {found}, {config.flavour} was trained on {wanted}: "
            "give a dataset of that kind"
        )


def with_examples(
    networks: Mapping[str, Network],
    exports: Mapping[str, ExportSpec],
    config: RunConfig,
    options: Options,
    given: str | None,
) -> dict[str, Network]:
    """Networks with real inputs, where a lower precision wants them.

    Args:
        networks: by the names of their files.
        exports: what they were made of.
        config: of the run, whose own dataset is the default.
        options: of the export.
        given: another dataset, or None.

    Returns:
        The networks; as they were where all are float32, or fed by latents and labels alone.

    Raises:
        UserError: int8 or mixed is asked for, and there is no dataset to calibrate on.
    """
    makers = {name: item.inputs_of for name, item in exports.items()}
    if not any(makers.values()):
        if given is not None:
            raise UserError(f"{config.flavour} is calibrated on latents: leave --calibration out")
        return dict(networks)
    if all(precision == "float32" for precision in options.precisions):
        return dict(networks)
    try:
        samples = _samples(config, given)
    except UserError as error:
        if not options.calibrated:
            return dict(networks)  # what is made up does to tell float16 from float32
        raise UserError(
            f"no samples to calibrate on: {error}; give others with --calibration"
        ) from error
    filled = {}
    for name, network in networks.items():
        maker = makers[name]
        examples = {} if maker is None else maker(samples)
        _check_shapes(network, examples, given or config.data.name)
        source = given or config.data.name
        filled[name] = replace(network, examples=examples, source=source if examples else None)
    return filled


def _samples(config: RunConfig, given: str | None) -> tuple[np.ndarray, ...]:
    """Samples as the network was trained on."""
    asked = asdict(config.data)
    shape = config.dataset.get("image_shape")
    if given is not None:
        asked |= {"name": given, "classes": None, "split": None, "hold_out": 0}
        if shape:
            asked["image_size"] = shape[0]
    dataset = load_dataset(**asked)
    values = int(np.prod(dataset.image_shape))
    return dataset.some(int(np.clip(_VALUES // values, 128, MOST_SAMPLES)))


def _check_shapes(network: Network, examples: Mapping[str, np.ndarray], source: str) -> None:
    for item in network.model.inputs:
        if item.name in examples:
            wanted, found = item.shape[1:], examples[item.name].shape[1:]
            if any(size not in (None, other) for size, other in zip(wanted, found, strict=True)):
                raise UserError(
                    f"{source} gives inputs of shape {found}, the network takes {tuple(wanted)}: "
                    "calibrate on samples like those of the training"
                )
