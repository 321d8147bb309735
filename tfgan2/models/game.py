"""The game: a generator against a discriminator. One training step, from top to bottom.

1. `d_steps` updates of the discriminator, each on fresh real and generated samples.
2. One update of the generator, on the very samples that the last of them saw: a forward pass saved.
3. Lookahead, then the moving average of the generator.

A flavour sets `gan_loss` and its networks, and overrides what its paper changes: an objective, the
samples, or the logits. In all methods, `real` and `fake` are real and generated samples, and
`stream` names a random draw, for `noise_seed`. An `Objective` is a float32 scalar to minimize, and
float32 scalars to report.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tfgan2.distributed.accumulation import accumulated
from tfgan2.hyperparameters import option
from tfgan2.models.base import Batch, GenerativeModel, Metrics, Objective, images_of
from tfgan2.models.options import OPTIMIZERS, Adam, ModelConfig
from tfgan2.models.regularizers import (
    Augmentation,
    FlippedLabels,
    InstanceNoise,
    LabelSmoothing,
    Samples,
)
from tfgan2.nn.lookahead import Lookahead
from tfgan2.nn.losses import GANLoss

GENERATOR, DISCRIMINATOR = "generator_optimizer", "discriminator_optimizer"


class AdversarialModel(GenerativeModel):
    """A generator against a discriminator, each with an optimizer of its own.

    Attributes:
        gan_loss: the losses of both, of the discriminator's logits.
        discriminator: a functional Keras model.
    """

    class Config(
        Adam, FlippedLabels.Config, InstanceNoise.Config, Augmentation.Config, ModelConfig
    ):
        generator_optimizer: str = option("adam", "the generator's optimizer", choices=OPTIMIZERS)
        discriminator_optimizer: str = option(
            "adam", "the discriminator's optimizer", choices=OPTIMIZERS
        )
        generator_learning_rate: float = option(2e-4, "the generator's learning rate")
        discriminator_learning_rate: float = option(2e-4, "the discriminator's learning rate")
        beta_2: float = option(0.999, "decay of Adam's second moment", at_most=0.999999)
        clipvalue: float = option(0.0, "clip gradients to [-clipvalue, clipvalue]; 0: never")
        lookahead: int = option(0, "lookahead period in steps; 0: none (Chavdarova 2021)")
        d_steps: int = option(
            1, "discriminator updates per step, each on fresh samples", at_least=1
        )
        ema_decay: float = option(
            0.999,
            "decay of the averaged generator's weights, for samples and exports; 0: no average",
            at_most=1,
        )

    gan_loss: GANLoss
    discriminator: keras.Model

    def __init__(self, *args: Any, **hyperparameters: Any) -> None:
        super().__init__(*args, **hyperparameters)
        config = self.config
        self.batches_per_step = config.d_steps
        self.augmentation = Augmentation(config)
        self.instance_noise = InstanceNoise(config)
        self.flipped_labels = FlippedLabels(config)
        if isinstance(config, LabelSmoothing.Config) and config.label_smoothing:
            self.gan_loss = self.gan_loss.smoothed(config.label_smoothing)
        if config.ema_decay:
            self.ema_generator = keras.models.clone_model(self.generator)
            self.ema_generator.set_weights(self.generator.get_weights())
            self.ema_generator.trainable = False
        if config.lookahead:
            networks = [network for group in self.trained_by().values() for network in group]
            variables = [v for network in networks for v in network.trainable_variables]
            self.lookahead = Lookahead(variables, config.lookahead)

    def trained_by(self) -> dict[str, list[keras.Model]]:
        return {GENERATOR: [self.generator], DISCRIMINATOR: [self.discriminator]}

    def updates_per_step(self, optimizer: str) -> int:
        return int(self.config.d_steps) if optimizer == DISCRIMINATOR else 1

    # --- the step --------------------------------------------------------------------------------

    def train_step(self, batch: Batch) -> Metrics:
        """One step of the game.

        Args:
            batch: d_steps * B samples: images, float32 in [-1, 1], shape (d_steps * B, height,
                width, channels), or a tuple of them and what else the flavour needs.

        Returns:
            Float32 scalars: the losses of the last updates, and further metrics of the flavour.

        Raises:
            UserError: the batch lacks something, or is too small.
        """
        *first, last = self.divided(batch)
        for index, real in enumerate(first):
            self.first_update(real, tf.constant(index))
        return self.last_update(last)

    @property
    def is_divided(self) -> bool:
        """True if the step is several equal updates and a last one, which are compiled apart."""
        repeats = type(self).train_step is AdversarialModel.train_step and self.config.d_steps > 1
        return repeats and not self.has_phases  # each of which is compiled by itself

    def compiled_step(self, compiled: Any = None) -> Callable[[Batch], Metrics]:
        if not self.is_divided:
            return super().compiled_step(compiled)
        # The repeated updates share one compiled function.
        first_update = accumulated(self.first_update, self.accumulate, compiled)
        batches = self.batches_per_step - self.config.d_steps + 1
        last_update = accumulated(self.last_update, self.accumulate, compiled, batches)

        def step(batch: Batch) -> Metrics:
            *first, last = self.divided(batch)
            for index, real in enumerate(first):
                first_update(real, tf.constant(index))
            return last_update(last)

        return step

    def divided(self, batch: Batch) -> list[Samples]:
        """The real samples of each `first_update`, and of `last_update`."""
        samples = self.real_samples(batch)
        total = samples.size
        count = total // self.batches_per_step
        starts = [i * count for i in range(self.config.d_steps)]
        ends = [*starts[1:], total]
        return [samples.rows(slice(*each)) for each in zip(starts, ends, strict=True)]

    def first_update(self, real: Samples, index: tf.Tensor) -> Metrics:
        """An update of the discriminator that no update of the generator follows.

        All its randomness depends on `index`, its index within the step.
        """
        self.update_index = index
        try:
            fake = self.fake_samples(real, "latents")
            return self.update_discriminator(real, fake)
        finally:
            self.update_index = None

    def last_update(self, real: Samples) -> Metrics:
        """The last update of the discriminator and the one of the generator, like `train_step`."""

        real, opponents = self.reals_of_both(real)

        def loss(tape: tf.GradientTape) -> Objective:
            fake = self.fake_samples(real, "latents")
            with tape.stop_recording():
                metrics = self.update_discriminator(real, fake)
            fake = self.fake_of_generator(fake, opponents)
            game, game_metrics = self.generator_objective(
                self.discriminator_inputs(fake, "fake for G"),
                self.discriminator_inputs(opponents, "real for G"),
            )
            content, content_metrics = self.content_objective(fake, real)
            return game + content, {**metrics, **game_metrics, **content_metrics}

        generator_loss, metrics = self.minimize(GENERATOR, loss)
        self.end_step()
        return {"generator_loss": generator_loss, **metrics}

    def reals_of_both(self, real: Samples) -> tuple[Samples, Samples]:
        """The real samples of the last update of the discriminator, and of that of the generator.

        They are the same, unless a flavour takes more batches per step.
        """
        return real, real

    def fake_of_generator(self, fake: Samples, opponents: Samples) -> Samples:
        """The generated samples of the update of the generator: those of the discriminator's."""
        return fake

    def update_discriminator(self, real: Samples, fake: Samples) -> Metrics:
        """One update of the discriminator: "discriminator_loss" and the flavour's metrics."""
        fake = fake._replace(images=tf.stop_gradient(fake.images))
        loss, metrics = self.minimize(
            DISCRIMINATOR, lambda tape: self.objective_of_samples(real, fake, "step")
        )
        self.after_discriminator_update()
        return {"discriminator_loss": loss, **metrics}

    def end_step(self) -> None:
        """Ends the step: lookahead, the averaged weights, the counter of steps."""
        if self.config.lookahead:
            self.lookahead.update(tf.cast(self.step.value, tf.int64) + 1)
        if self.ema_generator is not None:
            decay = self.average_decay()
            for average, value in self.averaged():
                average.assign(average + (1.0 - decay) * (value - average))
        self.step.assign_add(1)

    def averaged(self) -> list[tuple[keras.Variable, keras.Variable]]:
        """The moving averages, and the variables that they follow."""
        assert self.ema_generator is not None
        return list(zip(self.ema_generator.weights, self.generator.weights, strict=True))

    def average_decay(self) -> tf.Tensor:
        """The decay of the averaged generator's weights in this step, a float32 scalar."""
        step = tf.cast(self.step.value, tf.float32)
        # Low at first, or the initial weights would weigh for long.
        return tf.minimum(self.config.ema_decay, (1.0 + step) / (10.0 + step))

    # --- what a flavour overrides ----------------------------------------------------------------

    def real_samples(self, batch: Batch) -> Samples:
        """The real samples of a batch of the dataset."""
        return Samples(images_of(batch))

    def fake_samples(self, real: Samples, stream: str) -> Samples:
        """As many generated samples as real ones, with gradients to the generator.

        Their labels or inputs are those of the real samples.
        """
        raise NotImplementedError

    def discriminator_inputs(self, samples: Samples, stream: str) -> Samples:
        """Samples as the discriminator sees them: augmented, with instance noise."""
        images = self.augmentation(samples.images, stream, self.noise_seed)
        images = self.instance_noise(images, stream, self.noise_seed, self.step.value)
        return samples._replace(images=images)

    def logits(self, samples: Samples) -> tf.Tensor:
        """The discriminator's logits for its inputs."""
        return self.discriminator(samples.images, training=True)

    def objective_of_samples(self, real: Samples, fake: Samples, stream: str) -> Objective:
        """The discriminator's objective from samples before D's augmentation."""
        real = self.discriminator_inputs(real, f"{stream}: real")
        fake = self.discriminator_inputs(fake, f"{stream}: fake")
        return self.discriminator_objective(real, fake, stream)

    def discriminator_objective(self, real: Samples, fake: Samples, stream: str) -> Objective:
        """The discriminator's objective from its inputs."""
        # Two passes, not one over both: batch norm must not mix real and generated samples.
        real_logits, fake_logits = self.logits(real), self.logits(fake)
        loss = self.discriminator_loss(real_logits, fake_logits, stream)
        metrics = self.scores(real_logits, fake_logits)
        for name, (weight, penalty) in self.discriminator_penalties(real, fake, stream).items():
            loss += weight * penalty
            metrics[name] = penalty
        return loss, metrics

    def discriminator_penalties(
        self, real: Samples, fake: Samples, stream: str
    ) -> dict[str, tuple[float, tf.Tensor]]:
        """Penalties on the discriminator, each a weight and a float32 scalar, by name."""
        return {}

    def discriminator_loss(
        self, real_logits: tf.Tensor, fake_logits: tf.Tensor, stream: str
    ) -> tf.Tensor:
        """The discriminator's loss, some labels flipped. A float32 scalar."""
        flipped = self.flipped_labels(real_logits, fake_logits, stream, self.noise_seed)
        return self.gan_loss.discriminator(*flipped)

    def generator_objective(self, fake: Samples, real: Samples) -> Objective:
        """The generator's objective from the discriminator's inputs."""
        reals = (self.logits(real),) if self.gan_loss.relativistic else ()
        return self.gan_loss.generator(*reals, self.logits(fake)), {}

    def content_objective(self, fake: Samples, real: Samples) -> Objective:
        """The generator's objective besides the game, from samples before D's augmentation."""
        return tf.constant(0.0), {}

    def after_discriminator_update(self) -> None:
        """Called after each update of the discriminator."""

    def scores(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> Metrics:
        """The mean probability "real" of both kinds; the mean logit if logits are no log-odds."""

        def mean(logits: tf.Tensor) -> tf.Tensor:
            logits = tf.cast(logits, tf.float32)
            return tf.reduce_mean(tf.sigmoid(logits) if self.gan_loss.log_odds else logits)

        return {"real_score": mean(real_logits), "fake_score": mean(fake_logits)}


class ContentGAN(AdversarialModel):
    """A game whose generator also has a content loss: the game has a weight, which may be 0.

    The generator minimizes adversarial_weight times its loss of the game, and its content. Without
    a weight only the generator is trained, and no game computed.
    """

    class Config(AdversarialModel.Config):
        adversarial_weight: float = option(
            1.0, "weight of G's adversarial loss; 0: content alone, D is not trained"
        )

        def resolve(self) -> None:
            super().resolve()
            if not self.adversarial_weight:
                self.d_steps = 1

    def last_update(self, real: Samples) -> Metrics:
        if not self.config.adversarial_weight:
            return self.content_update(real, self.content_objective)
        return super().last_update(real)

    def content_update(
        self, real: Samples, objective: Callable[[Samples, Samples], Objective]
    ) -> Metrics:
        """An update of the generator for an objective of generated and real samples, then the end.

        It takes the place of both updates of `last_update`.
        """

        def loss(tape: tf.GradientTape) -> Objective:
            return objective(self.fake_samples(real, "latents"), real)

        generator_loss, metrics = self.minimize(GENERATOR, loss)
        self.end_step()
        return {"generator_loss": generator_loss, **metrics}

    def generator_objective(self, fake: Samples, real: Samples) -> Objective:
        adversarial, _ = super().generator_objective(fake, real)
        return self.config.adversarial_weight * adversarial, {"adversarial_loss": adversarial}
