"""The game of a generator against a discriminator, as most papers play it.

A flavour sets its networks and overrides its losses, the two objectives where these need more than
logits, or `train_step` where the game itself differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import keras
import tensorflow as tf

from tfgan2.models.base import Batch, check_range, make_optimizer
from tfgan2.models.players import TwoPlayerModel
from tfgan2.nn import augment as policies
from tfgan2.nn.lookahead import Lookahead

Metrics = dict[str, tf.Tensor]


class Samples(NamedTuple):
    """Real or generated samples.

    Attributes:
        images: float32, shape (B, height, width, channels). As the discriminator sees them, when
            they come to an objective: augmented, noisy, packed; then (B / packing, height, width,
            packing * channels).
        labels: int32, shape (B,), or None.
        latents: float32, shape (B, latent_dim); None for real ones.
        inputs: what the images belong to where a generator makes images from images, float32, shape
            (B, height, width, channels), or None.
    """

    images: tf.Tensor
    labels: tf.Tensor | None = None
    latents: Any = None
    inputs: Any = None

    def part(self, of: slice) -> Samples:
        """Some of the samples."""
        return Samples(*(None if field is None else field[of] for field in self))


def _count(samples: Samples) -> int | tf.Tensor:
    return samples.images.shape[0] or tf.shape(samples.images)[0]


class AdversarialModel(TwoPlayerModel):
    """A generator against a discriminator, each with an optimizer of its own.

    A subclass calls `set_networks` at the end of its constructor, and overrides `generator_loss`
    and `discriminator_loss`, or the objectives around them.

    Attributes:
        logits_are_log_odds: whether sigmoid(logits) is a probability "real".
    """

    discriminator: keras.Model
    logits_are_log_odds: bool = True

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        generator_optimizer: Literal["adam", "adamw", "rmsprop", "sgd"] = "adam",
        discriminator_optimizer: Literal["adam", "adamw", "rmsprop", "sgd"] = "adam",
        generator_learning_rate: float = 2e-4,
        discriminator_learning_rate: float = 2e-4,
        beta_1: float = 0.5,
        beta_2: float = 0.999,
        clipvalue: float = 0.0,
        d_steps: int = 1,
        label_noise: float = 0.0,
        instance_noise: float = 0.0,
        instance_noise_steps: int = 0,
        augment: str = "none",
        lookahead: int = 0,
        ema_decay: float = 0.999,
        seed: int = 0,
    ) -> None:
        """Keeps what all adversarial flavours have in common.

        Args:
            image_shape: (height, width, channels).
            generator_optimizer: adam, adamw, rmsprop or sgd.
            discriminator_optimizer: adam, adamw, rmsprop or sgd.
            generator_learning_rate: of the generator's optimizer.
            discriminator_learning_rate: of the discriminator's optimizer.
            beta_1: decay of Adam's first moment, both players.
            beta_2: decay of Adam's second moment, both players.
            clipvalue: clip gradients to [-clipvalue, clipvalue], both players; 0 clips nothing.
            d_steps: discriminator updates per generator update, each on fresh real samples.
            label_noise: share of the samples that the discriminator is told wrong, real for
                generated and the reverse.
            instance_noise: standard deviation of the noise added to all images that the
                discriminator sees (Sønderby 2016).
            instance_noise_steps: over so many steps that noise fades linearly to none; 0: never.
            augment: differentiable augmentation of all images that the discriminator sees (Zhao
                2020), of color, translation and cutout, for example color,translation.
            lookahead: every so many steps both players go half of the way back to where they were
                (Lookahead-Minmax, Chavdarova 2021); 0: never.
            ema_decay: of the moving average of the generator's weights that samples and exports
                come from; it starts lower, (1 + step) / (10 + step); 0 keeps no average.
            seed: of the initial weights and of all noise.

        Raises:
            UserError: a value that is not possible.
        """
        super().__init__(image_shape, seed=seed)
        check_range("d_steps", d_steps, 1)
        check_range("label_noise", label_noise, 0.0, 1.0)
        check_range("instance_noise", instance_noise, 0.0)
        check_range("instance_noise_steps", instance_noise_steps, 0)
        check_range("lookahead", lookahead, 0)
        check_range("ema_decay", ema_decay, 0.0, 1.0)
        self.generator_optimizer_name = generator_optimizer
        self.discriminator_optimizer_name = discriminator_optimizer
        self.generator_learning_rate = generator_learning_rate
        self.discriminator_learning_rate = discriminator_learning_rate
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.clipvalue = clipvalue
        self.d_steps = d_steps
        self.label_noise = label_noise
        self.instance_noise = instance_noise
        self.instance_noise_steps = instance_noise_steps
        self.augment = augment
        self.lookahead = lookahead
        self.ema_decay = ema_decay
        self.batches_per_step = d_steps
        self._policy = policies.parse_policy(augment)
        self.check_optimizers()

    def hyperparameter(self, name: str) -> Any:
        # After `compile` the attribute without "_name" is the optimizer itself.
        return getattr(self, f"{name}_name" if name.endswith("_optimizer") else name)

    # --- networks --------------------------------------------------------------------------------

    def set_networks(self, generator: keras.Model, discriminator: keras.Model) -> None:
        """Takes the two networks, and makes the copies that averages and lookahead need."""
        self.generator = generator
        self.discriminator = discriminator
        if self.ema_decay:
            self.ema_generator = keras.models.clone_model(generator)
            self.ema_generator.set_weights(generator.get_weights())
            self.ema_generator.trainable = False
        if self.lookahead:
            players = [*generator.trainable_variables, *discriminator.trainable_variables]
            self.slow = Lookahead(players, self.lookahead)

    def networks(self) -> dict[str, keras.Model]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    # --- optimizers ------------------------------------------------------------------------------

    def player_variables(self, player: str) -> list[keras.Variable]:
        network = self.generator if player == "generator" else self.discriminator
        return network.trainable_variables

    def default_optimizer(self, player: str) -> keras.optimizers.Optimizer:
        return make_optimizer(
            getattr(self, f"{player}_optimizer_name"),
            getattr(self, f"{player}_learning_rate"),
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            clipvalue=self.clipvalue,
        )

    # --- what a flavour overrides ----------------------------------------------------------------

    def generator_loss(self, fake_logits: tf.Tensor) -> tf.Tensor:
        """What the generator minimises, of the discriminator's logits. A float32 scalar."""
        raise NotImplementedError

    def discriminator_loss(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        """What the discriminator minimises, of its logits. A float32 scalar."""
        raise NotImplementedError

    def judge(self, samples: Samples) -> tf.Tensor:
        """The discriminator's logits of samples as it sees them."""
        return self.discriminator(samples.images, training=True)

    def discriminator_objective(
        self, real: Samples, fake: Samples, stream: str
    ) -> tuple[tf.Tensor, Metrics]:
        """What one update of the discriminator minimises.

        Args:
            real: real samples as the discriminator sees them.
            fake: generated ones, without a gradient to the generator.
            stream: a name for this update, to draw randomness by.

        Returns:
            A float32 scalar, and float32 scalars to be shown.
        """
        # Two passes, not one over both: batch norm must see the two kinds apart.
        real_logits, fake_logits = self.judge(real), self.judge(fake)
        loss = self.discriminator_loss(*self.mixed_up(real_logits, fake_logits, stream))
        return loss, self.scores(real_logits, fake_logits)

    def generator_objective(self, fake: Samples, real: Samples) -> tuple[tf.Tensor, Metrics]:
        """What the update of the generator minimises.

        Args:
            fake: generated samples as the discriminator sees them.
            real: those that its last update saw.

        Returns:
            A float32 scalar, and float32 scalars to be shown.
        """
        return self.generator_loss(self.judge(fake)), {}

    def content_objective(self, fake: Samples, real: Samples) -> tuple[tf.Tensor, Metrics]:
        """What the generator minimises besides the game, of samples as they are.

        Returns:
            A float32 scalar, and float32 scalars to be shown.
        """
        return tf.constant(0.0), {}

    def after_discriminator_step(self) -> None:
        """Called after every update of the discriminator."""
        return

    def real_samples(self, batch: Batch) -> Samples:
        """The real samples of a batch."""
        return Samples(batch[0] if isinstance(batch, tuple | list) else batch)

    def fake_samples(self, real: Samples, count: int | tf.Tensor, stream: str) -> Samples:
        """Generated samples, with a gradient to the generator.

        Args:
            real: real samples, as many.
            count: how many.
            stream: a name for this draw, to draw randomness by.
        """
        raise NotImplementedError

    # --- the game --------------------------------------------------------------------------------

    def train_step(self, batch: Batch) -> Metrics:
        """`d_steps` updates of the discriminator, each on fresh samples, then one of the generator.

        Args:
            batch: d_steps * B samples: images, float32 in [-1, 1], shape (d_steps * B, height,
                width, channels), or a tuple of them and what else the flavour needs.

        Returns:
            Float32 scalars: the losses of the last updates, and what else the flavour shows.

        Raises:
            UserError: the batch lacks something, or its size is not possible.
        """
        *first, last = self.divided(batch)
        for index, real in enumerate(first):
            self.first_update(real, tf.constant(index))
        return self.last_update(last)

    @property
    def is_divided(self) -> bool:
        """Whether `train_step` is several updates, all but the last alike: see `first_update`."""
        return self.d_steps > 1 and type(self).train_step is AdversarialModel.train_step

    def divided(self, batch: Batch) -> list[Samples]:
        """The real samples of each update of the discriminator."""
        samples = self.real_samples(batch)
        static = samples.images.shape[0]
        count = (static or tf.shape(samples.images)[0]) // self.d_steps
        if static:
            self.check_batch_size(count)
        return [samples.part(slice(i * count, (i + 1) * count)) for i in range(self.d_steps)]

    def first_update(self, real: Samples, index: tf.Tensor) -> Metrics:
        """An update of the discriminator that none of the generator follows.

        Args:
            real: real samples.
            index: which of the step's updates it is; all randomness depends on it.

        Returns:
            As `discriminator_step`.
        """
        self.update_index = index
        try:
            fake = self.fake_samples(real, _count(real), "latents")
            fake = fake._replace(images=tf.stop_gradient(fake.images))
            return self.discriminator_step(real, fake, "step")
        finally:
            self.update_index = None

    def last_update(self, real: Samples) -> Metrics:
        """The last update of the discriminator and the one of the generator.

        Args:
            real: real samples.

        Returns:
            As `train_step`.
        """
        with tf.GradientTape() as tape:
            fake = self.fake_samples(real, _count(real), "latents")
            with tape.stop_recording():
                # The last update of D sees the very images that G is then judged on: a forward pass
                # of G saved.
                still = fake._replace(images=tf.stop_gradient(fake.images))
                metrics = self.discriminator_step(real, still, "step")
            loss, more = self.generator_objective(
                self.as_seen(fake, "fake for G"), self.as_seen(real, "real for G")
            )
            content, terms = self.content_objective(fake, real)
            loss += content
            scaled = self.scaled(loss, self.generator_optimizer)
        self.update_generator(tape, scaled)
        return {"generator_loss": loss, **metrics, **more, **terms}

    def update_generator(self, tape: tf.GradientTape, scaled: tf.Tensor) -> None:
        """The update of the generator and what ends a step.

        Args:
            tape: knows how the loss came about.
            scaled: the loss, as `scaled` gives it.
        """
        variables = self.generator.trainable_variables
        self.generator_optimizer.apply(tape.gradient(scaled, variables), variables)
        if self.lookahead:
            self.slow.update(tf.cast(self.step.value, tf.int64) + 1)
        self.update_ema()
        self.step.assign_add(1)

    def discriminator_step(self, real: Samples, fake: Samples, stream: str) -> Metrics:
        """One update of the discriminator.

        Args:
            real: real samples.
            fake: generated ones, without a gradient.
            stream: a name for this update, to draw randomness by.

        Returns:
            Float32 scalars: "discriminator_loss" and what else the flavour shows.
        """
        real = self.as_seen(real, f"{stream}: real")
        fake = self.as_seen(fake, f"{stream}: fake")
        with tf.GradientTape() as tape:
            loss, metrics = self.discriminator_objective(real, fake, stream)
            scaled = self.scaled(loss, self.discriminator_optimizer)
        variables = self.discriminator.trainable_variables
        self.discriminator_optimizer.apply(tape.gradient(scaled, variables), variables)
        self.after_discriminator_step()
        return {"discriminator_loss": loss, **metrics}

    def as_seen(self, samples: Samples, stream: str) -> Samples:
        """Samples as the discriminator sees them: augmented, with instance noise."""
        return samples._replace(images=self.noisy(self.augmented(samples.images, stream), stream))

    def augmented(self, images: tf.Tensor, stream: str, without: Sequence[str] = ()) -> tf.Tensor:
        """Images as `augment` says; what has the same stream is changed alike.

        Args:
            images: in [-1, 1], shape (B, height, width, channels).
            stream: a name for this draw, to draw randomness by.
            without: what is left out of it, of `tfgan2.nn.augment.POLICIES`.
        """
        policy = [name for name in self._policy if name not in without]
        return policies.augment(images, policy, self.noise_seed(f"{stream}: augment"))

    def noisy(self, images: tf.Tensor, stream: str) -> tf.Tensor:
        """Images with instance noise, drawn by the stream's name."""
        if not self.instance_noise:
            return images
        deviation = tf.constant(self.instance_noise, tf.float32)
        if self.instance_noise_steps:
            done = tf.cast(self.step.value, tf.float32) / self.instance_noise_steps
            deviation *= tf.maximum(1.0 - done, 0.0)
        seed = self.noise_seed(f"{stream}: instance noise")
        return images + deviation * tf.random.stateless_normal(tf.shape(images), seed)

    def mixed_up(
        self, real_logits: tf.Tensor, fake_logits: tf.Tensor, stream: str
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The logits with a share of `label_noise` of either kind taken for the other."""
        if not self.label_noise:
            return real_logits, fake_logits

        def wrong(which: str) -> tf.Tensor:
            shape = (tf.shape(real_logits)[0], *[1] * (real_logits.shape.rank - 1))
            seed = self.noise_seed(f"{stream}: {which} label noise")
            return tf.random.stateless_uniform(shape, seed) < self.label_noise

        return (
            tf.where(wrong("real"), fake_logits, real_logits),
            tf.where(wrong("fake"), real_logits, fake_logits),
        )

    def scores(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> Metrics:
        """What the discriminator thinks of either kind.

        Returns:
            "real_score" and "fake_score": the mean probability "real", or where logits are no log
            odds, the mean logit.
        """

        def mean(logits: tf.Tensor) -> tf.Tensor:
            logits = tf.cast(logits, tf.float32)
            return tf.reduce_mean(tf.sigmoid(logits) if self.logits_are_log_odds else logits)

        return {"real_score": mean(real_logits), "fake_score": mean(fake_logits)}

    def update_ema(self) -> None:
        """Moves the averaged generator towards the current one, batch statistics included."""
        if self.ema_generator is None:
            return
        step = tf.cast(self.step.value, tf.float32)
        decay = tf.minimum(self.ema_decay, (1.0 + step) / (10.0 + step))
        for average, value in zip(self.ema_generator.weights, self.generator.weights, strict=True):
            average.assign(average + (1.0 - decay) * (value - average))
