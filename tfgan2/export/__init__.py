"""Exports generators as SavedModel, TFLite and ONNX, each verified against Keras.

Importing this package imports no TensorFlow; the functions that export do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgan2 import runs, web
from tfgan2.errors import UserError
from tfgan2.export import card, folder
from tfgan2.export.folder import Artifact
from tfgan2.export.options import (
    COREML,
    FORMATS,
    PAGE,
    PRECISIONS,
    Options,
    file_name,
    package_name,
    page_folder,
)
from tfgan2.export.spec import ExportError, ExportSpec
from tfgan2.inputs.truncation import LATENTS
from tfgan2.options import size_text

if TYPE_CHECKING:
    import keras

    from tfgan2.images.ranges import Ranges
    from tfgan2.models.base import GenerativeModel


DEFAULTS = Options()
MOST_SAMPLES = 640
_SAMPLED_VALUES = 2**25


def export_run(
    run: Path,
    out_dir: Path | None = None,
    options: Options = DEFAULTS,
    *,
    checkpoint: str = runs.NEWEST,
    progress: Callable[[str], None] | None = None,
) -> list[Artifact]:
    """Exports the generator of a run; results and errors are those of `export_networks`.

    int8 and mixed are calibrated on latents, or on real samples if the network takes images or
    sentences.

    Args:
        run: the run directory.
        out_dir: the export folder; default: `RUN/export`.
        options: what to write.
        checkpoint: "newest", "best", or the number of a step.
        progress: called with a line of text before each file.

    Raises:
        UserError: the run, the checkpoint or the dataset to calibrate on cannot be read.
    """
    from tfgan2.report import renew

    config = runs.RunConfig.read(run)
    if options.calibration is not None:
        _check_calibration(options.calibration, config)
    model, about = runs.load_model(run, checkpoint)
    specs = model_specs(model, about["class_names"], options)
    for name, spec in specs.items():
        if spec.kind == "images" and (ranges := runs.input_ranges(about, name)):
            specs[name] = replace(spec, facts={**spec.facts, "input_ranges": ranges})
    if any(spec.inputs_of for spec in specs.values()):
        samples = _load_samples(config, options)
        if samples is not None:
            specs = with_samples(specs, samples, options.calibration or config.data.name)
    elif options.calibration is not None:
        raise UserError(f"{config.flavour} is calibrated on latents: leave --calibration out")
    training = card.training_facts(run, config, model, about["step"]) if options.bundle else None
    about = {key: value for key, value in about.items() if key != "class_names"}
    out_dir = out_dir or run / "export"
    artifacts = export_networks(
        specs, out_dir, options, about=about, training=training, progress=progress
    )
    renew(run, out_dir)
    return artifacts


def export_generator(
    generator: keras.Model,
    out_dir: Path,
    options: Options = DEFAULTS,
    *,
    about: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] | None = None,
    **facts: Any,
) -> list[Artifact]:
    """Exports one Keras model; `facts` are fields of `ExportSpec`, such as `class_names`."""
    specs = {"generator": ExportSpec(generator, **facts)}
    return export_networks(specs, out_dir, options, about=about, progress=progress)


def export_networks(
    specs: Mapping[str, ExportSpec],
    out_dir: Path,
    options: Options = DEFAULTS,
    *,
    about: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[Artifact]:
    """Writes networks in other formats and verifies each file against Keras.

    All or nothing: if one file fails, the folder stays as it was. What an earlier export wrote is
    kept if it has the same weights and the same description, and removed otherwise. The folder
    then holds the files, `metadata.json`, and what else the options ask for: `bundle/`, `web/`, a
    folder for each layout, and Core ML packages, which `metadata.json` does not list.

    Args:
        specs: the networks by the names of their files, see `model_specs`; one alone is called
            "generator".
        out_dir: the export folder; created if it does not exist.
        options: what to write.
        about: more metadata, for example flavour, dataset and step.
        training: facts for the model card in the bundle, see `card.training_facts`.
        progress: called with a line of text before each file.

    Returns:
        The files of this call, network by network, in the order of FORMATS and PRECISIONS.

    Raises:
        ExportError: a conversion is impossible, or the images of a file are not finite, differ from
            those of Keras by more than 1e-4 in float32, or visibly in a lower precision.
        UserError: a network that fits no format or not the options, or a folder that holds other
            files under these names.
    """
    out_dir = Path(out_dir)
    report = progress or (lambda text: None)
    if options.dynamic_size:
        specs = {name: _resizable(name, spec) for name, spec in specs.items()}
    folder.check_ours(out_dir, specs, options)
    if options.bundle and any(spec.truncation == (LATENTS, 0) for spec in specs.values()):
        raise UserError(
            "a bundle draws latents until they lie within the truncation: give one above 0"
        )
    pages = _pages(out_dir, specs) if PAGE in options.formats else ()
    report(f"preparing the {' and the '.join(specs).replace('_', ' ')}")
    from tfgan2.export.bundle import write_bundle
    from tfgan2.export.exporter import Exporter
    from tfgan2.export.layouts import write_layout

    exporters = {name: Exporter(name, spec, options, about or {}) for name, spec in specs.items()}
    with folder.staging(out_dir) as staging:
        artifacts = []
        for network, exporter in exporters.items():
            for kind in options.files:
                name = file_name(network, *kind)
                report(f"writing and verifying {name}")
                artifacts.append(exporter.export(staging / name, *kind))
            if COREML in options.formats:
                name = package_name(network)
                report(f"writing {name}")
                report(f"{name}: {exporter.export_coreml(staging / name)}")
        if options.bundle:
            report("writing the bundle")
            write_bundle(staging, artifacts, exporters, training or {})
        for network in pages:
            page = page_folder(staging, network)
            report(f"writing {page.name}/")
            # The smallest file: the page downloads it.
            precision = "float16" if "float16" in options.precisions else "float32"
            onnx = staging / file_name(network, "onnx", precision)
            web.write_page(page, onnx, options.ort_web)
        for layout in options.layouts:
            report(f"writing {layout}/")
            write_layout(layout, artifacts, staging / layout)
        descriptions = {name: exporter.description for name, exporter in exporters.items()}
        return folder.commit(out_dir, staging, artifacts, descriptions)


def model_specs(
    model: GenerativeModel, class_names: Sequence[str] = (), options: Options = DEFAULTS
) -> dict[str, ExportSpec]:
    """Returns the networks of a trained model by name; `class_names` are those of its labels.

    Raises:
        UserError: the options have a truncation or standing statistics, and the model has not.
    """
    sampling: dict[str, Any] = {}
    if options.truncation is not None or options.standing_statistics:
        if not hasattr(model, "draw_latents"):
            raise UserError(
                f"{type(model).__name__} takes images: omit --truncation and --standing-statistics"
            )
        sampling["truncation"] = options.truncation
        sampling["standing_statistics"] = options.standing_statistics
    specs = model.exports(**sampling)
    distribution = getattr(model, "latent_distribution", "normal")
    return {
        name: replace(spec, latent_distribution=distribution, class_names=class_names)
        for name, spec in specs.items()
    }


def with_samples(
    specs: Mapping[str, ExportSpec], samples: tuple[np.ndarray, ...], source: str
) -> dict[str, ExportSpec]:
    """Adds real inputs, which calibrate and verify, to networks that take images or sentences.

    `samples` are the parts of a batch, as `ImageDataset.some` returns them, `source` the name of
    the dataset for the metadata. A UserError if they have another shape than the inputs.
    """
    found = dict(specs)
    for name, spec in specs.items():
        if spec.inputs_of is None:
            continue
        examples = spec.inputs_of(samples)
        for item in spec.network.inputs:
            needed = item.shape[1:]
            shape = examples[item.name].shape[1:] if item.name in examples else needed
            if any(size not in (None, other) for size, other in zip(needed, shape, strict=True)):
                raise UserError(
                    f"{source} has inputs of shape {shape}, the network takes {tuple(needed)}: "
                    "calibrate on samples like the training data"
                )
        found[name] = replace(spec, examples=examples, source=source)
    return found


def _pages(out_dir: Path, specs: Mapping[str, ExportSpec]) -> list[str]:
    """Returns the networks that have a page; a text encoder has none."""
    shapes = {name: tuple(spec.network.outputs[0].shape[1:]) for name, spec in specs.items()}
    pages = [name for name, shape in shapes.items() if len(shape) == 3]
    for name in pages:
        web.check_shape(shapes[name])
        web.check_folder(page_folder(out_dir, name))
    return pages


def _resizable(name: str, spec: ExportSpec) -> ExportSpec:
    if spec.resized is None:
        raise UserError(f"the {name.replace('_', ' ')} takes no images: leave --dynamic-size out")
    return replace(spec, network=spec.resized(None, None))


def _check_calibration(dataset: str, config: runs.RunConfig) -> None:
    """Raises a UserError unless a dataset is of the kind that a run needs. Loads nothing."""
    from tfgan2.data import kind_of

    needed, kind = kind_of(config.data.name), kind_of(dataset)
    if needed != kind:
        raise UserError(
            f"--calibration {dataset} holds {kind}, {config.flavour} was trained on {needed}: "
            "give a dataset of that kind"
        )


def _load_samples(config: runs.RunConfig, options: Options) -> tuple[np.ndarray, ...] | None:
    """Loads samples as the network was trained on; None if synthetic inputs do instead."""
    if set(options.precisions) == {"float32"}:
        return None
    from tfgan2.data import load_dataset

    ranges: Ranges = {}
    data, name = replace(config.data, skip_unreadable=True), options.calibration
    if name is not None:
        shape = config.dataset.get("image_shape")
        size = size_text(*shape[:2]) if shape else data.image_size
        data = replace(data, name=name, classes=None, split=None, hold_out=0, image_size=size)
        data = replace(data, value_range=None)
        sides = config.dataset.get("value_ranges", [])
        ranges = sides[0] if len(sides) == 1 else {}
    try:
        loaded = load_dataset(**vars(data), ranges=ranges)
        values = int(np.prod(loaded.image_shape))
        return loaded.some(int(np.clip(_SAMPLED_VALUES // values, 128, MOST_SAMPLES)))
    except UserError as error:
        if not options.calibrated:
            return None  # float16 is only compared with float32
        raise UserError(
            f"no samples to calibrate on: {error.args[0]}; give others with --calibration"
        ) from error
