"""Training and using runs from Python, as the command line does.

    run = tfgan2.fit("dcgan", "digits", steps=2000, hyperparameters={"latent_dim": 10})
    images = run.sample(64, seed=0)  # float32 in [-1, 1], (64, 16, 16, 1)
    run.export("tflite", precision="int8")
    tfgan2.load("runs/00000-dcgan-digits/export/generator-int8.tflite").generate(16, seed=0)

Imports no TensorFlow until something is trained or a run's model is needed.
"""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgan2 import remote, runs, startup
from tfgan2.errors import UserError, cannot_write
from tfgan2.options import DataOptions, TrainingOptions

if TYPE_CHECKING:
    import keras

    from tfgan2.models.base import GenerativeModel
    from tfgan2.remote import Mirror
    from tfgan2.runtime import Generator, Translator
    from tfgan2.training.session import MakeEvaluation, Session


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
    if epochs is not None and "steps" in options:
        raise UserError("give steps or epochs, not both")
    _check_epochs(epochs)
    config = runs.RunConfig.create(flavour, dataset, hyperparameters, **options)
    _check_evaluation(config.training)
    worker = _worker_index(config.training.strategy)
    if worker is not None and out is None:
        raise UserError("several workers train one run: choose one run directory for all")
    location = str(out or runs.propose(Path("runs"), flavour, dataset))
    with _local(location, fetch=False) as (run_dir, mirror):
        if mirror is not None and not worker:
            mirror.check_new()
        elif out is not None and not worker:
            runs.check_new(run_dir)
        job = _Job(config, callbacks, epochs, dry_run, quiet, mirror)
        run_dir = job.train(run_dir, new=True, numbered=out is None)
        return Run(run_dir if mirror is None else location)


def _with_options(function: Any) -> None:
    """Puts the declared options into the signature that `help` and notebooks show."""
    signature = inspect.signature(function)
    *parameters, _ = signature.parameters.values()
    for declared in (DataOptions, TrainingOptions):
        for item in declared.declared():
            keyword = inspect.Parameter.KEYWORD_ONLY
            parameters.append(
                inspect.Parameter(item.name, keyword, default=item.default, annotation=item.type)
            )
    function.__signature__ = signature.replace(parameters=parameters)


_with_options(fit)


def open_run(location: str | Path) -> Run:
    """Opens a run that exists.

    Args:
        location: the run directory, local or remote.

    Raises:
        UserError: it is not a run directory, or cannot be reached.
    """
    run = Run(location)
    run.config  # noqa: B018 - reading it checks the directory
    return run


def load(path: str | Path, *, threads: int | None = None) -> ExportedGenerator | Translator:
    """Opens an exported file, without TensorFlow.

    Args:
        path: a .onnx or .tflite file that `run.export` wrote.
        threads: number of threads; default: all cores this process may use.

    Returns:
        A generator of images from latents, or a `Translator` of images.

    Raises:
        UserError: there is no such file, or it is damaged.
    """
    from tfgan2 import runtime

    names = {item["name"] for item in runtime.read_metadata(path)["inputs"]}
    if "z" in names or "words" in names:
        return ExportedGenerator(runtime.load(path, threads=threads))
    return runtime.load_translator(path, threads=threads)


class ExportedGenerator:
    """An exported file that generates images.

    Attributes:
        runtime: runs the file, see `tfgan2.runtime`.
    """

    def __init__(self, runtime: Generator) -> None:
        self.runtime = runtime

    def generate(
        self,
        count: int = 16,
        *,
        seed: int = 0,
        label: str | Sequence[str] | None = None,
        text: str | Sequence[str] | None = None,
        latents: np.ndarray | None = None,
    ) -> np.ndarray:
        """Generates images.

        Args:
            count: number of images.
            seed: seed of the latents; `run.sample` draws the same.
            label: classes by name or number, taken in turn; default: all.
            text: sentences, taken in turn, for a generator that takes them.
            latents: shape (N, latent_dim), in place of `count` and `seed`.

        Returns:
            float32, in [-1, 1] unless the file holds points, shape (N, height, width, channels).
        """
        if latents is None:
            return self.runtime.generate(count, seed=seed, label=label, text=text)[0]
        labels = self.runtime.labels(len(latents), label)
        return self.runtime(latents, labels, self.runtime.texts(len(latents), text))


@dataclass(frozen=True)
class Samples:
    """Generated samples.

    Attributes:
        images: float32, in [-1, 1] unless they are points, shape (N, height, width, channels).
        latents: float32, shape (N, latent_dim).
        labels: int32, shape (N,), or None.
        columns: columns of a grid of them; None: as square as possible.
        model: the model that generated them.
        step: its number of steps.
    """

    images: np.ndarray
    latents: np.ndarray
    labels: np.ndarray | None
    columns: int | None
    model: GenerativeModel
    step: int


