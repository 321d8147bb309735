"""Trains a run, opens it, resumes, samples, evaluates and exports it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgan2 import registry, remote, runs
from tfgan2.api.sampling import SampleRequest, Samples, draw_samples
from tfgan2.api.training import check_evaluation, check_length, train
from tfgan2.api.translating import load_translator
from tfgan2.distributed.cluster import find_cluster
from tfgan2.errors import UserError
from tfgan2.evaluation import EvaluationRequest
from tfgan2.export import FORMATS
from tfgan2.export import Options as ExportOptions
from tfgan2.options import DataOptions, TrainingOptions, check_names, show_options

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from tfgan2.export import Artifact
    from tfgan2.models.base import GenerativeModel
    from tfgan2.runtime import Translator


_OPTIONS = {item.name for kind in (DataOptions, TrainingOptions) for item in kind.declared()}


class Run:
    """A run directory, at a local or remote `location`."""

    def __init__(self, location: str | Path, config: runs.RunConfig | None = None) -> None:
        """Reads nothing yet; `open_run` also checks the directory."""
        self.location = str(location)
        self._config = config

    def __repr__(self) -> str:
        return f"Run({self.location!r})"

    @cached_property
    def directory(self) -> Path:
        """The run directory on this machine: of a remote run a copy to read from."""
        return remote.local_copy(self.location)

    @property
    def config(self) -> runs.RunConfig:
        """Flavour, hyperparameters, data and training options, resolved."""
        return self._config or runs.RunConfig.read(self.directory)

    @property
    def takes_latents(self) -> bool:
        """False if the flavour makes images from images."""
        return "latent_dim" in self.config.hyperparameters

    @property
    def step(self) -> int:
        """Step of the newest checkpoint; 0 if there is none."""
        from tfgan2.training import checkpoints

        return max(map(checkpoints.step_of, checkpoints.paths(self.directory)), default=0)

    def statistics(self) -> list[dict[str, Any]]:
        """The lines of `stats.jsonl`."""
        from tfgan2.training import stats

        return stats.read(self.directory)

    def resume(
        self,
        *,
        steps: int | None = None,
        epochs: float | None = None,
        strategy: str | None = None,
        dataset: str | tf.data.Dataset | None = None,
        data_dir: str | None = None,
        accumulate: int | None = None,
        callbacks: keras.callbacks.Callback | Sequence[keras.callbacks.Callback] | None = None,
        dry_run: bool = False,
        quiet: bool = False,
    ) -> Run:
        """Resumes the training from the newest checkpoint.

        Args:
            steps: number of steps of the whole training, at least those planned, the default.
            epochs: passes over the data, in place of `steps`.
            strategy: the devices that train; default: as before.
            dataset, data_dir: the new place of data that have moved, such as "folder:PATH" or the
                folder of tensorflow-datasets. The run keeps it, if they are the same data. A run on
                a pipeline needs its pipeline again.
            accumulate: micro-batches of an update, for less memory; default: as before.
            callbacks, dry_run, quiet: as for `fit`, which raises the same errors.
        """
        from tfgan2.data import relocated  # slow to import

        check_length(steps, epochs)
        with remote.staged(self.location, fetch=True) as (run_dir, mirror):
            config = runs.RunConfig.read(run_dir)
            training = config.training
            if strategy is not None:
                training.strategy = strategy
            planned = training.steps
            if steps is not None:
                training.steps = steps
            if accumulate is not None:
                training.accumulate = accumulate
            training.check()
            if training.steps < planned:
                raise UserError(
                    f"{self.location} is planned for {planned} steps: give at least as many"
                )
            name, pipeline = _named(dataset, config.flavour)
            config.data = relocated(config.data, name, data_dir)
            if mirror is not None and not dry_run:
                mirror.fetch_results()
            shown = (callbacks, dry_run, quiet)
            train(config, run_dir, mirror, epochs, *shown, pipeline=pipeline)
        if not dry_run:
            self._config = config
            self.__dict__.pop("directory", None)  # a copy of what was there before
        return Run(self.location, config)

    def model(self, checkpoint: str | int = runs.NEWEST) -> GenerativeModel:
        """Loads a `tf.keras.Model` in float32, not compiled; `checkpoint`: see `sample`."""
        return runs.load_model(self.directory, str(checkpoint))[0]

    def sample(self, count: int | None = None, **arguments: Any) -> np.ndarray:
        """Generates samples.

        Args:
            count: number of samples; default: about 64, 2500 points, or 8 latents to interpolate.
            **arguments: the options of `tfgan2 sample`, with underscores, for example `seed`,
                `interpolate` and `truncation`; `help(run.sample)` lists them. Besides:
                `label`: classes by name or number, one or several, which are taken in turn;
                `text`: sentences in the same way; `latents`: an array of shape (N, latent_dim) in
                place of `count` and `seed`; `checkpoint`: "newest", "best" or a step.

        Returns:
            float32, in [-1, 1] unless they are points, shape (N, height, width, channels).
        """
        return self.draw(count, **arguments).images

    def draw(self, count: int | None = None, **arguments: Any) -> Samples:
        """Generates samples as `sample`, and returns their latents and labels, too."""
        if not self.takes_latents:
            raise UserError(
                f"{self.config.flavour} takes images, not latents: use run.translator()"
            )
        check_names(self.draw, arguments)
        return draw_samples(self.directory, SampleRequest(count, **arguments))

    def translator(
        self, *, direction: str = "AtoB", checkpoint: str | int = runs.NEWEST
    ) -> Translator:
        """Loads the generator of a flavour that makes images from images, for images of any size.

        Args:
            direction: "AtoB", or "BtoA" of a `cyclegan` run.
            checkpoint: "newest", "best" or a step.

        Raises:
            UserError: the flavour takes no images, or has one direction.
        """
        return load_translator(self.directory, direction, str(checkpoint))

    def timelapse(self, out: str | Path) -> list[Path]:
        """Writes the sample grids of the training as an animation, each with its step.

        Args:
            out: the `.gif`.

        Returns:
            All sample grids of the run, in order. The animation has at most 100 of them.

        Raises:
            UserError: another suffix, no grids yet, a grid cannot be read, or the file cannot be
                written.
        """
        from tfgan2.images.timelapse import save_timelapse

        grids = runs.sample_grids(self.directory)
        save_timelapse(grids, Path(out))
        return list(grids.values())

    def evaluate(
        self,
        metrics: str | Sequence[str] | None = None,
        *,
        out: str | Path | None = None,
        quiet: bool = False,
        **request: Any,
    ) -> dict[str, float]:
        """Compares generated samples with real ones.

        Args:
            metrics: one or several, for example ["fid", "prdc"]; default: all that the data allow.
            out: folder of the result; default: a new one in the run's `evaluation`.
            quiet: show no progress.
            **request: the options of `tfgan2 evaluate`, with underscores, for example `count`,
                `features`, `seed` and `checkpoint`; `help(run.evaluate)` lists them.

        Returns:
            The figures by name, for example {"fid": 12.3}.
        """
        from tfgan2.evaluation.sources import evaluate_and_write
        from tfgan2.training.progress import Display

        check_names(self.evaluate, request)
        chosen = metrics if metrics is None or isinstance(metrics, str) else list(metrics)
        wanted = EvaluationRequest(metrics=chosen, **request)  # type: ignore[arg-type]
        folder = remote.local_out(self.location, out)
        return evaluate_and_write(self.directory, wanted, folder, Display(quiet=quiet))[0].figures

    def export(
        self,
        *formats: str,
        precision: str | Sequence[str] = "float32",
        out: str | Path | None = None,
        checkpoint: str | int = runs.NEWEST,
        quiet: bool = False,
        **options: Any,
    ) -> list[Artifact]:
        """Exports the generator, and verifies each file against Keras.

        Args:
            *formats: of "saved_model", "tflite", "onnx", "web" and "coreml"; default: the first
                three.
            precision: precision of the TFLite files, or several.
            out: the export folder; default: the run's `export`.
            checkpoint: "newest", "best" or a step.
            quiet: show no progress.
            **options: the options of `tfgan2 export`, with underscores, for example `batch`,
                `output`, `bundle` and `calibration`; `help(run.export)` lists them.

        Returns:
            The files, each with its path, size, speed and differences from Keras.

        Raises:
            UserError: options that contradict each other, or a file that differs too much.
        """
        from tfgan2.export import export_run

        if {"format", "formats"} & options.keys() or not all(isinstance(n, str) for n in formats):
            raise UserError("give each format as an argument of its own: export('tflite', 'onnx')")
        check_names(self.export, options)
        precisions = [precision] if isinstance(precision, str) else list(precision)
        return export_run(
            self.directory,
            remote.local_out(self.location, out),
            ExportOptions(list(formats or FORMATS), precisions, **options),
            checkpoint=str(checkpoint),
            progress=None if quiet else print,
        )


def open_run(location: str | Path) -> Run:
    """Opens a run, local or remote; raises a UserError unless it is one and can be reached."""
    run = Run(location)
    run.config  # noqa: B018 - reading it checks the directory
    return run


def fit(
    flavour: str,
    dataset: str | tf.data.Dataset,
    *,
    hyperparameters: Mapping[str, Any] | None = None,
    epochs: float | None = None,
    out: str | Path | None = None,
    callbacks: keras.callbacks.Callback | Sequence[keras.callbacks.Callback] | None = None,
    dry_run: bool = False,
    quiet: bool = False,
    **options: Any,
) -> Run:
    """Trains a flavour on a dataset, and returns the run.

    Args:
        flavour: for example "dcgan"; `tfgan2 models` lists them.
        dataset: its name, or folder:PATH, prepared:FILE, pairs:DIR, unpaired:DIR_A,DIR_B or
            captions:FILE; `tfgan2 datasets` lists names. Or a pipeline that ends, of images,
            (image, label), pairs (input, target) or, for cyclegan, (one of A, one of B), batched or
            not: uint8, or float32 in [-1, 1].
        hyperparameters: values by name; `tfgan2 info FLAVOUR` lists them.
        epochs: passes over the data, in place of `steps`.
        out: the run directory, local or remote; default: runs/00000-FLAVOUR-DATASET.
        callbacks: Keras callbacks, called after each step with its index and its metrics. What a
            method `state` returns is saved in checkpoints and given to `restore` on resuming.
        dry_run: show the configuration, the networks and a batch, and write nothing.
        quiet: show nothing.
        **options: the options of `tfgan2 fit`, which `tfgan2 fit --help` explains, with
            underscores: the fields of `DataOptions` and `TrainingOptions`.

    Raises:
        UserError: an option, the data or the disk is at fault.
        TrainingInterrupted: Ctrl-C or another signal; a checkpoint was saved.
        TrainingDivergedError: a loss or a weight is no longer finite.
    """
    check_length(options.get("steps"), epochs)
    if not isinstance(hyperparameters, Mapping | None):
        raise UserError(
            "hyperparameters must be a dictionary, such as {'base_channels': 32}, not "
            f"{hyperparameters!r}"
        )
    for misplaced in registry.hyperparameters(flavour).keys() & options.keys() - _OPTIONS:
        raise UserError(
            f"{misplaced} is a hyperparameter: give hyperparameters={{{misplaced!r}: …}}"
        )
    name, pipeline = _named(dataset, flavour)
    config = runs.RunConfig.create(flavour, name or "", hyperparameters, **options)
    check_evaluation(config.training)
    cluster = find_cluster(config.training.strategy)
    if cluster is not None and len(cluster.workers) > 1 and out is None:
        raise UserError("several workers train one run: choose one run directory for all")
    location = str(out or runs.propose(Path("runs"), flavour, config.data.name))
    with remote.staged(location, fetch=False) as (run_dir, mirror):
        if out is not None and (cluster is None or cluster.index == 0):
            mirror.check_new() if mirror is not None else runs.check_new(run_dir)
        shown = (callbacks, dry_run, quiet)
        numbered = out is None
        run_dir = train(
            config, run_dir, mirror, epochs, *shown, numbered=numbered, pipeline=pipeline
        )
        return Run(run_dir if mirror is None else location, None if dry_run else config)


def _named(
    dataset: str | tf.data.Dataset | None, flavour: str
) -> tuple[str | None, tf.data.Dataset | None]:
    """Returns the name of a dataset for a flavour, and the pipeline if it is one."""
    if dataset is None or isinstance(dataset, str):
        return dataset, None
    from tfgan2.data.pipeline import name_of

    return name_of(dataset, registry.outline(flavour).data_kind), dataset


show_options(fit, DataOptions, TrainingOptions)
show_options(Run.sample, SampleRequest)
show_options(Run.draw, SampleRequest)
show_options(Run.evaluate, EvaluationRequest)
_export_options = {item.name for item in fields(ExportOptions)} - {"formats", "precisions"}
show_options(Run.export, ExportOptions, only=_export_options)
