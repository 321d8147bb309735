"""What flavours share.

`GenerativeModel` is what the training loop, checkpoints, sampling and export ask of a flavour.
`AdversarialModel` adds the game of two players as most papers play it; a flavour overrides the
networks and losses, or `train_step` where its game differs.
"""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgan2 import losses
from tfgan2.errors import UserError, unknown
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
        generator: a functional Keras model with an input "z", float32, shape (latent_dim,), that
            returns images, float32 in [-1, 1], shape (height, width, channels).
        ema_generator: the same network with averaged weights, or None.
        batches_per_step: how many batches of fresh samples one `train_step` takes, joined along the
            first axis.
        latent_distribution: see `tfgan2.latents`.
    """

    generator: keras.Model
    ema_generator: keras.Model | None = None
    batches_per_step: int = 1
    latent_distribution: str = "normal"
    latent_dim: int

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

    def generate(self, latents: np.ndarray | tf.Tensor, *, batch_size: int = 64) -> np.ndarray:
        """Makes images in inference mode, with the averaged weights where there are any.

        Args:
            latents: shape (N, latent_dim); `draw_latents` makes some.
            batch_size: how many images at a time.

        Returns:
            float32 in [-1, 1], shape (N, height, width, channels).

        Raises:
            UserError: latents of another shape.
        """
        latents = np.asarray(latents, np.float32)
        if latents.ndim != 2 or latents.shape[1] != self.latent_dim or not len(latents):
            raise UserError(
                f"latents must have shape (count, {self.latent_dim}), not {latents.shape}"
            )
        chunks = np.split(latents, range(batch_size, len(latents), batch_size))
        return np.concatenate(
            [self.sampling_generator(chunk, training=False).numpy() for chunk in chunks]
        )

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


class AdversarialModel(GenerativeModel):
    """A generator against a discriminator, each with an optimizer of its own.

    A subclass calls `set_networks` at the end of its constructor, and overrides `generator_loss`
    and `discriminator_loss` where they differ from the non-saturating game.
    """

    discriminator: keras.Model

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        latent_dim: int = 100,
        generator_optimizer: str = "adam",
        discriminator_optimizer: str = "adam",
        generator_learning_rate: float = 2e-4,
        discriminator_learning_rate: float = 2e-4,
        beta_1: float = 0.5,
        beta_2: float = 0.999,
        clipvalue: float = 0.0,
        d_steps: int = 1,
        label_smoothing: float = 0.0,
        label_noise: float = 0.0,
        ema_decay: float = 0.999,
        seed: int = 0,
    ) -> None:
        """Keeps what all adversarial flavours have in common.

        Args:
            image_shape: (height, width, channels).
            latent_dim: length of the latents.
            generator_optimizer: adam, adamw, rmsprop or sgd.
            discriminator_optimizer: adam, adamw, rmsprop or sgd.
            generator_learning_rate: of the generator's optimizer.
            discriminator_learning_rate: of the discriminator's optimizer.
            beta_1: decay of Adam's first moment, both players.
            beta_2: decay of Adam's second moment, both players.
            clipvalue: clip gradients to [-clipvalue, clipvalue], both players; 0 clips nothing.
            d_steps: discriminator updates per generator update, each on fresh real samples.
            label_smoothing: the discriminator's target for real samples is 1 - label_smoothing.
            label_noise: targets are moved towards each other by U(0, label_noise), per sample.
            ema_decay: of the moving average of the generator's weights that samples and exports
                come from; it starts lower, (1 + step) / (10 + step); 0 keeps no average.
            seed: of the initial weights and of all noise.
        """
        super().__init__(image_shape, seed=seed)
        check_range("latent_dim", latent_dim, 1)
        check_range("d_steps", d_steps, 1)
        check_range("label_smoothing", label_smoothing, 0.0, 1.0)
        check_range("label_noise", label_noise, 0.0, 1.0)
        check_range("ema_decay", ema_decay, 0.0, 1.0)
        self.latent_dim = latent_dim
        self.generator_optimizer_name = generator_optimizer
        self.discriminator_optimizer_name = discriminator_optimizer
        self.generator_learning_rate = generator_learning_rate
        self.discriminator_learning_rate = discriminator_learning_rate
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.clipvalue = clipvalue
        self.d_steps = d_steps
        self.label_smoothing = label_smoothing
        self.label_noise = label_noise
        self.ema_decay = ema_decay
        self.batches_per_step = d_steps
        for player in ("generator", "discriminator"):
            self._default_optimizer(player)  # so that a wrong value is told before training

    def hyperparameter(self, name: str) -> Any:
        # After `compile` the attribute without "_name" is the optimizer itself.
        return getattr(self, f"{name}_name" if name.endswith("_optimizer") else name)

    def set_networks(self, generator: keras.Model, discriminator: keras.Model) -> None:
        """Takes the two networks, and makes the averaged copy of the generator."""
        self.generator = generator
        self.discriminator = discriminator
        if self.ema_decay:
            self.ema_generator = keras.models.clone_model(generator)
            self.ema_generator.set_weights(generator.get_weights())
            self.ema_generator.trainable = False

    def networks(self) -> dict[str, keras.Model]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    # --- optimizers ------------------------------------------------------------------------------

    def _default_optimizer(self, player: str) -> keras.optimizers.Optimizer:
        return make_optimizer(
            getattr(self, f"{player}_optimizer_name"),
            getattr(self, f"{player}_learning_rate"),
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            clipvalue=self.clipvalue,
        )

    def compile(
        self,
        generator_optimizer: keras.optimizers.Optimizer | str | None = None,
        discriminator_optimizer: keras.optimizers.Optimizer | str | None = None,
        **kwargs: Any,
    ) -> None:
        """Takes the players' optimizers; like `tf.keras.Model.compile` otherwise.

        Args:
            generator_optimizer: an optimizer of Keras or its name; default: what the
                hyperparameters say, which are the paper's.
            discriminator_optimizer: likewise.
            **kwargs: `jit_compile`, `run_eagerly`, `steps_per_execution`.
        """
        super().compile(optimizer=None, **kwargs)
        self.generator_optimizer = self._prepared(
            generator_optimizer or self._default_optimizer("generator"),
            self.generator.trainable_variables,
        )
        self.discriminator_optimizer = self._prepared(
            discriminator_optimizer or self._default_optimizer("discriminator"),
            self.discriminator.trainable_variables,
        )

    def _prepared(
        self, optimizer: keras.optimizers.Optimizer | str, variables: list[keras.Variable]
    ) -> keras.optimizers.Optimizer:
        optimizer = keras.optimizers.get(optimizer)
        half = self.dtype_policy.compute_dtype == "float16"
        if half and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            # Keras would wrap `self.optimizer` alone, which is none of the two.
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(variables)  # before the first trace, or several replicas fail
        return optimizer

    def optimizers_by_name(self) -> dict[str, keras.optimizers.Optimizer]:
        return {
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }

    # --- the game --------------------------------------------------------------------------------

    def generator_loss(self, fake_logits: tf.Tensor) -> tf.Tensor:
        """What the generator minimises: -mean log D(G(z)). A float32 scalar."""
        return losses.non_saturating_generator_loss(fake_logits)

    def discriminator_loss(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        """What the discriminator minimises: cross entropy with smoothed or noisy labels."""
        if not self.label_noise:
            return losses.minimax_discriminator_loss(real_logits, fake_logits, self.label_smoothing)

        def noise(stream: str, logits: tf.Tensor) -> tf.Tensor:
            seed = self.noise_seed(stream)
            return tf.random.stateless_uniform(tf.shape(logits), seed, 0.0, self.label_noise)

        real_targets = 1.0 - self.label_smoothing - noise("real labels", real_logits)
        fake_targets = noise("fake labels", fake_logits)
        return losses.sigmoid_cross_entropy(
            real_logits, real_targets
        ) + losses.sigmoid_cross_entropy(fake_logits, fake_targets)

    def train_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """`d_steps` updates of the discriminator, each on fresh samples, then one of the generator.

        Args:
            batch: images, float32 in [-1, 1], shape (d_steps * B, height, width, channels), or a
                tuple of them and their labels, which this game does not use.

        Returns:
            Float32 scalars: the losses of the last updates, and the mean probability "real" that
            the discriminator gave to real and to generated images.
        """
        images = batch[0] if isinstance(batch, tuple | list) else batch
        count = tf.shape(images)[0] // self.d_steps
        count = count if images.shape[0] is None else images.shape[0] // self.d_steps
        for index in range(self.d_steps - 1):
            real = images[index * count : (index + 1) * count]
            fake = self.generator(self.random_latents(count, f"latents {index}"), training=True)
            self.discriminator_step(real, tf.stop_gradient(fake))
        real = images[(self.d_steps - 1) * count : self.d_steps * count]
        with tf.GradientTape() as tape:
            fake = self.generator(self.random_latents(count, "latents"), training=True)
            with tape.stop_recording():
                # The last update of D sees the very images that G is then judged on: a forward pass
                # of G saved.
                metrics = self.discriminator_step(real, tf.stop_gradient(fake))
            loss = self.generator_loss(self.discriminator(fake, training=True))
            scaled = self.scaled(loss, self.generator_optimizer)
        variables = self.generator.trainable_variables
        self.generator_optimizer.apply(tape.gradient(scaled, variables), variables)
        self.update_ema()
        self.step.assign_add(1)
        return {"generator_loss": loss, **metrics}

    def discriminator_step(self, real: tf.Tensor, fake: tf.Tensor) -> dict[str, tf.Tensor]:
        """One update of the discriminator.

        Args:
            real: images, shape (B, height, width, channels).
            fake: generated ones, the same shape, without a gradient.

        Returns:
            Float32 scalars: "discriminator_loss", "real_score" and "fake_score".
        """
        with tf.GradientTape() as tape:
            # Two passes, not one over both: batch norm must see the two kinds apart.
            real_logits = self.discriminator(real, training=True)
            fake_logits = self.discriminator(fake, training=True)
            loss = self.discriminator_loss(real_logits, fake_logits)
            scaled = self.scaled(loss, self.discriminator_optimizer)
        variables = self.discriminator.trainable_variables
        self.discriminator_optimizer.apply(tape.gradient(scaled, variables), variables)
        return {
            "discriminator_loss": loss,
            "real_score": tf.reduce_mean(tf.sigmoid(real_logits)),
            "fake_score": tf.reduce_mean(tf.sigmoid(fake_logits)),
        }

    def scaled(self, loss: tf.Tensor, optimizer: keras.optimizers.Optimizer) -> tf.Tensor:
        """The loss as its gradient must be taken: Keras adds up the gradients of all replicas."""
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        return optimizer.scale_loss(loss / replicas if replicas > 1 else loss)

    def update_ema(self) -> None:
        """Moves the averaged generator towards the current one, batch statistics included."""
        if self.ema_generator is None:
            return
        step = tf.cast(self.step.value, tf.float32)
        decay = tf.minimum(self.ema_decay, (1.0 + step) / (10.0 + step))
        for average, value in zip(self.ema_generator.weights, self.generator.weights, strict=True):
            average.assign(average + (1.0 - decay) * (value - average))