class Run:
    """A run directory.

    Attributes:
        location: the directory, local or remote.
    """

    def __init__(self, location: str | Path) -> None:
        """Reads nothing yet; `open_run` also checks the directory."""
        self.location = str(location)

    def __repr__(self) -> str:
        return f"Run({self.location!r})"

    @cached_property
    def directory(self) -> Path:
        """The run directory on this machine: of a remote run a copy to read from."""
        if not remote.is_remote(self.location):
            return Path(self.location)
        startup.load()
        return remote.fetched(self.location)

    @property
    def config(self) -> runs.RunConfig:
        """Flavour, hyperparameters, data and training options, resolved."""
        return runs.RunConfig.read(self.directory)

    @property
    def takes_latents(self) -> bool:
        """False if the flavour makes images from images."""
        return "latent_dim" in self.config.hyperparameters

    @property
    def step(self) -> int:
        """Step of the newest checkpoint; 0 if there is none."""
        from tfgan2.training import checkpoints

        newest = checkpoints.paths(self.directory)
        return int(newest[0].stem.removeprefix("step-")) if newest else 0

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
        callbacks: Sequence[keras.callbacks.Callback] = (),
        dry_run: bool = False,
        quiet: bool = False,
    ) -> Run:
        """Resumes the training from the newest checkpoint.

        Args:
            steps: number of steps of the whole training; default: as planned.
            epochs: passes over the data, in place of `steps`.
            strategy: the devices that train; default: as before.
            callbacks: as for `fit`.
            dry_run: likewise.
            quiet: likewise.

        Returns:
            The run.

        Raises:
            UserError: the run cannot be resumed, or is planned for more steps.
            TrainingInterrupted: as `fit`.
            TrainingDivergedError: as `fit`.
        """
        if epochs is not None and steps is not None:
            raise UserError("give steps or epochs, not both")
        _check_epochs(epochs)
        with _local(self.location, fetch=True) as (run_dir, mirror):
            config = runs.RunConfig.read(run_dir)
            training = config.training
            training.strategy = strategy or training.strategy
            if steps is not None and steps < training.steps:
                raise UserError(
                    f"{self.location} is planned for {training.steps} steps: give at least as many"
                )
            training.steps = steps or training.steps
            training.check()
            job = _Job(config, callbacks, epochs, dry_run, quiet, mirror)
            job.train(run_dir, new=False)
        return Run(self.location)

    def model(self, checkpoint: str | int = runs.NEWEST) -> GenerativeModel:
        """Loads the model in float32.

        Args:
            checkpoint: "newest", "best" or a step.

        Returns:
            A `tf.keras.Model`, not compiled.

        Raises:
            UserError: there is no such checkpoint.
        """
        return self._load(checkpoint)[0]

    def _load(self, checkpoint: str | int) -> tuple[GenerativeModel, dict[str, Any]]:
        config, run_dir = self.config, self.directory  # a wrong folder is an error at once
        assert config
        startup.load()
        return runs.load_model(run_dir, str(checkpoint))

    def sample(self, count: int | None = None, **arguments: Any) -> np.ndarray:
        """Generates samples; the arguments and errors are those of `draw`.

        Returns:
            float32, in [-1, 1] unless they are points, shape (N, height, width, channels).
        """
        return self.draw(count, **arguments).images

    def draw(
        self,
        count: int | None = None,
        *,
        seed: int = 0,
        label: Sequence[str] | str = (),
        text: Sequence[str] | str = (),
        latents: np.ndarray | None = None,
        checkpoint: str | int = runs.NEWEST,
        interpolate: bool = False,
        frames: int = 10,
        last_frame: bool = True,
    ) -> Samples:
        """Generates samples, and returns their latents and labels, too.

        Args:
            count: number of samples; default: about 64, 2500 points, or 8 latents to interpolate.
            seed: seed of the latents.
            label: classes by name or number, taken in turn; default: all.
            text: sentences, taken in turn, for flavours that take them.
            latents: shape (N, latent_dim), in place of `count` and `seed`.
            checkpoint: "newest", "best" or a step.
            interpolate: walk from one latent to the next along arcs, with one label or text.
            frames: samples from one latent to the next.
            last_frame: include the sample of the last latent.

        Raises:
            UserError: the flavour takes no latents, or a value is not possible.
        """
        from tfgan2.inputs.labels import choose_labels, label_columns
        from tfgan2.inputs.latents import walk
        from tfgan2.inputs.words import in_turn

        label = [label] if isinstance(label, str) else list(label)
        text = [text] if isinstance(text, str) else list(text)
        least = 2 if interpolate else 1
        if latents is not None and count is not None:
            raise UserError("give count or latents, not both: latents have a count of their own")
        if count is not None and count < least:
            raise UserError(f"count must be at least {least}, not {count}")
        if frames < 2:
            raise UserError(f"frames must be at least 2, not {frames}")
        if seed < 0:
            raise UserError(f"seed must not be negative, not {seed}")
        if interpolate and latents is not None and len(latents) < 2:
            raise UserError("one latent cannot be interpolated: give at least 2")
        if not self.takes_latents:
            raise UserError(f"{self.config.flavour} takes images, not latents: translate images")
        model, about = self._load(checkpoint)
        captions = getattr(model, "captions", ())
        if text and not captions:
            raise UserError(f"{about['flavour']} takes no text: leave it out")
        if latents is None:
            count = count or (8 if interpolate else model.preview_count())
            latents = model.draw_latents(count, seed=seed)
        names, columns = about["class_names"], None
        if interpolate:
            latents = walk(latents, frames)
            if not last_frame:
                latents, columns = latents[:-1], frames  # a row for each pair of latents
            # A walk keeps one class: between two classes there is nothing.
            label, text = label or names[:1], text or list(captions[:1])
            if len(label) > 1 or len(text) > 1:
                raise UserError("interpolate takes one label or text")
        labels = choose_labels(len(latents), label or None, names)
        columns = columns or label_columns(len(text or captions) or len(label or names))
        condition = in_turn(text or captions, len(latents)) if captions else labels
        samples = model.generate(latents, condition)
        return Samples(samples, latents, labels, columns, model, about["step"])

    def evaluate(
        self,
        metrics: Sequence[str] | None = None,
        *,
        features: str | None = None,
        count: int = 10_000,
        seed: int = 0,
        real: str | Path | None = None,
        dataset: str | None = None,
        classes: Sequence[str] | None = None,
        split: str | None = None,
        data_dir: str | None = None,
        checkpoint: str | int = runs.NEWEST,
        cache: str | Path | None = None,
        out: str | Path | None = None,
        quiet: bool = False,
    ) -> dict[str, float]:
        """Compares generated samples with real ones.

        Args:
            metrics: for example ["fid", "prdc"]; default: all that the data allow.
            features: the feature extractor; default: classifier for labelled images, else
                random-conv-112.
            count: number of samples.
            seed: seed of the latents, and of KID's subsets.
            real: folder of real images; default: the data of the run.
            dataset: name of a dataset of real images, in place of `real`.
            classes: only these classes of `dataset`.
            split: split of tensorflow-datasets; default: as in training.
            data_dir: folder of tensorflow-datasets.
            checkpoint: "newest", "best" or a step.
            cache: folder for classifiers and features of real images; default: $TFGAN2_CACHE or
                ~/.cache/tfgan2.
            out: folder of the result; default: a new one in the run's `evaluation`.
            quiet: show no progress.

        Returns:
            The figures by name, for example {"fid": 12.3}.

        Raises:
            UserError: the data do not allow a metric, or a value is not possible.
        """
        from tfgan2.evaluation import check_features, check_metrics
        from tfgan2.evaluation.question import Question
        from tfgan2.evaluation.report import check_place

        chosen = check_metrics(list(metrics)) if metrics else None
        if features is not None:
            check_features(features)
        target = self._target(out)
        if target is not None:
            check_place(target)
        question = Question(
            self.directory,
            Path(real) if real else None,
            dataset,
            list(classes) if classes else None,
            split,
            data_dir,
            None,
            seed,
            str(checkpoint),
        )
        question.check()
        startup.load()
        from tfgan2.evaluation import evaluate, extractor_for, write
        from tfgan2.evaluation.references import Cache, cache_folder
        from tfgan2.training.building import make_deterministic
        from tfgan2.training.progress import Display

        make_deterministic()
        display = Display(quiet=quiet)
        folder = Path(cache) if cache else cache_folder()
        try:
            fakes, reals = question.load(display.loading)
            extractor = extractor_for(features, reals.whole, cache=folder, progress=display.loading)
            result = evaluate(
                fakes,
                reals,
                extractor,
                metrics=chosen,
                count=count,
                seed=seed,
                references=Cache(folder),
                progress=display.loading,
            )
        finally:
            display.close()
        target = target or question.place(result)
        try:
            write(target, result.to_json(), result.pictures)
        except OSError as error:
            raise cannot_write(target, error) from error
        return result.figures

    def _target(self, out: str | Path | None) -> Path | None:
        """The folder for results, which never go into a remote run."""
        if out is None and remote.is_remote(self.location):
            raise UserError(f"{self.location} is remote: choose a local folder with out")
        return Path(out).absolute() if out else None


