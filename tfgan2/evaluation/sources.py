"""Loads a run, an exported file or a directory of images, and evaluates it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tfgan2 import remote, runs, runtime, startup
from tfgan2.data import (
    POINTS,
    absolute_name,
    changes,
    check_place,
    entry_of,
    load_dataset,
    missing_place,
)
from tfgan2.data.folders.classes import split_folders
from tfgan2.data.folders.files import DEFAULT_SIZE
from tfgan2.data.folders.finding import existing_folder, image_files
from tfgan2.errors import UserError
from tfgan2.evaluation.evaluate import SampleEvaluator
from tfgan2.evaluation.request import EvaluationRequest, is_exported
from tfgan2.evaluation.result import Evaluation, check_result_dir, result_dir
from tfgan2.evaluation.samples import RealSamples, Samples, generated_samples, run_samples
from tfgan2.images.files import NO_RANGES, UnreadableImageError, read_header
from tfgan2.images.ranges import BYTES, Ranges
from tfgan2.options import parse_size, size_text

if TYPE_CHECKING:
    from tfgan2.data import Progress
    from tfgan2.training.progress import Display

Loaded = tuple[Samples, RealSamples]


def evaluate_source(
    source: str | Path,
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
    source, request = Path(source), request or EvaluationRequest()
    request.check_source(source)
    is_run, is_file = runs.is_run(source), is_exported(source)
    for directory in (request.real_dir, None if is_run or is_file else source):
        if directory and len(splits := split_folders(directory)) > 1:
            raise UserError(
                f"'{directory}' holds the splits {', '.join(splits.values())}: give one of them, "
                f"such as '{directory / splits['train']}'"
            )
    load = _load_run if is_run else _load_file if is_file else _load_directory
    return SampleEvaluator(*load(source, request, progress), request, progress).evaluate()


def evaluate_and_write(
    source: Path, request: EvaluationRequest, out: Path | None, display: Display
) -> tuple[Evaluation, Path]:
    """Loads TensorFlow, evaluates a source, and writes the result to `out` or to `result_dir`.

    Returns the result and its directory. Raises a UserError as `evaluate_source`, or if the result
    cannot be written.
    """
    if out is not None:
        check_result_dir(out)
    request.check_source(source)
    startup.load(say=display.say)
    from tfgan2.report import renew
    from tfgan2.training.building import make_deterministic

    make_deterministic()
    with contextlib.closing(display):
        evaluation = evaluate_source(source, request, progress=display.loading)
    out = out or result_dir(source, evaluation)
    evaluation.write(out)
    renew(source, out)
    return evaluation, out


def _load_run(run_dir: Path, request: EvaluationRequest, progress: Progress) -> Loaded:
    config = runs.RunConfig.read(run_dir)
    model, facts = runs.load_model(run_dir, request.checkpoint)
    batch_size = config.training.batch_size or model.batch_size
    about = {
        "run": run_dir.name,
        "flavour": facts["flavour"],
        "step": facts["step"],
        "kimg": facts["step"] * batch_size * model.batches_per_step / 1000,
    }
    takes_latents, options = hasattr(model, "draw_latents"), config.data
    gives_others = request.dataset is not None and takes_latents
    if gives_others and _has_moved(config, request, progress):
        gives_others = False
    if request.real_dir is not None or gives_others:
        if not takes_latents:
            raise UserError(
                f"{facts['flavour']} is evaluated on its own targets: leave the other data out"
            )
        names = facts["class_names"] if model.labels_are_classes else ()
        shape, ranges = model.image_shape, runs.input_ranges(facts, "generator")
        reals = _real_samples(request, shape[:2], shape[2], progress, ranges)
        return generated_samples(model, about, request.seed, reals, names), reals
    if request.dataset is not None:  # the same data in another place
        options = replace(options, name=absolute_name(request.dataset))
    training = None
    if request.data_dir is not None:
        options = replace(options, data_dir=remote.absolute(request.data_dir))
    if request.skip_unreadable:
        options = replace(options, skip_unreadable=True)
    if request.split is not None:
        if request.split != options.split:
            training = partial(load_dataset, **vars(options), progress=progress)
        options = replace(options, split=request.split, hold_out=0)
    check_place(options)
    dataset = load_dataset(**vars(options), progress=progress)
    if request.dataset is not None and dataset.fingerprint != config.dataset.get("fingerprint"):
        difference = changes.differences(run_dir, config.dataset, dataset)
        raise UserError(
            f"{facts['flavour']} is evaluated on its own targets: {options.name} does not hold the "
            f"data of the run: {difference}"
        )
    return run_samples(model, dataset, about, request.seed, options.split, training)


def _has_moved(config: runs.RunConfig, request: EvaluationRequest, progress: Progress) -> bool:
    """True if the data of a run are no longer in their place, but in that of the request."""
    name, options = str(request.dataset), config.data
    is_same_kind = entry_of(name) is entry_of(options.name)
    if request.classes or not missing_place(options) or not is_same_kind:
        return False
    options = replace(options, name=absolute_name(name), data_dir=request.data_dir)
    try:
        dataset = load_dataset(**vars(options), progress=progress)
    except UserError:
        return False
    return dataset.fingerprint == config.dataset.get("fingerprint")


def _load_file(file: Path, request: EvaluationRequest, progress: Progress) -> Loaded:
    generator = runtime.load(file)
    if not isinstance(generator, runtime.Generator):
        raise UserError(f"'{file}' makes images from images: evaluate its run instead")
    facts, own_split = generator.metadata.get("about", {}), None
    if request.real_dir is None and request.dataset is None:
        data = facts.get("data", {})
        own_split = data.get("split")
        if not facts.get("dataset"):
            raise UserError(f"'{file}' does not name its training data: give --dataset")
        request = replace(
            request,
            dataset=facts["dataset"],
            classes=request.classes or data.get("classes"),
            split=request.split or own_split,
            hold_out=0 if request.split else data.get("hold_out") or 0,
        )
    shape, ranges = generator.image_shape, runs.input_ranges(facts, "generator")
    reals = _real_samples(request, shape[:2], shape[2], progress, ranges, own_split)
    names = generator.class_names if facts.get("labels_are_classes") else ()
    about = {"file": str(file), **{key: facts[key] for key in ("flavour", "step") if key in facts}}
    return generated_samples(generator, about, request.seed, reals, names), reals


def _load_directory(directory: Path, request: EvaluationRequest, progress: Progress) -> Loaded:
    directories = [directory, *([request.real_dir] if request.real_dir else [])]
    formats = [image_format(each, uniform=request.image_size is None) for each in directories]
    size = request.image_size or formats[0][0]
    if request.image_size is None and formats[-1][0] != size:
        raise UserError(
            f"the images in '{directory}' are of {size}, those in '{request.real_dir}' of "
            f"{formats[-1][0]}: give --image-size"
        )
    colour = any(each[1] for each in formats)
    # Grey images are compared with a dataset in its own channels: they lack its colours.
    channels = 3 if colour else None if request.dataset else 1
    with _naming(request.real_dir):
        reals = _real_samples(request, parse_size(size), channels, progress)
    with _naming(directory):
        generated = EvaluationRequest(real_dir=directory, skip_unreadable=request.skip_unreadable)
        shape = reals.image_shape
        # 8-bit files may hold masks of 0 and 1 on one side alone.
        found = {k: v for each in reals.dataset.value_ranges for k, v in each.items() if k != BYTES}
        images = _real_samples(generated, shape[:2], shape[2], progress, found)
    images.about, images.protocol = {"folder": str(directory)}, {}
    return images, reals


@contextlib.contextmanager
def _naming(directory: Path | None) -> Iterator[None]:
    """Names the directory in errors: files of the same name may lie in both."""
    try:
        yield
    except UserError as error:
        if directory is None:
            raise
        raise UserError(f"'{directory}': {error}") from error


def _real_samples(
    request: EvaluationRequest,
    size: tuple[int, ...],
    channels: int | None,
    progress: Progress,
    ranges: Ranges = NO_RANGES,
    own_split: str | None = None,
) -> RealSamples:
    """Real images of a size (height, width), from the request's directory or dataset.

    Without `channels` they have those of the data. Values become black and white as `ranges` say,
    or as the files themselves do. `own_split` is that of the training.
    """
    name = f"folder:{request.real_dir}" if request.real_dir else str(request.dataset)
    load = partial(
        load_dataset,
        name,
        image_size=None if name in POINTS else size_text(*size),
        channels=None if name in (*POINTS, "stacked_mnist") else channels,
        data_dir=request.data_dir,
        classes=request.classes,
        ranges=ranges,
        skip_unreadable=request.skip_unreadable,
        progress=progress,
    )
    dataset = load(split=request.split, hold_out=request.hold_out)
    training = partial(load, split=own_split) if request.split != own_split else None
    return RealSamples(dataset, split=request.split, training=training)


def image_format(directory: Path, *, uniform: bool) -> tuple[str, bool]:
    """Returns the size of the first images in a directory, and whether any has colour.

    Raises:
        UserError: no images, or, if `uniform`, not all of one size.
    """
    root = existing_folder(str(directory), "DIR")
    sizes, colour = set(), False
    for path in image_files(root):
        with contextlib.suppress(UnreadableImageError):  # reported when the file is decoded
            size, grey = read_header(root / path)
            sizes.add(size[::-1])
            colour |= not grey
        if uniform and len(sizes) > 1:
            raise UserError(f"the images in '{directory}' are not of one size: give --image-size")
    return size_text(*min(sizes, default=(DEFAULT_SIZE, DEFAULT_SIZE))), colour
