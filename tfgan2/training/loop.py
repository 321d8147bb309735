"""The training loop: any model whose `train_step(batch)` returns a dict of scalars."""

from __future__ import annotations

import contextlib
import functools
import math
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from tfgan2 import images, registry, runs
from tfgan2.distributed.strategies import LOST_WORKER_ERRORS, Worker
from tfgan2.errors import TrainingDivergedError, UserError, cannot_write
from tfgan2.kernels import compiled_update
from tfgan2.training import checkpoints, stats
from tfgan2.training.interruption import Interruption
from tfgan2.training.progress import Display

if TYPE_CHECKING:
    from tfgan2.data import ImageDataset
    from tfgan2.data.dataset import Part
    from tfgan2.evaluation.during import Evaluator
    from tfgan2.models.base import GenerativeModel
    from tfgan2.remote import Mirror


@contextlib.contextmanager
def precision(policy: str) -> Iterator[None]:
    """Layers made in the block compute with this policy of Keras, for example mixed_float16."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def build_model(config: runs.RunConfig) -> GenerativeModel:
    """The run's model, compiled, with fresh weights."""
    with precision(config.training.precision):
        model = registry.create(config.flavour, **config.hyperparameters)
        if config.training.sync_batch_norm:
            for network in model.networks().values():
                synchronise(network)
        model.compile()
    return model


def synchronise(network: keras.Model) -> None:
    """Has all batch norm of a network take the statistics of all replicas' batches together."""
    for layer in network._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True


def make_deterministic() -> None:
    """Asks for bitwise repeatable kernels where that is not so anyway.

    On the CPU it is. On a GPU it costs speed; without it a resumed run would only come close.
    """
    if tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()


_STOP = "stop"