def _check_epochs(epochs: float | None) -> None:
    if epochs is not None and epochs <= 0:
        raise UserError(f"epochs must be above 0, not {epochs:g}")


def _check_evaluation(options: TrainingOptions) -> None:
    """Raises a UserError for what is wrong whatever the data are."""
    others = (options.evaluate_features, options.evaluate_metrics, options.best_metric)
    if not options.evaluate_every:
        if any(others):
            raise UserError("evaluate_every is missing: give the steps between evaluations")
        return
    from tfgan2.evaluation import check_features, check_metrics
    from tfgan2.evaluation.during import check_best

    check_metrics(options.evaluate_metrics or [])
    if options.evaluate_features is not None:
        check_features(options.evaluate_features)
    if options.best_metric is not None:
        check_best(options.best_metric)


def _worker_index(strategy: str) -> int | None:
    """The number of this process among several that train; None if it is alone."""
    if not os.environ.get("TF_CONFIG") and strategy != "multiworker":
        return None
    from tfgan2.distributed import cluster

    cluster.check_strategy(strategy)
    found = cluster.read_cluster(os.environ.get("TF_CONFIG"))
    return None if found is None or len(found.workers) < 2 else found.index


@contextlib.contextmanager
def _local(location: str, *, fetch: bool) -> Iterator[tuple[Path, Mirror | None]]:
    """Yields a run directory on this machine, and what copies it if `location` is remote.

    Args:
        location: the run directory, local or remote.
        fetch: the run exists.
    """
    if not remote.is_remote(location):
        yield Path(location), None
        return
    startup.load()
    with remote.staged(location, fetch=fetch) as staged:
        yield staged


