"""The contract of a flavour: what training, checkpoints, sampling and export need from it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgan2.distributed import microbatches, replicas
from tfgan2.distributed.accumulation import accumulated
from tfgan2.errors import UserError
from tfgan2.export.spec import ExportSpec
from tfgan2.keras_model.guard import weighted
from tfgan2.keras_model.model import KerasModel
from tfgan2.models.options import ModelConfig
from tfgan2.networks.layers import LayerMaker
from tfgan2.nn.optimizers import with_scheduled_beta_2
from tfgan2.nn.schedules import LinearDecay

Batch = Any  # images, or a tuple of images and what belongs to them
Metrics = dict[str, tf.Tensor]
Objective = tuple[tf.Tensor, Metrics]
"""A float32 scalar to minimize, and float32 scalars to report."""
Examples = tuple[np.ndarray, ...]
"""Real samples: the parts of a batch of the dataset."""


def images_of(batch: Batch) -> tf.Tensor:
    """The images of a batch: the batch itself, or its first part."""
    return batch[0] if isinstance(batch, tuple | list) else batch


@dataclass(frozen=True)
class View:
    """Images that show what a model has learned.

    Attributes:
        images: float32 in [-1, 1], shape (N, height, width, channels).
        columns: columns of the grid; None: as square as possible.
        reals: real samples to compare with; those of points are drawn beneath.
    """

    images: np.ndarray
    columns: int | None = None
    reals: np.ndarray | None = None


def rows_of_pairs(above: np.ndarray, below: np.ndarray) -> View:
    """Rows of 8 images, each above a row of its counterparts; at most 32, and whole rows if any."""
    columns = min(8, len(above))
    count = min(32, len(above)) // columns * columns
    rows = [x[:count].reshape(-1, columns, *x.shape[1:]) for x in (above, below)]
    return View(np.stack(rows, axis=1).reshape(-1, *above.shape[1:]), columns)


class GenerativeModel(KerasModel):
    """A model that generates images.

    A subclass declares its hyperparameters in a nested `Config`, and sets `generator` and its other
    networks in `build_networks`.

    Attributes:
        config: the resolved hyperparameters.
        data_kind: the samples it trains on, one of `tfgan2.data.KINDS`.
        hold_out: default number of samples that are kept out of training, to be shown.
        batch_size: default number of samples per update.
        network_count: number of networks that `layer_maker` makes layers for.
        generator: a functional Keras model whose inputs are named as `tfgan2.export` expects.
        ema_generator: the same network with averaged weights, or None.
        batches_per_step: batches of fresh samples that one `train_step` takes, joined along the
            first axis.
        planned_steps: number of steps of the whole training; phases and learning rates that decay
            depend on it. `plan` sets it.
        phase: what `train_step` trains now, one of the names that `phase_at` returns.
        is_divided: true if the parts of `train_step` are compiled apart, once for all phases, see
            `compiled_step`.
        is_fine_tuned: true if its first weights are those of a trained model.
        adam_epsilon: epsilon of Adam.
        update_index: index of the update within a step, int32, shape (); None outside of one.
    """

    Config: type[ModelConfig] = ModelConfig
    config: Any
    data_kind: str = "images"
    hold_out: int = 0
    batch_size: int = 64
    network_count: int = 2
    generator: keras.Model
    ema_generator: keras.Model | None = None
    batches_per_step: int = 1
    planned_steps: int = 10_000
    phase: str = ""
    is_fine_tuned: bool = False
    adam_epsilon: float = 1e-7
    update_index: tf.Tensor | None = None
    is_divided: Any = False

    def __init__(
        self, image_shape: tuple[int, int, int] | None = None, **hyperparameters: Any
    ) -> None:
        """Builds the networks.

        Args:
            image_shape: (height, width, channels); needed.
            **hyperparameters: the options of `Config`; `tfgan2 info` lists them.

        Raises:
            UserError: an unknown hyperparameter, or a value that is not possible.
        """
        super().__init__()
        shape = {} if image_shape is None else {"image_shape": image_shape}
        self.config = self.Config(**shape, **hyperparameters)
        self.step = self.add_weight(
            name="step",
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.build_networks()
        layers = [each for one in self.networks().values() for each in one._flatten_layers()]
        self.supports_jit = all(layer.supports_jit for layer in layers)  # at its full speed
        # Without this Keras would try to build the model by calling it.
        self.built = True

    def build_networks(self) -> None:
        """Sets `generator` and all other networks, as `config` says."""
        raise NotImplementedError

    def layer_maker(self, index: int, **settings: Any) -> LayerMaker:
        """Returns the maker of one network's layers.

        Args:
            index: index of the network, below `network_count`: each has seeds of its own.
            **settings: those of `LayerMaker` that are no options of the flavour.
        """
        options = dict(self.config)
        shared = ("max_channels", "blocks", "group_size", "attention")
        settings |= {name: options[name] for name in shared if name in options}
        seed = self.network_count * options["seed"] + index
        return LayerMaker(seed, settings.pop("channels", options["base_channels"]), **settings)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.config.image_shape

    @classmethod
    def data_hyperparameters(cls, facts: Mapping[str, Any]) -> dict[str, Any]:
        """The hyperparameters that the dataset decides, from `ImageDataset.facts`.

        Raises:
            UserError: the model cannot train on such data.
        """
        known = cls.Config.options
        return {name: item.from_data(facts) for name, item in known.items() if item.from_data}

    @property
    def batch_multiple(self) -> int:
        """Number of samples that divides the batch of a step on each replica."""
        return self.batches_per_step * self.accumulate

    def batch_parts(self) -> dict[str, tuple[int | None, ...]]:
        """The parts of a batch that the model needs, and their shapes without the batch's axis."""
        shape, options = self.image_shape, dict(self.config)
        inputs = (*shape[:2], options.get("input_channels", shape[2]))
        parts: dict[str, dict[str, tuple[int | None, ...]]] = {
            "images": {"images": shape},
            "pairs": {"inputs": inputs, "targets": shape},
            "unpaired": {"images A": inputs, "images B": shape},
            "captions": {"images": shape, "words": (options.get("caption_length"),)},
        }
        return parts[self.data_kind]

    def check_batch_size(self, batch_size: int, replicas: int = 1) -> None:
        """Raises a UserError unless it can train with this batch size, shared by replicas."""
        shares = self.accumulate * replicas
        if batch_size % shares:
            devices = f" on each of {replicas} devices" if replicas > 1 else ""
            raise UserError(
                f"a batch of {batch_size} images cannot be divided into {self.accumulate} "
                f"micro-batches{devices}",
                f": give another --accumulate, or a --batch-size that is a multiple of {shares}",
            )

    # --- randomness ------------------------------------------------------------------------------

    def noise_seed(self, stream: str, shared: bool = False) -> tf.Tensor:
        """A seed for `tf.random.stateless_*` from (seed, step, replica, update, stream) alone.

        So a resumed run draws what the uninterrupted one would have drawn, and no two replicas draw
        the same unless `shared`. Two draws in one step need two names. int32, shape (2,).
        """
        replica = 0 if shared else tf.distribute.get_replica_context().replica_id_in_sync_group
        salt = zlib.crc32(stream.encode()) & 0x7FFFFFFF
        step = tf.cast(self.step.value, tf.int64)
        seed = tf.stack([tf.constant(self.config.seed, tf.int64), step])
        folds = [salt, replica] + ([] if self.update_index is None else [self.update_index])
        for value in folds:
            seed = tf.random.experimental.stateless_fold_in(seed, tf.cast(value, tf.int64))
        return tf.cast(seed & 0x7FFFFFFF, tf.int32)

    # --- sampling and export ---------------------------------------------------------------------

    def label_names(self, class_names: Sequence[str]) -> list[str]:
        """Names of the generator's labels, if it has any, from the dataset's class names."""
        return []

    def exports(self) -> dict[str, ExportSpec]:
        """The networks to export, by file name."""
        raise NotImplementedError

    def preview_count(self, about: int = 64) -> int:
        """Number of samples in one preview."""
        return about

    def previews(self, examples: Examples, *, about: int = 64, seed: int = 0) -> dict[str, View]:
        """Images that show the progress of training; the same for the same weights.

        Args:
            examples: real samples, `preview_count(about)` of them if the data have as many: the
                parts of a batch of the dataset.
            about: approximate number of samples.
            seed: seed of what is drawn.

        Returns:
            Views by name; the first and most important one has the name "".
        """
        raise NotImplementedError

    @property
    def sampling_generator(self) -> keras.Model:
        """The generator to sample from: the averaged one if there is one."""
        return self.generator if self.ema_generator is None else self.ema_generator

    @staticmethod
    def run_generator(
        generator: keras.Model, inputs: Mapping[str, np.ndarray], *, batch_size: int = 64
    ) -> np.ndarray:
        """Images from arrays by the names of the inputs, float32, shape (N, H, W, C)."""
        arrays = [inputs[item.name] for item in generator.inputs]
        images = []
        for start in range(0, len(arrays[0]), batch_size):
            chunk = [array[start : start + batch_size] for array in arrays]
            batch = chunk if len(chunk) > 1 else chunk[0]
            images.append(generator(batch, training=False).numpy())
        return np.concatenate(images)

    # --- state -----------------------------------------------------------------------------------

    def frozen_networks(self) -> list[keras.Model]:
        """Networks that a step computes with and nothing changes; checkpoints do not hold them."""
        return []

    def networks(self) -> dict[str, keras.Model]:
        """All networks by name: by default those that are trained."""
        return {network.name: network for group in self.trained_by().values() for network in group}

    def weights_by_name(self) -> dict[str, keras.Variable]:
        """All variables of the model itself: weights, averages, batch statistics, counters, seeds.

        Returns:
            Variables by unique names, which are the same for two models of one configuration,
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
        for name, optimizer in self.optimizers.items():
            for index, variable in enumerate(optimizer.variables):
                named[f"{name}/{index:03d}"] = variable
        return named

    # --- phases ----------------------------------------------------------------------------------

    @property
    def follows_plan(self) -> bool:
        """True if `train_step` computes with `planned_steps`, as for learning rates that decay."""
        return bool(dict(self.config).get("decay"))

    def plan(self, steps: int) -> None:
        """Sets the number of steps of the whole training, those already done included.

        A flavour that trains in phases fixes their lengths here; a longer plan later does not move
        them.
        """
        if self.follows_plan and steps != self.planned_steps:
            self.train_function = None  # what Keras compiled has the old number in it
        self.planned_steps = steps

    @property
    def has_phases(self) -> bool:
        return type(self).phase_at is not GenerativeModel.phase_at

    def phase_at(self, step: int) -> str:
        """Name of the phase that the update after `step` updates belongs to.

        Each phase is compiled by itself.
        """
        return ""

    # --- optimizers ------------------------------------------------------------------------------

    def trained_by(self) -> dict[str, list[keras.Model]]:
        """The networks that each optimizer trains, by the optimizer's name."""
        raise NotImplementedError

    def default_optimizer(self, name: str) -> keras.optimizers.Optimizer:
        """The optimizer that the hyperparameters describe.

        That of "x_optimizer" has the options `x_optimizer` and `x_learning_rate`, or where the
        flavour has none `optimizer` and `learning_rate`; and `clipvalue`, and Adam the betas.
        """
        options = dict(self.config)
        kind = type(keras.optimizers.get(options.get(name) or options.get("optimizer", "adam")))
        adam = {key: options[key] for key in ("beta_1", "beta_2") if key in options}
        adam["epsilon"] = self.adam_epsilon
        if not issubclass(kind, keras.optimizers.Adam):
            adam = {}
        elif (schedule := self.beta_2_schedule(name)) is not None:
            kind, adam["beta_2"] = with_scheduled_beta_2(kind), schedule
        return kind(
            name=name,
            learning_rate=self.learning_rate(name),
            clipvalue=options.get("clipvalue") or None,
            **adam,
        )

    def takes_weight(self, name: str, source: Mapping[str, Any]) -> bool:
        """Returns whether a weight of a trained model is of use here, if its shape fits.

        Args:
            name: of the weight, as in `weights_by_name`.
            source: the hyperparameters of that model; empty if they are not known.
        """
        return True

    def learning_rate(self, name: str) -> Any:
        """The learning rate of an optimizer, a number or a schedule; see `default_optimizer`."""
        options = dict(self.config)
        own = name.replace("optimizer", "learning_rate")
        rate = options[own if own in options else "learning_rate"]
        if not (decay := options.get("decay")):
            return rate
        updates = self.updates_per_step(name)
        return LinearDecay(rate, lambda: updates * self.planned_steps, decay)

    def updates_per_step(self, optimizer: str) -> int:
        """Updates in a step of the game by an optimizer."""
        return 1

    def beta_2_schedule(self, name: str) -> Any:
        """The schedule of an optimizer's beta_2, if it is Adam; None: the option `beta_2`."""
        return None

    def trained_variables(self, name: str) -> list[keras.Variable]:
        """The variables that an optimizer trains."""
        return [v for network in self.trained_by()[name] for v in network.trainable_variables]

    def prepared(
        self, optimizer: keras.optimizers.Optimizer | str, variables: list[keras.Variable]
    ) -> keras.optimizers.Optimizer:
        """An optimizer ready for `train_step`: built, and scaling losses in float16.

        Raises:
            UserError: it has trained other variables.
        """
        optimizer = keras.optimizers.get(optimizer)
        if optimizer.built:
            trained = getattr(optimizer, "inner_optimizer", optimizer)._trainable_variables
            if list(map(id, trained)) != list(map(id, variables)):
                raise UserError(
                    f"the optimizer {optimizer.name!r} has trained another network: make a new one"
                )
        half = self.dtype_policy.compute_dtype == "float16"
        if half and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            # Keras would wrap `self.optimizer` alone.
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, name=optimizer.name)
        optimizer.build(variables)  # before the first trace, or replicas fail
        return replicas.summing_first(optimizer)

    def minimize(
        self, name: str, loss_function: Callable[[tf.GradientTape], Objective]
    ) -> Objective:
        """Updates the variables of one optimizer by what a function computes, and returns that.

        Of several micro-batches the gradients, the loss and metrics that are scalars are averaged;
        other tensors among the metrics are those of the micro-batch. Whatever else the
        function makes is lost.
        """
        optimizer, variables = self.optimizers[name], self.trained_variables(name)

        def compute() -> tuple[Any, Metrics]:
            with tf.GradientTape() as tape:
                loss, metrics = loss_function(tape)
                loss = weighted(loss)
                # The gradients of all replicas are summed.
                count = tf.distribute.get_strategy().num_replicas_in_sync
                scaled = optimizer.scale_loss(loss / count if count > 1 else loss)
            values = [variable._value for variable in variables]
            gradients = tape.gradient(scaled, values, unconnected_gradients="zero")
            tensors = {key: tf.convert_to_tensor(value) for key, value in metrics.items()}
            scalars = {key: value for key, value in tensors.items() if not value.shape.rank}
            others = {key: value for key, value in tensors.items() if value.shape.rank}
            return (gradients, loss, scalars), others

        def update(mean: Any, others: Any) -> Objective:
            gradients, loss, scalars = mean
            optimizer.apply(gradients, variables)
            return loss, scalars

        (loss, scalars), others = microbatches.exchange(compute, update, updates=True)
        return loss, {**scalars, **others}

    def compiled_step(self, compiled: Any = None) -> Callable[[Batch], Metrics]:
        """The step, of one or several functions that are compiled once; see `accumulated`."""
        return accumulated(self.train_step, self.accumulate, compiled, self.batches_per_step)
