"""What a flavour is to Keras: `compile`, `fit`, `predict`, callbacks, saving and loading.

What makes no sense for a GAN is a UserError before the first step; docs/python.md has the table.
"""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import keras
import tensorflow as tf

from tfgan2.errors import UserError, unknown
from tfgan2.keras_model import batches
from tfgan2.keras_model.guard import on_whole_batches
from tfgan2.keras_model.optimizers import SeveralOptimizers
from tfgan2.keras_model.saving import SavedModel

_FIT = inspect.signature(keras.Model.fit)
_COMPILE = ("jit_compile", "run_eagerly", "steps_per_execution", "accumulate")
_RATE_CALLBACKS = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
_NO_VALIDATION = "computes no validation loss: judge the images of predict() instead"
_WITHOUT_EFFECT = {
    "validation_data": _NO_VALIDATION,
    "validation_split": _NO_VALIDATION,
    "class_weight": "trains on all samples alike: repeat those that are to count more",
    "sample_weight": "trains on all samples alike: repeat those that are to count more",
}


class KerasModel(SavedModel):
    """A Keras model with several optimizers, one for each name in `trained_by`.

    Attributes:
        optimizers: the optimizers of a compiled model, by the names that `trained_by` gives.
        optimizer: the only one of them, or an object whose `optimizers` lists them, as Keras'
            callbacks expect.
        accumulate: number of micro-batches of an update; their gradients are averaged.
        fewest_samples: fewest samples of a step, on all replicas together.
        share: samples that each replica gets in `fit`; 0 outside of it.
        compiled_share: that of the latest `fit`.
        reported: names of the metrics of the latest step that was traced.
    """

    optimizers: dict[str, keras.optimizers.Optimizer]
    accumulate: int = 1
    fewest_samples: int = 1
    share: int = 0
    compiled_share: int = 0
    reported: tuple[str, ...] = ()
    train_function: Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Guards the class's `train_step`."""
        super().__init_subclass__(**kwargs)
        if "train_step" in vars(cls):
            cls.train_step = on_whole_batches(cls.train_step)

    # --- training --------------------------------------------------------------------------------

    def compile(self, optimizer: Any = None, loss: Any = None, **kwargs: Any) -> None:
        """Sets the optimizers; like `tf.keras.Model.compile` otherwise.

        Args:
            optimizer: for a flavour with one optimizer of this name only.
            loss: none; a flavour has its own.
            **kwargs: an optimizer of Keras or its name for each name in `trained_by`, for example
                `generator_optimizer`; by default those that the hyperparameters describe, which are
                the paper's. Besides, `jit_compile`, `run_eagerly` and `steps_per_execution`, and
                `accumulate`, the number of micro-batches that a batch is divided into.

        Raises:
            UserError: another argument, or one optimizer for two names.
        """
        flavour, names = type(self).__name__, list(self.trained_by())
        kwargs |= {"optimizer": optimizer, "loss": loss}
        kwargs = {name: value for name, value in kwargs.items() if value is not None}
        for name in kwargs:
            if name == "optimizer" and name not in names:
                raise UserError(
                    f"{flavour} has {len(names)} optimizers: give {names[0]} and so on in place of "
                    "optimizer, or none for the paper's"
                )
            if name in ("loss", "loss_weights", "metrics", "weighted_metrics"):
                raise UserError(f"{flavour} has its own losses and metrics: leave {name} out")
            if name not in (*names, *_COMPILE):
                raise unknown("argument of compile", name, (*names, *_COMPILE))
        chosen = {name: kwargs.pop(name, None) for name in names}
        objects = [each for each in chosen.values() if not isinstance(each, str | None)]
        if len(objects) != len({id(each) for each in objects}):
            raise UserError("one optimizer cannot train two networks: give each its own")
        if kwargs.get("steps_per_execution", 1) > 1 and self.has_phases:
            raise UserError(f"{flavour} trains in phases: leave steps_per_execution out")
        self._settings, self.accumulate = dict(kwargs), kwargs.pop("accumulate", 1)
        if not isinstance(self.accumulate, int) or self.accumulate < 1:
            raise UserError(
                f"accumulate must be a whole number of at least 1, not {self.accumulate!r}"
            )
        super().compile(optimizer=None, **kwargs)
        self._chosen = [name for name in names if chosen[name] is not None]
        self.optimizers = {
            name: self.prepared(
                chosen[name] or self.default_optimizer(name), self.trained_variables(name)
            )
            for name in names
        }
        for name, each in self.optimizers.items():
            setattr(self, name, each)  # as GANs of Keras have them; Keras saves them by these names
        first, *others = self.optimizers.values()
        self.optimizer = SeveralOptimizers(self.optimizers) if others else first

    def fit(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Like `tf.keras.Model.fit`, with batches of one size, and calls `plan`.

        Before the first step the data are checked: number, shapes and types of the parts, and the
        values of arrays, or of the first batch of other data, which is read for that. float64 and
        float16 become float32. All batches get the size of the first one, rounded down to a
        multiple of what a step needs (`d_steps`, `packing`, the number of devices); what an epoch
        has left is left out.

        Args:
            x: a dataset of batches, or an array or list: images, float32 in [-1, 1], shape (N,
                height, width, channels), or what the flavour makes images from.
            y: with arrays: labels, images or words, as the flavour needs them; labels are whole
                numbers, shape (N,) or (N, 1), or one-hot. Flavours without labels ignore them.
            *args, **kwargs: as Keras has them, but `batch_size` is the number of samples per
                update, by default the flavour's own. If a dataset does not know its length, give
                `steps_per_epoch`, or call `plan` before.

        Raises:
            UserError: data or an argument that do not suit the flavour.
        """
        options = dict(_FIT.bind(self, x, y, *args, **kwargs).arguments)
        del options["self"]
        for name, reason in _WITHOUT_EFFECT.items():
            given = options.get(name)
            if given is not None and not (name == "validation_split" and not given):
                raise UserError(f"{type(self).__name__} {reason}; leave {name} out")
        self._check_callbacks(options.get("callbacks"))
        shuffle = options.get("shuffle", True)
        data = batches.dataset_of(self, x, y, options.get("batch_size"), shuffle)
        steps = options.get("steps_per_epoch")
        if data is None:
            options["x"] = batches.checked(self, x)
        else:
            options |= {"y": None, "batch_size": None, "shuffle": False}
            known = data is not x  # arrays, whose values have been checked
            options["x"], size, length = batches.whole_batches(self, data, in_range=known)
            self.share = size // self.distribute_strategy.num_replicas_in_sync
            if self.share != self.compiled_share:
                self.train_function = None  # what Keras compiled has the old number in it
            self.compiled_share = self.share
            steps = steps or length
        if steps:
            epochs = options.get("epochs", 1) - options.get("initial_epoch", 0)
            self.plan(int(self.step.numpy()) + epochs * steps)
        with warnings.catch_warnings():
            if data is not None and not options.get("steps_per_epoch"):
                # How many whole batches a dataset has is not known before its end.
                warnings.filterwarnings("ignore", "Your input ran out of data", UserWarning)
            try:
                return super().fit(**options)
            finally:
                self.share = 0

    def _check_callbacks(self, callbacks: Any) -> None:
        for callback in keras.tree.flatten(getattr(callbacks, "callbacks", callbacks)):
            kind, monitor = type(callback).__name__, getattr(callback, "monitor", None)
            if isinstance(callback, _RATE_CALLBACKS) and self.compiled:
                for name, optimizer in self.optimizers.items():
                    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
                    schedule = keras.optimizers.schedules.LearningRateSchedule
                    if isinstance(optimizer._learning_rate, schedule):
                        raise UserError(
                            f"{kind} cannot change the rate of {name}, which follows a schedule: "
                            "leave one of both out (decay=False, if it is cyclegan's own)"
                        )
            if monitor is None or not getattr(callback, "save_best_only", True):
                continue
            if monitor.startswith("val_"):
                raise UserError(
                    f"{kind} waits for {monitor}, but {type(self).__name__} computes no validation "
                    "loss: give it another monitor, such as 'discriminator_loss', and a mode"
                )
            if getattr(callback, "mode", "") == "auto" and monitor != "loss":
                raise UserError(
                    f"{kind} cannot know which {monitor} is good: give it mode='min' or 'max'"
                )

    def make_train_function(self, force: bool = False) -> Any:
        """Like Keras', but one function for each phase."""
        if not self.has_phases:
            return super().make_train_function(force)
        by_phase: dict[str, Any] = {}

        def train(iterator: Any) -> Any:
            self.phase = self.phase_at(int(self.step.numpy()))
            if self.phase not in by_phase:
                super(KerasModel, self).make_train_function(force=True)
                by_phase[self.phase], self.train_function = self.train_function, train
            return by_phase[self.phase](iterator)

        if self.train_function is None or force:
            self.train_function = train
        return self.train_function

    def make_test_function(self, force: bool = False) -> Any:
        raise UserError(f"{type(self).__name__} {_NO_VALIDATION}")

    # --- generating ------------------------------------------------------------------------------

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        wanted = self.sampling_generator.inputs
        found = [tf.TensorShape(each.shape) for each in keras.tree.flatten(inputs)]
        if len(found) != len(wanted) or not all(
            shape.is_compatible_with(each.shape) for shape, each in zip(found, wanted, strict=True)
        ):
            needed = " and ".join(f"{each.name}, shape {('N', *each.shape[1:])}" for each in wanted)
            given = " and ".join(str(tuple(shape)) for shape in found)
            raise UserError(
                f"{type(self).__name__} generates from {needed}, not from {given}".replace("'", "")
            )
        return super().__call__(inputs, *args, **kwargs)

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """The images that the sampling generator makes of its inputs, as `predict` does.

        Args:
            inputs: its input, or a list or dictionary of them.
            training: true: the generator behaves as in training.
        """
        return self.sampling_generator(inputs, training=training)

    def export(self, filepath: Any, *args: Any, **kwargs: Any) -> Any:
        """Exports the sampling generator, like `tf.keras.Model.export`."""
        return self.sampling_generator.export(filepath, *args, **kwargs)
