"""Trains a new run."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfgan2 import remote, runs
from tfgan2.api.run import Run
from tfgan2.api.training import check_evaluation, check_length, train
from tfgan2.distributed.cluster import find_cluster
from tfgan2.errors import UserError
from tfgan2.options import DataOptions, TrainingOptions

if TYPE_CHECKING:
    import keras


def fit(
    flavour: str,
    dataset: str,
    *,
    hyperparameters: Mapping[str, Any] | None = None,
    epochs: float | None = None,
    out: str | Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    dry_run: bool = False,
    quiet: bool = False,
    **options: Any,
) -> Run:
    """Trains a flavour on a dataset.

    Args:
        flavour: for example "dcgan"; `tfgan2 models` lists them.
        dataset: its name, or folder:PATH, prepared:FILE, pairs:DIR, unpaired:DIR_A,DIR_B or
            captions:FILE.jsonl; `tfgan2 datasets` lists names.
        hyperparameters: values by name; `tfgan2 info FLAVOUR` lists them.
        epochs: passes over the data, in place of `steps`.
        out: the run directory, local or remote; default: runs/00000-FLAVOUR-DATASET.
        callbacks: Keras callbacks, called after each step with its index and its metrics. What a
            method `state` returns is saved in checkpoints and given to `restore` on resuming.
        dry_run: show the configuration, the networks and a batch, and write nothing.
        quiet: show nothing.
        **options: the options of `tfgan2 fit`, which `tfgan2 fit --help` explains, with
            underscores: the fields of `DataOptions` and `TrainingOptions`.

    Returns:
        The run.

    Raises:
        UserError: an option, the data or the disk is at fault.
        TrainingInterrupted: Ctrl-C or another signal; a checkpoint was saved.
        TrainingDivergedError: a loss or a weight is no longer finite.
    """
    check_length(options.get("steps"), epochs)
    config = runs.RunConfig.create(flavour, dataset, hyperparameters, **options)
    check_evaluation(config.training)
    cluster = find_cluster(config.training.strategy)
    if cluster is not None and len(cluster.workers) > 1 and out is None:
        raise UserError("several workers train one run: choose one run directory for all")
    location = str(out or runs.propose(Path("runs"), flavour, dataset))
    with remote.staged(location, fetch=False) as (run_dir, mirror):
        if out is not None and (cluster is None or cluster.index == 0):
            mirror.check_new() if mirror is not None else runs.check_new(run_dir)
        shown = (callbacks, dry_run, quiet)
        run_dir = train(config, run_dir, mirror, epochs, *shown, numbered=out is None)
        return Run(run_dir if mirror is None else location, None if dry_run else config)


def _with_options(function: Any) -> None:
    """Puts the declared options into the signature that `help` and notebooks show."""
    signature = inspect.signature(function)
    *parameters, _ = signature.parameters.values()
    keyword = inspect.Parameter.KEYWORD_ONLY
    for item in (*DataOptions.declared(), *TrainingOptions.declared()):
        parameters.append(
            inspect.Parameter(item.name, keyword, default=item.default, annotation=item.type)
        )
    function.__signature__ = signature.replace(parameters=parameters)


_with_options(fit)
