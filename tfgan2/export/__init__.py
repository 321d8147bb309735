"""A trained generator becomes SavedModel, TFLite and ONNX, each verified against Keras.

Importing this package imports no TensorFlow; `export_generator` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfgan2.export import folder
from tfgan2.export.artifact import Artifact
from tfgan2.export.options import (
    FORMATS,
    OUTPUTS,
    PRECISIONS,
    ExportError,
    Options,
    file_name,
)

if TYPE_CHECKING:
    import keras
    import numpy as np

__all__ = [
    "FORMATS",
    "OUTPUTS",
    "PRECISIONS",
    "Artifact",
    "ExportError",
    "Network",
    "Options",
    "export_generator",
    "export_networks",
]

DEFAULTS = Options()


@dataclass(frozen=True)
class Network:
    """A network to export.

    Attributes:
        model: its inputs and output are named as `export_networks` wants them.
        facts: what its metadata tells besides. `size`, `multiple` and `scale` of one that takes
            images are the size that it was trained with, what its height and width must be
            multiples of, and how many times as large its output is.
        examples: real inputs by their names, arrays of equal length; of inputs that are not
            here, made-up ones calibrate and verify, which is right for latents and labels alone.
        source: where the examples come from, for the metadata.
    """

    model: keras.Model
    facts: Mapping[str, Any] = field(default_factory=dict)
    examples: Mapping[str, np.ndarray] = field(default_factory=dict)
    source: str | None = None


def export_generator(
    generator: keras.Model,
    out_dir: Path,
    options: Options = DEFAULTS,
    *,
    latent_distribution: str = "normal",
    class_names: Sequence[str] = (),
    about: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[Artifact]:
    """Writes a generator in other formats and verifies each against Keras.

    All or nothing: when one artefact fails, the folder stays as it was. Artefacts that an earlier
    export left are kept when they were made of the same weights with the same description, and
    removed when not. In the folder stand `saved_model/`, `generator.tflite`,
    `generator.PRECISION.tflite`, `generator.onnx`, as asked for, and `metadata.json`.

    Args:
        generator: a functional model with the inputs `z`, float32, shape (latent_dim,), and
            perhaps `label`, int32, shape (), and one output, shape (H, W, C), in [-1, 1]. Its
            dtype policy may be a mixed one: the files compute in float32.
        out_dir: where to; made if it is missing.
        options: what is to be made.
        latent_distribution: what the latents were drawn from in training, "normal" or "uniform".
        class_names: the names of the labels 0, 1, …; needed by a generator with labels.
        about: what else the metadata shall tell, for example flavour, dataset and step.
        progress: called with a line of text before each artefact.

    Returns:
        The artefacts of this call, in the order of FORMATS and PRECISIONS.

    Raises:
        ExportError: a conversion is not possible, or an artefact's images are not finite, differ
            in float32 from those of Keras by more than 1e-4, or in a lower precision by so much
            that a viewer would see it.
        UserError: arguments that are not possible, or a folder that holds other people's files.
    """
    return export_networks(
        {"generator": Network(generator)},
        out_dir,
        options,
        latent_distribution=latent_distribution,
        class_names=class_names,
        about=about,
        progress=progress,
    )


def export_networks(
    networks: Mapping[str, Network],
    out_dir: Path,
    options: Options = DEFAULTS,
    *,
    latent_distribution: str = "normal",
    class_names: Sequence[str] = (),
    about: Mapping[str, Any] | None = None,
    bundle: bool = False,
    progress: Callable[[str], None] | None = None,
) -> list[Artifact]:
    """As `export_generator`, for a model that has several networks, or one that takes images.

    Args:
        networks: by the names of their files. Besides the inputs of a generator of latents they may
            have `z` and `text`, a sentence of shape (dim,); `input`, an image of shape (H, W, C) in
            [-1, 1], H and W None for any; `input` and `mask`, of shape (H, W, 1); or `words`,
            int32, shape (length,), which makes `text`.
        out_dir: where to; made if it is missing.
        options: what is to be made.
        latent_distribution: as for `export_generator`, and so are the others.
        bundle: whether to write `bundle/` and `bundle.zip`, too, see `tfgan2.export.bundle`.

    Returns:
        The artefacts of this call, network by network.

    Raises:
        ExportError: as `export_generator`.
        UserError: likewise.
    """
    plan = options.plan()
    out_dir = Path(out_dir)
    folder.check_ours(out_dir, networks)
    report = progress or (lambda text: None)

    report(f"preparing the {' and the '.join(networks).replace('_', ' ')}")
    from tfgan2.export.workshop import open_workshop

    workshops = {
        name: open_workshop(
            name,
            network,
            options,
            latent_distribution=latent_distribution,
            class_names=tuple(class_names),
            about=about or {},
        )
        for name, network in networks.items()
    }
    descriptions = {name: workshop.description for name, workshop in workshops.items()}
    with folder.staging(out_dir) as staging:
        made = []
        for network, workshop in workshops.items():
            for model_format, precision in plan:
                name = file_name(network, model_format, precision)
                report(f"writing and verifying {name}")
                made.append(workshop.make(staging / name, model_format, precision))
        made = folder.commit(out_dir, made, descriptions)
    if bundle:
        from tfgan2.export.bundle import write_bundle

        report("writing the bundle")
        write_bundle(out_dir, made, workshops)
    return made
