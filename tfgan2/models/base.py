"""What flavours share.

`GenerativeModel` is what the training loop, checkpoints, sampling and export ask of a flavour. What
adversarial flavours share besides stands in `adversarial.py`.
"""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgan2.errors import UserError, unknown
from tfgan2.images import is_points
from tfgan2.labels import grid_count
from tfgan2.latents import draw_latents

Batch = Any  # images, or (images, labels)


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
    """A picture that a flavour shows besides its samples.

    Attributes:
        images: float32 in [-1, 1], shape (N, height, width, channels).
        columns: of the grid.
    """

    images: np.ndarray
    columns: int


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
    """A model that turns latents into images.

    A subclass's constructor takes its hyperparameters as keyword arguments and keeps each in an
    attribute of the same name, so that `get_config` can rebuild the model. It sets `generator`, and
    where it keeps an average of the weights, `ema_generator`.

    Attributes:
        generator: a functional Keras model with an input "z", float32, shape (latent_dim,), and if
            `num_labels` is not 0 an input "label", int32, shape (), that returns images, float32
            in [-1, 1], shape (height, width, channels). Points, (1, 1, 2), are not bounded.
        ema_generator: the same network with averaged weights, or None.
        batches_per_step: how many batches of fresh samples one `train_step` takes, joined along the
            first axis.
        latent_distribution: see `tfgan2.latents`.
        num_labels: how many labels the generator tells apart, 0 for an unconditional one.
        labels_are_classes: whether they are the dataset's classes; then there is a hyperparameter
            `num_classes`.
        views_need_reals: whether `views` shows something of real images.
    """

    generator: keras.Model
    ema_generator: keras.Model | None = None
    batches_per_step: int = 1
    latent_distribution: str = "normal"
    latent_dim: int
    num_labels: int = 0
    labels_are_classes: bool = False
    views_need_reals: bool = False

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

    def check_batch_size(self, batch_size: int) -> None:
        """Raises a UserError unless the model can train with so many images per update."""
        return

    # --- randomness ------------------------------------------------------------------------------

    def noise_seed(self, stream: str) -> tf.Tensor:
        """A seed for `tf.random.stateless_*` that depends on (seed, step, replica, stream) alone.

        So a resumed run draws what the uninterrupted one would have drawn, and no two replicas draw
        the same.

        Args:
            stream: a name for what is drawn; two draws in one step need two names.

        Returns:
            int32, shape (2,).
        """
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        seed = tf.stack([tf.constant(self.seed, tf.int64), tf.cast(self.step.value, tf.int64)])
        salt = tf.cast(zlib.crc32(stream.encode()) & 0x7FFFFFFF, tf.int64)
        seed = tf.random.experimental.stateless_fold_in(seed, salt)
        seed = tf.random.experimental.stateless_fold_in(seed, tf.cast(replica, tf.int64))
        return tf.cast(seed & 0x7FFFFFFF, tf.int32)

    def random_latents(self, count: int | tf.Tensor, stream: str) -> tf.Tensor:
        """Latents for training, float32, shape (count, latent_dim)."""
        shape = (count, self.latent_dim)
        if self.latent_distribution == "uniform":
            return tf.random.stateless_uniform(shape, self.noise_seed(stream), -1.0, 1.0)
        return tf.random.stateless_normal(shape, self.noise_seed(stream))

    # --- what others use -------------------------------------------------------------------------

    @property
    def sampling_generator(self) -> keras.Model:
        """The generator to take samples from: the averaged one where there is one."""
        return self.generator if self.ema_generator is None else self.ema_generator

    def draw_latents(self, count: int, *, seed: int = 0) -> np.ndarray:
        """Latents for sampling, float32, shape (count, latent_dim); see `tfgan2.latents`."""
        return draw_latents(
            count, self.latent_dim, seed=seed, distribution=self.latent_distribution
        )

    def samples_shown(self, about: int = 64) -> int:
        """How many samples one picture takes: whole rows of labels, and of points a cloud."""
        return (
            max(about, 2500) if is_points(self.image_shape) else grid_count(self.num_labels, about)
        )

    def draw_labels(self, count: int) -> np.ndarray | None:
        """All labels in turn, int32, shape (count,); None for an unconditional generator."""
        if not self.num_labels:
            return None
        return np.resize(np.arange(self.num_labels, dtype=np.int32), count)

    def generate(
        self,
        latents: np.ndarray | tf.Tensor,
        labels: np.ndarray | None = None,
        *,
        batch_size: int = 64,
    ) -> np.ndarray:
        """Makes images in inference mode, with the averaged weights where there are any.

        Args:
            latents: shape (N, latent_dim); `draw_latents` makes some.
            labels: whole numbers from 0 to num_labels - 1, shape (N,); default: all in turn.
            batch_size: how many images at a time.

        Returns:
            float32 in [-1, 1], shape (N, height, width, channels); points are not bounded.

        Raises:
            UserError: latents or labels of another shape, or labels out of range.
        """
        latents = np.asarray(latents, np.float32)
        if latents.ndim != 2 or latents.shape[1] != self.latent_dim or not len(latents):
            raise UserError(
                f"latents must have shape (count, {self.latent_dim}), not {latents.shape}"
            )
        inputs = [latents]
        if labels is not None and not self.num_labels:
            raise UserError("this generator takes no labels: it is unconditional")
        if self.num_labels:
            inputs.append(self._checked_labels(labels, len(latents)))
        made = []
        for start in range(0, len(latents), batch_size):
            chunk = [array[start : start + batch_size] for array in inputs]
            fed = chunk if self.num_labels else chunk[0]
            made.append(self.sampling_generator(fed, training=False).numpy())
        return np.concatenate(made)

    def _checked_labels(self, labels: np.ndarray | None, count: int) -> np.ndarray:
        labels = np.asarray(self.draw_labels(count) if labels is None else labels)
        if labels.shape != (count,) or labels.dtype.kind not in "iu":
            raise UserError(f"labels must be whole numbers of shape ({count},)")
        if labels.min() < 0 or labels.max() >= self.num_labels:
            raise UserError(f"labels must be from 0 to {self.num_labels - 1}")
        return labels.astype(np.int32)

    def views(self, reals: np.ndarray | None = None) -> dict[str, View]:
        """Further pictures of what the model has learned, by name; the same for the same weights.

        Args:
            reals: real images, float32 in [-1, 1], shape (N, height, width, channels), or None
                where none are at hand.
        """
        return {}

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
        return optimizer

    def scaled(self, loss: tf.Tensor, optimizer: keras.optimizers.Optimizer) -> tf.Tensor:
        """The loss as its gradient must be taken: Keras adds up the gradients of all replicas."""
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        return optimizer.scale_loss(loss / replicas if replicas > 1 else loss)
