"""The functions that export: a run, a trained model, networks, or one generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfgan2 import runs, web
from tfgan2.errors import UserError
from tfgan2.export import calibration, folder
from tfgan2.export.artifact import Artifact
from tfgan2.export.formats import file_name
from tfgan2.export.layouts import write_layout
from tfgan2.export.options import PAGE, Options
from tfgan2.export.spec import ExportSpec

if TYPE_CHECKING:
    import keras
    import numpy as np

    from tfgan2.models.base import GenerativeModel

DEFAULTS = Options()
Report = Callable[[str], None]


def export_run(
    run: Path,
    out_dir: Path | None = None,
    options: Options = DEFAULTS,
    *,
    checkpoint: str = runs.NEWEST,
    calibration_dataset: str | None = None,
    progress: Report | None = None,
) -> list[Artifact]:
    """Exports the generator of a run.

    int8 and mixed are calibrated on latents, or on real samples if the network takes images or
    sentences.

    Args:
        run: the run directory.
        out_dir: the export folder; default: `RUN/export`.
        options: what to write.
        checkpoint: "newest", "best", or the number of a step.
        calibration_dataset: name of the dataset to calibrate on; default: the run's own.
        progress: called with a line of text before each file.

    Returns:
        The files, see `export_networks`.

    Raises:
        ExportError: as `export_networks`.
        UserError: likewise, or the run, the checkpoint or the dataset cannot be read.
    """
    options.plan()
    config = runs.RunConfig.read(run)
    calibration.check_calibration(calibration_dataset, config, options)
    model, about = runs.load_model(run, checkpoint)
    specs = model_specs(model, about.get("class_names") or (), options.dynamic_size)
    return export_networks(
        calibration.with_run_examples(specs, config, options, calibration_dataset),
        out_dir or run / "export",
        options,
        about={key: value for key, value in about.items() if key != "class_names"},
        progress=progress,
    )


def export_model(
    model: GenerativeModel,
    out_dir: Path,
    options: Options = DEFAULTS,
    *,
    class_names: Sequence[str] = (),
    samples: tuple[np.ndarray, ...] | None = None,
    source: str = "samples",
    about: Mapping[str, Any] | None = None,
    progress: Report | None = None,
) -> list[Artifact]:
    """Exports the networks of a trained model.

    Args:
        model: the model.
        out_dir: the export folder.
        options: what to write.
        class_names: names of the labels; required by a generator with labels.
        samples: real samples, the parts of a batch of the dataset, to calibrate and verify a
            network that takes images or sentences; None: synthetic inputs.
        source: name of the samples, for the metadata.
        about: as for `export_networks`.
        progress: likewise.

    Returns:
        The files, see `export_networks`.

    Raises:
        ExportError: as `export_networks`.
        UserError: likewise.
    """
    specs = model_specs(model, class_names, options.dynamic_size)
    if samples is not None:
        specs = calibration.with_examples(specs, samples, source)
    return export_networks(specs, out_dir, options, about=about, progress=progress)


def export_generator(
    generator: keras.Model,
    out_dir: Path,
    options: Options = DEFAULTS,
    *,
    latent_distribution: str = "normal",
    class_names: Sequence[str] = (),
    about: Mapping[str, Any] | None = None,
    progress: Report | None = None,
) -> list[Artifact]:
    """Exports one Keras model; the arguments are those of `ExportSpec` and `export_networks`."""
    spec = ExportSpec(generator, latent_distribution=latent_distribution, class_names=class_names)
    return export_networks({"generator": spec}, out_dir, options, about=about, progress=progress)


def export_networks(
    specs: Mapping[str, ExportSpec],
    out_dir: Path,
    options: Options = DEFAULTS,
    *,
    about: Mapping[str, Any] | None = None,
    progress: Report | None = None,
) -> list[Artifact]:
    """Writes networks in other formats and verifies each file against Keras.

    All or nothing: if one file fails, the folder stays as it was. Files of an earlier export are
    kept if they have the same weights and the same description, and removed otherwise. The folder
    then holds the files, `metadata.json`, and what else the options ask for: `bundle/`, `web/`, and
    a folder for each layout.

    Args:
        specs: the networks by the names of their files; one alone is called "generator".
        out_dir: the export folder; created if it does not exist.
        options: what to write.
        about: more metadata, for example flavour, dataset and step.
        progress: called with a line of text before each file.

    Returns:
        The files of this call, network by network, in the order of FORMATS and PRECISIONS.

    Raises:
        ExportError: a conversion is impossible, or the images of a file are not finite, differ from
            those of Keras by more than 1e-4 in float32, or visibly in a lower precision.
        UserError: impossible options, a network that fits no format, or a folder that holds other
            files under these names.
    """
    plan = options.plan()
    out_dir = Path(out_dir)
    report = progress or (lambda text: None)
    folder.check_ours(out_dir, specs)
    pages = _page_networks(out_dir, specs) if PAGE in options.formats else []
    report(f"preparing the {' and the '.join(specs).replace('_', ' ')}")
    from tfgan2.export.bundle import write_bundle
    from tfgan2.export.exporter import Exporter

    exporters = {name: Exporter(name, spec, options, about or {}) for name, spec in specs.items()}
    with folder.staging(out_dir) as staging:
        artifacts = []
        for network, exporter in exporters.items():
            for model_format, precision in plan:
                name = file_name(network, model_format, precision)
                report(f"writing and verifying {name}")
                artifacts.append(exporter.export(staging / name, model_format, precision))
        descriptions = {name: exporter.description for name, exporter in exporters.items()}
        artifacts = folder.commit(out_dir, artifacts, descriptions)
    if options.bundle:
        report("writing the bundle")
        write_bundle(out_dir, artifacts, exporters)
    for network in pages:
        page = page_folder(out_dir, network)
        report(f"writing {page.name}/")
        web.write_page(page, out_dir / file_name(network, "onnx", "float32"), options.ort_web)
    for layout in options.layouts:
        report(f"writing {layout}/")
        write_layout(layout, out_dir, out_dir / layout)
    return artifacts


def page_folder(out_dir: Path, network: str) -> Path:
    """Returns the folder of a network's web page: `web/`, or `web-NETWORK/`."""
    return out_dir / (PAGE if network == "generator" else f"{PAGE}-{network}")


def _page_networks(out_dir: Path, specs: Mapping[str, ExportSpec]) -> list[str]:
    networks = []
    for name, spec in specs.items():
        shape = tuple(spec.network.outputs[0].shape[1:])
        if len(shape) == 3:  # not a text encoder
            web.check_shape(shape)
            web.check_folder(page_folder(out_dir, name))
            networks.append(name)
    return networks


def model_specs(
    model: GenerativeModel, class_names: Sequence[str], dynamic_size: bool = False
) -> dict[str, ExportSpec]:
    """Returns the networks of a model by name, with its latent distribution and class names.

    Raises:
        UserError: a network that takes no images is to have a dynamic size.
    """
    distribution = getattr(model, "latent_distribution", "normal")
    specs = {}
    for name, spec in model.exports().items():
        if dynamic_size:
            if spec.resized is None:
                raise UserError(
                    f"the {name.replace('_', ' ')} takes no images: leave --dynamic-size out"
                )
            spec = replace(spec, network=spec.resized(None, None))
        specs[name] = replace(spec, latent_distribution=distribution, class_names=class_names)
    return specs