class Trainer:
    """Trains a run to its end, from its newest checkpoint where there is one."""

    def __init__(
        self,
        run: Path,
        config: runs.RunConfig,
        model: GenerativeModel,
        dataset: ImageDataset,
        display: Display,
        evaluator: Evaluator | None = None,
        place: Worker | None = None,
        mirror: Mirror | None = None,
    ) -> None:
        """Prepares.

        Args:
            run: the run directory; `config.json` stands in it.
            config: what is in there.
            model: compiled.
            dataset: the images that `config` describes.
            display: shows the progress.
            evaluator: judges the model now and then, or None.
            place: the devices that train, and which of several processes this is; default: this
                process and one device.
            mirror: of a run that is to lie elsewhere.
        """
        self.run = run
        self.mirror = mirror
        self.config = config
        self.options = config.training
        self.model = model
        self.dataset = dataset
        self.display = display
        self._evaluator = evaluator
        self.place = place or Worker()
        batch_size = self.options.batch_size or model.batch_size
        self.images_per_step = batch_size * model.batches_per_step
        self.step = 0
        self.averages = stats.Averages()
        # Spent in steps and in waiting for their images since the run began, compiling left out.
        self.seconds = 0.0
        self._timed_images = 0  # since the last line
        self._timed_seconds = 0.0
        self._timed_waiting = 0.0  # the part of it that the images took
        # Step and value of the figure that the best checkpoint is kept by.
        self.best: dict[str, Any] | None = None

    def train(self) -> int | None:
        """Trains until all steps are done or a signal comes; then a checkpoint stands.

        Returns:
            The number of the signal, or None.

        Raises:
            TrainingDivergedError: a loss or a weight is no longer finite.
            UserError: the disk refuses, or data can no longer be read.
        """
        try:
            if self.place.chief:
                checkpoints.remove_partial(self.run)
            with self.place.detecting_lost_workers(self._how_to_go_on):
                self._restore()
                self._check_same_folder()
            if self.step >= self.options.steps:
                return None
            if not self.place.chief:
                return self._train(stats.NoWriter())
            writer = stats.StatsWriter(self.run, self.step)
            try:
                return self._train(writer)
            finally:
                writer.close()
        except OSError as error:
            raise cannot_write(self.run, error) from error

    def _check_same_folder(self) -> None:
        """All workers must read and write one run directory."""
        if self.place.part.of == 1:
            return
        if self.mirror is not None:  # each has a folder of its own, with what the place had
            if not self.place.agree_on(self.step):
                raise UserError(f"the workers do not see the same {self.mirror.url}")
            return
        path = self.run / ".workers"
        if self.place.chief:
            path.write_text(str(secrets.randbelow(2**31) + 1), encoding="ascii")
        self.place.agree_on(0)  # it is written once this returns
        seen = int(path.read_text(encoding="ascii")) if path.exists() else 0
        if not self.place.agree_on(seen) or not self.place.agree_on(self.step):
            raise UserError(
                f"the workers do not see the same {self.run}: give --out a folder that all "
                "machines share"
            )

    def _restore(self) -> None:
        checkpoint = checkpoints.newest(self.run, lambda text: self.display.say(f"warning: {text}"))
        if checkpoint is None:
            return
        with self.place.strategy.scope():
            checkpoints.restore(checkpoint, self.model.state())
        self.step = checkpoint.step
        self.averages = stats.Averages(checkpoint.extra["averages"])
        self.seconds = checkpoint.extra["seconds"]
        self.best = checkpoint.extra.get("best")

    def _train(self, writer: stats.Writer) -> int | None:
        options = self.options
        batches = self.place.distribute(
            functools.partial(
                self._batches, seed=options.seed, start=self.step * self.images_per_step
            )
        )
        shown = self.model.preview_count(options.sample_count)
        held_out = self.dataset.held_out
        self.examples = (held_out or self.dataset).some(shown, seed=options.seed)
        if self.place.chief and not (self.run / "reals.png").exists():
            reals = self.dataset.some(shown, seed=options.seed) if held_out else self.examples
            self._show_reals(reals)
        step_functions: dict[str, Any] = {}
        iterator = iter(batches)
        saved, stopped = self.step, False
        with (
            self.place.detecting_lost_workers(self._how_to_go_on),
            Interruption() as interruption,
            self.display.training(self.step, options.steps),
        ):
            while self.step < options.steps and not stopped:
                asked = time.perf_counter()
                batch = self._next(iterator, writer)
                waited = time.perf_counter() - asked
                phase = self.model.phase = self.model.phase_at(self.step)
                compiled = phase in step_functions
                if not compiled:
                    step_functions[phase] = self._step_function()
                started = time.perf_counter()
                stop = tf.constant(interruption.signal is not None)
                found = step_functions[phase](batch, stop)
                metrics = {k: float(v) for k, v in found.items()}
                # Whoever was told to stop, all stop after the same step.
                stopped = metrics.pop(_STOP) > 0
                if self.place.part.of == 1:
                    stopped = interruption.signal is not None
                elapsed = waited + time.perf_counter() - started
                self.step += 1
                self._check(metrics)
                self.averages.add(metrics)
                if compiled:  # else that took the most time
                    self.seconds += elapsed
                    self._timed_seconds += elapsed
                    self._timed_waiting += waited
                    self._timed_images += self.images_per_step
                self.display.step(self.step, metrics, self._speed())
                last = self.step == options.steps
                if last or self.step % options.log_every == 0:
                    self._log(writer)
                if self.place.chief and (last or self.step % options.sample_every == 0):
                    self._show(writer)
                if self._evaluator and (last or self.step % options.evaluate_every == 0):
                    if stopped:  # there may not be time for an evaluation
                        self._save(writer)
                    self._evaluate(self._evaluator, writer)
                if last or self.step % options.checkpoint_every == 0:
                    self._save(writer)
                    saved = self.step
            if saved < self.step:
                self._save(writer)
            if self.step >= options.steps:  # a signal came too late to matter
                return None
            return interruption.signal or (signal.SIGTERM if stopped else None)

    def _batches(self, part: Part, **where: int) -> tf.data.Dataset:
        return self.dataset.batches(self.images_per_step, part=part, **where)

    def _how_to_go_on(self) -> str:
        good = checkpoints.paths(self.run)
        kept = f"from {good[0].name}" if good else "from the start"
        return (
            f"after step {self.step}; start all workers again with "
            f"`tfgan2 fit --resume {self.run}`, they go on {kept}"
        )

    def _next(self, iterator: Iterator[Any], writer: stats.Writer) -> Any:
        with self._readable(writer):
            return next(iterator)

    @contextlib.contextmanager
    def _readable(self, writer: stats.Writer) -> Iterator[None]:
        """Saves, and says so, where data can no longer be read."""
        try:
            yield
        except tf.errors.OpError as error:  # a file vanished or broke since it was checked
            if self.place.part.of > 1 and isinstance(error, LOST_WORKER_ERRORS):
                raise
            saved = self.step > 0 and self.place.part.of == 1
            if saved:  # alone: several would have to be told
                self._save(writer)
            # TensorFlow puts its own words around those of the Python code that failed.
            first = error.message.strip().splitlines()[0]
            cause = first.rpartition("UserError: ")[2]
            told = ", which is saved" if saved else ""
            raise UserError(
                f"after step {self.step}{told}, no more data could be read: {cause}"
            ) from error

    def _step_function(self) -> Any:
        strategy = self.place.strategy
        update = self.model.train_step
        # Neither XLA nor a function within can bring the gradients of several replicas together.
        if self.place.replicas == 1:
            xla, fast = self.options.xla, self.options.winograd
            update = compiled_update(self.model, xla=xla, fast_convolutions=fast)

        def update_and_tell(batch: Any, stop: tf.Tensor) -> dict[str, tf.Tensor]:
            return {**update(batch), _STOP: tf.cast(stop, tf.float32)}

        @tf.function(autograph=False)
        def step(batch: Any, stop: tf.Tensor) -> dict[str, tf.Tensor]:
            metrics = strategy.run(update_and_tell, args=(batch, stop))
            return {
                name: strategy.reduce(tf.distribute.ReduceOp.MEAN, value, axis=None)
                for name, value in metrics.items()
            }

        return step

    def _speed(self) -> float:
        return self._timed_images / self._timed_seconds if self._timed_seconds else 0.0

    def _check(self, metrics: dict[str, float]) -> None:
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise self._diverged(f"{name} became {value} at step {self.step}")

    def _diverged(self, what: str) -> TrainingDivergedError:
        good = checkpoints.paths(self.run)
        kept = f"the last good checkpoint is {good[0]}" if good else "there is no checkpoint yet"
        return TrainingDivergedError(
            f"{what}; stopped, {kept}. Lower learning rates or another --seed may help"
        )

    def _log(self, writer: stats.Writer) -> None:
        line = {
            "step": self.step,
            "images": self.step * self.images_per_step,
            "seconds": round(self.seconds, 3),
            "images_per_second": round(self._speed(), 2),
            "input_share": round(self._timed_waiting / (self._timed_seconds or 1), 4),
            **self.averages.take(),
        }
        self._timed_images, self._timed_seconds, self._timed_waiting = 0, 0.0, 0.0
        writer.line(line)
        self.display.line(line, self.options.steps)
        self._publish()

    def _show(self, writer: stats.Writer) -> None:
        path = self.run / "samples" / f"step-{self.step:07d}.png"
        options = self.options
        pictures = self.model.previews(self.examples, about=options.sample_count, seed=options.seed)
        for name, view in pictures.items():
            own = path.parent / name / path.name
            own.parent.mkdir(exist_ok=True, parents=True)
            images.save_grid(own, view.images, columns=view.columns, reals=view.reals)
        writer.picture(self.step, path)
        stats.draw_losses(self.run)
        self._publish()

    def _evaluate(self, evaluator: Evaluator, writer: stats.Writer) -> None:
        """Puts figures into the statistics, and keeps the checkpoint that is the best so far."""
        from tfgan2.evaluation.during import is_better

        started = time.perf_counter()
        num_images = self.step * self.images_per_step
        with self._readable(writer):
            figures = evaluator(self.run, self.step, num_images)
        line = {"step": self.step, "images": num_images, "seconds": round(self.seconds, 3)}
        writer.line(line | {evaluator.prefix + name: value for name, value in figures.items()})
        value = figures[evaluator.best_metric]
        best = is_better(evaluator.best_metric, value, self.best["value"] if self.best else None)
        if best:
            self.best = {"metric": evaluator.best_metric, "value": value, "step": self.step}
            self._written(checkpoints.save_best)
        self.display.evaluated(
            self.step, evaluator.prefix, figures, time.perf_counter() - started, best=best
        )
        self._publish()

    def _show_reals(self, parts: tuple[np.ndarray, ...]) -> None:
        """Real samples: of pairs both sides."""
        shown = [part for part in parts if part.ndim == 4]
        grid = images.side_by_side(*shown) if len(shown) > 1 else shown[0]
        images.save_grid(self.run / "reals.png", grid)

    def _save(self, writer: stats.Writer) -> None:
        writer.sync()
        self._written(functools.partial(checkpoints.save, keep=self.options.keep_checkpoints))
        self._publish(events=True)

    def _publish(self, events: bool = False) -> None:
        """Copies what is new to where the run is to lie; a network that fails stops no training."""
        if self.mirror is None or not self.place.chief:
            return
        try:
            self.mirror.push(events)
        except UserError as error:
            self.display.say(f"warning: {error}; trying again later")

    def _written(self, save: Callable[..., Path]) -> None:
        """Has a checkpoint of this moment written."""
        if not self.place.chief:
            return
        extra = {"averages": self.averages.state(), "seconds": self.seconds, "best": self.best}
        arrays = {name: np.asarray(variable) for name, variable in self.model.state().items()}
        try:
            save(self.run, self.step, arrays, extra)
        except FloatingPointError as error:
            raise self._diverged(f"{error} is not finite after step {self.step}") from error