@dataclass
class _Job:
    """One training, of a new run or one that resumes; the attributes are arguments of `fit`."""

    config: runs.RunConfig
    callbacks: Sequence[keras.callbacks.Callback]
    epochs: float | None
    dry_run: bool
    quiet: bool
    mirror: Mirror | None

    def train(self, run_dir: Path, *, new: bool, numbered: bool = False) -> Path:
        """Trains; returns the run directory, which may have got another number."""
        from tfgan2.training.progress import Display

        display = Display(quiet=self.quiet)
        if self.mirror is not None:
            display.show_as(run_dir, self.mirror.url)
        display.say("loading TensorFlow")
        devices = startup.load()
        from tfgan2.distributed.strategies import Worker, make_strategy
        from tfgan2.training.building import make_deterministic
        from tfgan2.training.session import Session

        make_deterministic()
        worker = Worker.of(make_strategy(self.config.training.strategy, display.say))
        display.console.quiet = self.quiet or not worker.chief
        session = Session.prepare(self.config, worker, display, new=new, epochs=self.epochs)
        session.describe(devices)
        if self.dry_run:
            display.say(f"run: {run_dir}")
            session.describe_fully()
            return run_dir
        evaluation = _evaluation(session) if worker.chief else None
        with contextlib.ExitStack() as stack:
            if worker.chief:
                held = runs.held(run_dir, self.config, new=new, numbered=numbered)
                try:
                    run_dir = stack.enter_context(held)
                except OSError as error:
                    raise cannot_write(run_dir, error) from error
                if self.mirror is not None:
                    self.mirror.push()  # a directory that refuses is an error now, not later
            display.say(f"run: {run_dir}")
            session.train(
                run_dir, callbacks=self.callbacks, evaluation=evaluation, mirror=self.mirror
            )
        return run_dir


def _evaluation(session: Session) -> MakeEvaluation | None:
    """What makes the callback that evaluates while training; None if it is not to."""
    training = session.config.training
    if not training.evaluate_every:
        return None
    from functools import partial

    from tfgan2.evaluation.during import Evaluator, is_better
    from tfgan2.training.callbacks import Checkpoints, Evaluation, Statistics

    try:
        evaluator = Evaluator(
            session.config, session.model, session.dataset, session.display.loading
        )
    finally:
        session.display.close()
    every = training.evaluate_every

    def make(run_dir: Path, statistics: Statistics, checkpoints: Checkpoints) -> Evaluation:
        return Evaluation(
            lambda step, images: evaluator(run_dir, step, images),
            every=every,
            statistics=statistics,
            checkpoints=checkpoints,
            best_metric=evaluator.best_metric,
            is_better=partial(is_better, evaluator.best_metric),
            prefix=evaluator.prefix,
            say=session.display.say,
        )

    return make
