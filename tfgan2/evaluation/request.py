"""Evaluates a run, an exported file or a directory of images as a request says."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfgan2 import registry, remote, runs, runtime
from tfgan2.data import POINTS, ImageDataset, load_dataset
from tfgan2.errors import UserError
from tfgan2.evaluation.available import check_metrics
from tfgan2.evaluation.cache import ArrayCache, default_cache_dir
from tfgan2.evaluation.evaluate import evaluate_samples
from tfgan2.evaluation.features import check_features, make_extractor
from tfgan2.evaluation.result import Evaluation, run_result_dir
from tfgan2.evaluation.samples import (
    RealSamples,
    Samples,
    directory_samples,
    file_samples,
    image_format,
    label_classes,
    model_samples,
    real_samples,
    translated_samples,
)

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class EvaluationRequest:
    """How to evaluate, and what to compare with.

    Attributes:
        metrics: some of `METRICS`; None: all that are possible.
        features: see `make_extractor`; None: what the data allow.
        count: number of samples, reduced to those that exist.
        seed: of the latents, and of the subsets of KID.
        checkpoint: of a run: "newest", "best" or a step.
        real_dir: a directory of real images.
        dataset: name of a dataset; None: `real_dir`, or the training data.
        classes: of `dataset`; None: all.
        split: of tensorflow-datasets; None: as in training.
        data_dir: of tensorflow-datasets; None: as in training.
        image_size: directories are resized to it; None: not resized.
        hold_out: samples of `dataset` that are left out.
        cache_dir: for classifiers and features of real images; None: `default_cache_dir`.
    """

    metrics: Sequence[str] | None = None
    features: str | None = None
    count: int = 10_000
    seed: int = 0
    checkpoint: str = runs.NEWEST
    real_dir: Path | None = None
    dataset: str | None = None
    classes: Sequence[str] | None = None
    split: str | None = None
    data_dir: str | None = None
    image_size: int | None = None
    hold_out: int = 0
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        """Raises a UserError for unknown metrics or features."""
        if self.metrics is not None:
            check_metrics(self.metrics)
        if self.features is not None:
            check_features(self.features)

    def check(self, source: Path) -> None:
        """Raises a UserError for mistakes that show without loading anything.

        Args:
            source: as for `evaluate_source`.
        """
        is_run = runs.is_run(source)
        if not source.exists():
            raise UserError(
                f"'{source}' does not exist: give a run, an exported file or a directory of images"
            )
        if not _is_file(source) and not source.is_dir():
            raise UserError(f"'{source.name}' cannot be evaluated: give a .onnx or .tflite file")
        if self.real_dir is not None:
            if self.dataset is not None:
                raise UserError("give a directory of real images or --dataset, not both")
            if not self.real_dir.is_dir():
                raise UserError(f"'{self.real_dir}' is not a directory of real images")
            if self.split or self.data_dir:
                raise UserError("--split and --data-dir need a dataset: leave them out")
        if self.checkpoint != runs.NEWEST and not is_run:
            raise UserError(f"'{source}' has no checkpoints: leave --checkpoint out")
        if self.classes and (self.real_dir or (is_run and self.dataset is None)):
            raise UserError("--classes need --dataset: give it or leave --classes out")
        if is_run:
            runs.RunConfig.read(source)
            if self.image_size is not None:
                raise UserError("the image size of a run is fixed: leave --image-size out")
        elif not _is_file(source) and self.real_dir is None and self.dataset is None:
            raise UserError(
                f"no reference data for '{source}': give --dataset or a directory of real images"
            )


def evaluate_source(
    source: Path,
    request: EvaluationRequest | None = None,
    *,
    progress: Progress = lambda text, done, total: None,
) -> Evaluation:
    """Evaluates a run, an exported file or a directory of images; writes nothing but the cache.

    Args:
        source: a run directory, a `.onnx` or `.tflite` file, or a directory of images.
        request: default: all metrics that are possible, on the data of the training.
        progress: called with a description, the units done and their total.

    Raises:
        UserError: the request does not fit the source, something cannot be loaded, or a metric is
            not possible.
    """
    request = request or EvaluationRequest()
    request.check(source)
    if runs.is_run(source):
        samples, reals = _load_run(source, request, progress)
    elif _is_file(source):
        samples, reals = _load_file(source, request, progress)
    else:
        samples, reals = _load_directory(source, request, progress)
    cache = ArrayCache(request.cache_dir or default_cache_dir())
    extractor = make_extractor(
        request.features, reals.training_data, cache_dir=cache.directory, progress=progress
    )
    return evaluate_samples(
        samples,
        reals,
        extractor,
        metrics=request.metrics,
        count=request.count,
        seed=request.seed,
        cache=cache,
        progress=progress,
    )


def default_result_dir(source: Path, evaluation: Evaluation) -> Path:
    """Returns where a result goes by default: into the run, or `evaluation/` in this directory."""
    if runs.is_run(source):
        return run_result_dir(source, evaluation)
    path = source.resolve()
    name = re.sub(r"[^A-Za-z0-9_]+", "-", path.name)
    # Sources of one name in different directories get different results.
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:6]
    return Path("evaluation").absolute() / f"{name}-{digest}-{evaluation.name}"


def _is_file(source: Path) -> bool:
    return source.suffix.lower() in (".onnx", ".tflite")


def _load_run(
    run_dir: Path, request: EvaluationRequest, progress: Progress
) -> tuple[Samples, RealSamples]:
    config = runs.RunConfig.read(run_dir)
    model, facts = runs.load_model(run_dir, request.checkpoint)
    images_per_step = (config.training.batch_size or model.batch_size) * model.batches_per_step
    about = {
        "run": run_dir.name,
        "flavour": facts["flavour"],
        "step": facts["step"],
        "kimg": facts["step"] * images_per_step / 1000,
    }
    translates = not hasattr(model, "draw_latents")
    if request.real_dir is not None or request.dataset is not None:
        if translates:
            raise UserError(
                f"{facts['flavour']} is evaluated on its own targets: leave the other data out"
            )
        height, _, channels = model.image_shape
        reals = _real_samples(request, request.dataset, height, channels, progress)
    else:
        options = config.data
        if request.split is not None:
            options = replace(options, split=request.split, hold_out=0)
        if request.data_dir is not None:
            options = replace(options, data_dir=remote.absolute(request.data_dir))
        dataset = options.load(progress)
        reals = real_samples(dataset, held_out=translates, split=options.split)
        if translates:
            return translated_samples(model, dataset.held_out or dataset, about), reals
    classes = label_classes(facts["class_names"], reals.dataset.class_names)
    return model_samples(model, about, request.seed, classes), reals


def _load_file(
    file: Path, request: EvaluationRequest, progress: Progress
) -> tuple[Samples, RealSamples]:
    generator = runtime.load(file)
    if not isinstance(generator, runtime.Generator):
        raise UserError(f"'{file}' makes images from images: evaluate its run instead")
    facts = generator.metadata.get("about", {})
    name = request.dataset or facts.get("dataset")
    if request.real_dir is None and not name:
        raise UserError(f"'{file}' does not name its training data: give --dataset")
    if request.dataset is None and request.real_dir is None:
        data = facts.get("data", {})
        request = replace(
            request,
            classes=request.classes or data.get("classes"),
            split=request.split or data.get("split"),
            hold_out=0 if request.split else data.get("hold_out") or 0,
        )
    height, _, channels = generator.image_shape
    reals = _real_samples(request, name, height, channels, progress)
    flavour, classes = facts.get("flavour", ""), None
    known = flavour in registry.flavours()
    if known and getattr(registry.load_class(flavour), "labels_are_classes", False):
        classes = label_classes(generator.class_names, reals.dataset.class_names)
    return file_samples(generator, file, request.seed, classes), reals


def _load_directory(
    directory: Path, request: EvaluationRequest, progress: Progress
) -> tuple[Samples, RealSamples]:
    directories = [directory, *([request.real_dir] if request.real_dir else [])]
    formats = [image_format(each, uniform=request.image_size is None) for each in directories]
    size = request.image_size or formats[0][0]
    if request.image_size is None and formats[-1][0] != size:
        raise UserError(
            f"the images in '{directory}' are {size} pixels wide, those in '{request.real_dir}' of "
            f"{formats[-1][0]}: give --image-size"
        )
    colour = any(each[1] for each in formats)
    reals = _real_samples(request, request.dataset, size, 3 if colour else 1, progress)
    images = _directory_dataset(directory, size, reals.image_shape[-1], progress)
    return directory_samples(images, directory), reals


def _real_samples(
    request: EvaluationRequest, name: str | None, size: int, channels: int, progress: Progress
) -> RealSamples:
    """Real images of this size, from the request's directory or the named dataset."""
    if request.real_dir is not None:
        return RealSamples(_directory_dataset(request.real_dir, size, channels, progress), "all")
    assert name is not None
    shape: dict[str, Any] = {} if name in POINTS else {"image_size": size, "channels": channels}
    if name == "stacked_mnist":
        del shape["channels"]
    dataset = load_dataset(
        name,
        **shape,
        split=request.split,
        data_dir=request.data_dir,
        classes=request.classes,
        hold_out=request.hold_out,
        progress=progress,
    )
    return real_samples(dataset, held_out=False, split=request.split)


def _directory_dataset(
    directory: Path, size: int, channels: int, progress: Progress
) -> ImageDataset:
    name = f"folder:{directory}"
    return load_dataset(name, image_size=size, channels=channels, progress=progress)
