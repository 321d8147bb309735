"""What flavours share.

`GenerativeModel` is what the training loop, checkpoints, sampling and export ask of a flavour. What
adversarial flavours share besides stands in `adversarial.py`.
"""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgan2.distributed import replicas
from tfgan2.errors import UserError, unknown
from tfgan2.export.spec import ExportSpec

Batch = Any  # images, or a tuple of images and what belongs to them


def check_range(name: str, value: float, low: float, high: float = float("inf")) -> None:
    """Raises a UserError unless low <= value <= high."""
    if not low <= value <= high:
        bounds = f"at least {low:g}" if high == float("inf") else f"from {low:g} to {high:g}"
        raise UserError(f"{name} must be {bounds}, not {value:g}")


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Raises a UserError unless value is one of the choices."""
    names = tuple(choices)
    if value not in names:
        raise UserError(f"{name} must be one of {', '.join(names)}, not {value!r}")


@dataclass(frozen=True)
class View:
    """A picture that shows what a model has learned.

    Attributes:
        images: float32 in [-1, 1], shape (N, height, width, channels).
        columns: of the grid; None: as square as possible.
        reals: for points only: those of the data, drawn beneath.
    """

    images: np.ndarray
    columns: int | None = None
    reals: np.ndarray | None = None


def make_optimizer(
    name: str,
    learning_rate: float,
    *,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    clipvalue: float = 0.0,
) -> keras.optimizers.Optimizer:
    """An optimizer of Keras by its name.

    Args:
        name: "adam", "adamw", "rmsprop" or "sgd".
        learning_rate: its step size.
        beta_1: decay of the first moment; Adam's and AdamW's.
        beta_2: decay of the second moment; Adam's and AdamW's.
        clipvalue: gradients are clipped to [-clipvalue, clipvalue] by element; 0: not at all.

    Raises:
        UserError: an unknown name or an impossible value.
    """
    check_choice("the optimizer", name, ("adam", "adamw", "rmsprop", "sgd"))
    check_range("the learning rate", learning_rate, 0.0)
    check_range("clipvalue", clipvalue, 0.0)
    settings: dict[str, Any] = {"learning_rate": learning_rate, "clipvalue": clipvalue or None}
    if name in ("adam", "adamw"):
        check_range("beta_1", beta_1, 0.0, 1.0)
        check_range("beta_2", beta_2, 0.0, 1.0)
        settings |= {"beta_1": beta_1, "beta_2": beta_2}
    kinds = {
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
        "rmsprop": keras.optimizers.RMSprop,
        "sgd": keras.optimizers.SGD,
    }
    return kinds[name](**settings)


class GenerativeModel(keras.Model):
    """A model that makes images.

    A subclass's constructor takes its hyperparameters as keyword arguments and keeps each in an
    attribute of the same name, so that `get_config` can rebuild the model. It sets `generator`, and
    where it keeps an average of the weights, `ema_generator`. What flavours share that start from
    latents stands in `latent.py`, of those that start from images in `translation.py`.

    Attributes:
        data_kind: the samples that it trains on, one of `tfgan2.data.KINDS`.
        hold_out: how many samples are kept out of training by default, to be shown.
        batch_size: of an update, by default.
        generator: a functional Keras model; its inputs are named as `tfgan2.export` wants them.
        ema_generator: the same network with averaged weights, or None.
        batches_per_step: how many batches of fresh samples one `train_step` takes, joined along the
            first axis.
        planned_steps: how many steps the training is to take in all; what a flavour divides into
            phases, or lets fade, goes by it. `plan` sets it.
        phase: what `train_step` does now, one of the names that `phase_at` gives.
        is_divided: whether `train_step` is some alike updates and a last one, which can be compiled
            apart: `divided`, `first_update` and `last_update` of `AdversarialModel`.
        update_index: which of the alike updates within a step is computed, int32, shape (); None
            outside of these.
    """

    data_kind: str = "images"
    hold_out: int = 0
    batch_size: int = 64
    generator: keras.Model
    ema_generator: keras.Model | None = None
    batches_per_step: int = 1
    planned_steps: int = 10_000
    train_function: Any
    phase: str = ""
    update_index: tf.Tensor | None = None
    is_divided: Any = False

    def __init__(self, image_shape: tuple[int, int, int], *, seed: int = 0) -> None:
        """Keeps the image shape and the seed.

        Args:
            image_shape: (height, width, channels).
            seed: of the initial weights and of all noise.
        """
        super().__init__()
        shape = tuple(int(size) for size in image_shape)
        if len(shape) != 3 or min(shape) < 1:
            raise UserError(f"image_shape must be (height, width, channels), not {image_shape!r}")
        check_range("seed", seed, 0, 2**31 - 1)
        self.image_shape = shape
        self.seed = int(seed)
        self.step = self.add_weight(
            name="step",
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        # There is no `call`: without this Keras would try to build the model by calling it.
        self.built = True

    @classmethod
    def data_hyperparameters(cls, facts: Mapping[str, Any]) -> dict[str, Any]:
        """The hyperparameters that the data decide.

        Args:
            facts: what `ImageDataset.facts` says of the data.

        Raises:
            UserError: the model cannot train on such data.
        """
        return {"image_shape": facts["image_shape"]}

    @classmethod
    def check_names(cls, names: Iterable[str]) -> None:
        """Raises a UserError that offers the closest names unless all are hyperparameters."""
        for name in names:
            if name not in cls.hyperparameter_names():
                raise unknown("hyperparameter", name, cls.hyperparameter_names())

    @classmethod
    def hyperparameter_names(cls) -> list[str]:
        """The names of the constructor's arguments, those passed on to base classes included."""
        names: dict[str, None] = {}
        for base in cls.__mro__:
            if base is keras.Model:
                break
            if "__init__" in vars(base):
                signature = inspect.signature(vars(base)["__init__"])
                for parameter in list(signature.parameters.values())[1:]:
                    if parameter.kind is not inspect.Parameter.VAR_KEYWORD:
                        names[parameter.name] = None
        return list(names)

    def get_config(self) -> dict[str, Any]:
        """Every hyperparameter with its resolved value; `from_config` makes the same model anew."""
        config = {name: self.hyperparameter(name) for name in self.hyperparameter_names()}
        return {k: tuple(v) if isinstance(v, list | tuple) else v for k, v in config.items()}

    def hyperparameter(self, name: str) -> Any:
        """The resolved value of a hyperparameter."""
        return getattr(self, name)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> GenerativeModel:
        """The inverse of `get_config`; the weights are fresh."""
        return cls(**config)

    def check_batch_size(self, batch_size: int, replicas: int = 1) -> None:
        """Raises a UserError unless it can train with so many images, shared by replicas."""
        return

    # --- randomness ------------------------------------------------------------------------------

    def noise_seed(self, stream: str, shared: bool = False) -> tf.Tensor:
        """A seed for `tf.random.stateless_*` from (seed, step, replica, update, stream) alone.

        So a resumed run draws what the uninterrupted one would have drawn, and no two replicas draw
        the same.

        Args:
            stream: a name for what is drawn; two draws in one step need two names.
            shared: all replicas are to draw the same.

        Returns:
            int32, shape (2,).
        """
        replica = 0 if shared else tf.distribute.get_replica_context().replica_id_in_sync_group
        seed = tf.stack([tf.constant(self.seed, tf.int64), tf.cast(self.step.value, tf.int64)])
        salt = tf.cast(zlib.crc32(stream.encode()) & 0x7FFFFFFF, tf.int64)
        seed = tf.random.experimental.stateless_fold_in(seed, salt)
        seed = tf.random.experimental.stateless_fold_in(seed, tf.cast(replica, tf.int64))
        if self.update_index is not None:
            index = tf.cast(self.update_index, tf.int64)
            seed = tf.random.experimental.stateless_fold_in(seed, index)
        return tf.cast(seed & 0x7FFFFFFF, tf.int32)

    def label_names(self, class_names: Sequence[str]) -> list[str]:
        """The names of the labels that the generator takes; none if it takes no labels.

        Args:
            class_names: of the dataset.
        """
        return []

    def exports(self) -> dict[str, ExportSpec]:
        """What `tfgan2 export` writes, by the names of the files."""
        return {"generator": ExportSpec(self.sampling_generator)}

    # --- what the training loop uses -------------------------------------------------------------

    def plan(self, steps: int) -> None:
        """Says how many steps the training is to take in all, those already done included.

        A flavour that trains in phases settles here how long they are; a longer plan later does not
        move them.
        """
        self.planned_steps = steps

    def phase_at(self, step: int) -> str:
        """What the update after `step` of them does; each phase is compiled by itself."""
        return ""

    def preview_count(self, about: int = 64) -> int:
        """How many samples one picture takes."""
        return about

    def previews(
        self, examples: tuple[np.ndarray, ...], *, about: int = 64, seed: int = 0
    ) -> dict[str, View]:
        """What shows the progress of training; the same for the same weights.

        Args:
            examples: real samples, `preview_count(about)` of them where there are as many: the
                parts of a batch of the dataset.
            about: how many samples to show.
            seed: of what is drawn.

        Returns:
            Pictures by name, the first and most important of which has the name "".
        """
        raise NotImplementedError

    @property
    def sampling_generator(self) -> keras.Model:
        """The generator to take samples from: the averaged one where there is one."""
        return self.generator if self.ema_generator is None else self.ema_generator

    @staticmethod
    def run_generator(
        generator: keras.Model, inputs: Mapping[str, np.ndarray], *, batch_size: int = 64
    ) -> np.ndarray:
        """The images that a generator makes in inference mode, float32, shape (N, H, W, C).

        Args:
            generator: which.
            inputs: an array for each of its inputs, by name.
            batch_size: how many images at a time.
        """
        arrays = [inputs[item.name] for item in generator.inputs]
        made = []
        for start in range(0, len(arrays[0]), batch_size):
            chunk = [array[start : start + batch_size] for array in arrays]
            fed = chunk if len(chunk) > 1 else chunk[0]
            made.append(generator(fed, training=False).numpy())
        return np.concatenate(made)

    def optimizers_by_name(self) -> dict[str, keras.optimizers.Optimizer]:
        """The optimizers of a compiled model, by a name for checkpoints and logs."""
        raise NotImplementedError

    def weights_by_name(self) -> dict[str, keras.Variable]:
        """All variables of the model itself: weights, averages, batch statistics, counters, seeds.

        Returns:
            Variables by names that are unique, and the same for two models of one configuration,
            whatever else was made in their processes: Keras' own paths count the layers.
        """
        owners = dict(self.networks())
        if self.ema_generator is not None:
            owners["ema_generator"] = self.ema_generator
        named: dict[str, keras.Variable] = {}
        for owner, network in {**owners, "model": self}.items():
            seen = {id(variable) for variable in named.values()}
            own = [variable for variable in network.variables if id(variable) not in seen]
            for index, variable in enumerate(own):
                named[f"{owner}/{index:03d}/{variable.name}"] = variable
        return named

    def state(self) -> dict[str, keras.Variable]:
        """Everything that a step changes: `weights_by_name` and the optimizers' variables."""
        named = self.weights_by_name()
        for name, optimizer in self.optimizers_by_name().items():
            for index, variable in enumerate(optimizer.variables):
                named[f"{name}/{index:03d}"] = variable
        return named

    def networks(self) -> dict[str, keras.Model]:
        """The networks by name, for showing their sizes."""
        return {"generator": self.generator}

    # --- plain Keras -----------------------------------------------------------------------------

    def fit(self, x: Any = None, **kwargs: Any) -> Any:
        """As Keras', and plans for the steps that it takes where their number is known.

        Args:
            x: a `tf.data.Dataset` of batches, or whatever else Keras takes.
            **kwargs: those of `tf.keras.Model.fit`. Where the dataset does not know its length,
                `steps_per_epoch` tells it; without either, call `plan` before.
        """
        steps = kwargs.get("steps_per_epoch")
        if steps is None and isinstance(x, tf.data.Dataset):
            steps = max(0, int(x.cardinality()))  # negative: unknown or endless
        if steps:
            epochs = kwargs.get("epochs", 1) - kwargs.get("initial_epoch", 0)
            self.plan(int(self.step.numpy()) + epochs * steps)
        return super().fit(x, **kwargs)

    def make_train_function(self, force: bool = False) -> Any:
        """As Keras makes it, but one for each phase."""
        if type(self).phase_at is GenerativeModel.phase_at:
            return super().make_train_function(force)
        by_phase: dict[str, Any] = {}

        def train(iterator: Any) -> Any:
            self.phase = self.phase_at(int(self.step.numpy()))
            if self.phase not in by_phase:
                super(GenerativeModel, self).make_train_function(force=True)
                by_phase[self.phase], self.train_function = self.train_function, train
            return by_phase[self.phase](iterator)

        if self.train_function is None or force:
            self.train_function = train
        return self.train_function

    # --- optimizers ------------------------------------------------------------------------------

    def prepared(
        self, optimizer: keras.optimizers.Optimizer | str, variables: list[keras.Variable]
    ) -> keras.optimizers.Optimizer:
        """An optimizer ready for `train_step`: built, and scaling losses in float16."""
        optimizer = keras.optimizers.get(optimizer)
        half = self.dtype_policy.compute_dtype == "float16"
        if half and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            # Keras would wrap `self.optimizer` alone, and a flavour may have two.
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(variables)  # before the first trace, or several replicas fail
        return replicas.summing_first(optimizer)

    def scaled(self, loss: tf.Tensor, optimizer: keras.optimizers.Optimizer) -> tf.Tensor:
        """The loss as its gradient must be taken: those of all replicas are added up."""
        count = tf.distribute.get_strategy().num_replicas_in_sync
        return optimizer.scale_loss(loss / count if count > 1 else loss)
