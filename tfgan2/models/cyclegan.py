"""CycleGAN: unpaired image-to-image translation."""

from __future__ import annotations

from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from tfgan2.distributed import replicas
from tfgan2.errors import UserError
from tfgan2.export.spec import ExportSpec
from tfgan2.images import side_by_side
from tfgan2.models.adversarial import Metrics
from tfgan2.models.base import (
    Batch,
    View,
    check_choice,
    check_range,
    make_optimizer,
)
from tfgan2.models.players import TwoPlayerModel
from tfgan2.models.translation import SHOWN, TranslationModel, with_weights
from tfgan2.networks import patch as patch_gan
from tfgan2.networks import translator
from tfgan2.networks.parts import NORMS
from tfgan2.nn import losses


class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Constant for the first half of the planned steps, then linearly to zero."""

    def __init__(self, initial: float, model: CycleGAN) -> None:
        """
        Args:
            initial: the learning rate of the first half.
            model: knows how many steps are planned.
        """
        self.initial = initial
        self.model = model

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        planned = float(max(2, self.model.planned_steps))
        left = (planned - tf.cast(step, tf.float32)) / (planned / 2)
        return self.initial * tf.clip_by_value(left, 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        return {"initial": self.initial}


class CycleGAN(TwoPlayerModel, TranslationModel):
    """Two kinds of images become each other without pairs, Zhu et al. 2017 (arXiv:1703.10593).

    G makes B from A and F makes A from B. Each discriminator judges patches by least squares,
    ((D(b) - 1)^2 + D(G(a))^2) / 2, shown fakes from a pool of earlier ones. The generators minimise
    (D(G(a)) - 1)^2 and its mirror, cycle_weight * (|F(G(a)) - a| + |G(F(b)) - b|), and
    identity_weight * cycle_weight * (|G(b) - b| + |F(a) - a|).

    The learning rate is constant for the first half of the steps and falls to zero in the second.
    """

    data_kind = "unpaired"
    batch_size = 1
    size_multiple = 2**translator.HALVINGS

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        input_channels: int | None = None,
        cycle_weight: float = 10.0,
        identity_weight: float = 0.5,
        pool_size: int = 50,
        blocks: int = 0,
        patch: int = 0,
        width: int = 64,
        norm: Literal["none", "batch", "layer", "instance"] = "instance",
        jitter: bool = True,
        mirror: bool = True,
        learning_rate: float = 2e-4,
        beta_1: float = 0.5,
        decay: bool = True,
        seed: int = 0,
    ) -> None:
        """Builds the networks.

        Args:
            image_shape: (height, width, channels) of B, edges multiples of 4.
            input_channels: of A, whose size is the same; default: those of B.
            cycle_weight: of the difference after there and back.
            identity_weight: of the difference that a generator makes to what is of its kind
                already, as a share of cycle_weight; 0 where channels differ.
            pool_size: earlier fakes that the discriminators are shown; 0: none.
            blocks: residual blocks of the generators; 0: 9 from 256 pixels on, else 6.
            patch: edge of the patches that are judged, 16, 34 or 70; 0: 70, for images smaller than
                128 pixels 34.
            width: channels of the first layer of all networks.
            norm: of all networks: none, batch, layer or instance.
            jitter: enlarge images by 30/256 and cut a random part of the size wanted.
            mirror: mirror half of the images.
            learning_rate: of both optimizers, Adam.
            beta_1: decay of their first moment.
            decay: let the learning rate fall in the second half.
            seed: of the initial weights and of all noise.

        Raises:
            UserError: a value that is not possible.
        """
        super().__init__(image_shape, seed=seed)
        height, breadth, channels = self.image_shape
        input_channels = input_channels or channels
        if height % 4 or breadth % 4 or min(height, breadth) < 16:
            raise UserError(
                f"cyclegan needs images whose edges are multiples of 4, 16 or more, not "
                f"{height}x{breadth}: give --image-size"
            )
        patch = patch_gan.choose(patch, height)
        check_range("cycle_weight", cycle_weight, 0.0)
        check_range("identity_weight", identity_weight, 0.0)
        check_range("pool_size", pool_size, 0)
        check_range("blocks", blocks, 0)
        check_range("width", width, 1)
        check_choice("norm", norm, NORMS)
        self.input_channels = input_channels
        self.cycle_weight = cycle_weight
        self.identity_weight = identity_weight if input_channels == channels else 0.0
        self.pool_size = pool_size
        self.blocks = blocks or translator.default_blocks(height)
        self.patch = patch
        self.width = width
        self.norm = norm
        self.jitter = jitter
        self.mirror = mirror
        self.learning_rate = learning_rate
        self.beta_1 = beta_1
        self.decay = decay
        self.check_optimizers()
        self.generator = self._build("a_to_b", height, breadth)
        self.back_generator = self._build("b_to_a", height, breadth)
        shapes = ((height, breadth, input_channels), self.image_shape)
        self.judge_a, self.judge_b = (
            patch_gan.discriminator(
                shape,
                patch=patch,
                width=width,
                norm=norm,
                seed=4 * self.seed + 2 + number,
                name=f"discriminator_{side}",
            )
            for number, (shape, side) in enumerate(zip(shapes, "ab", strict=True))
        )
        self.pools = [
            self.add_weight(
                name=f"pool_{side}",
                shape=(pool_size, *shape),
                initializer="zeros",
                dtype="float32",
                trainable=False,
                aggregation="only_first_replica",  # all have the same
            )
            for shape, side in zip(shapes, "ab", strict=True)
            if pool_size
        ]

    def _build(self, name: str, height: int | None, width: int | None) -> keras.Model:
        channels = [self.input_channels, self.image_shape[-1]]
        taken, made = channels if name == "a_to_b" else channels[::-1]
        return translator.generator(
            (height, width, taken),
            made,
            blocks=self.blocks,
            width=self.width,
            norm=self.norm,
            seed=4 * self.seed + (name == "b_to_a"),
            name=name,
        )

    def networks(self) -> dict[str, keras.Model]:
        return {
            "a_to_b": self.generator,
            "b_to_a": self.back_generator,
            "discriminator_a": self.judge_a,
            "discriminator_b": self.judge_b,
        }

    def exports(self) -> dict[str, ExportSpec]:
        def exportable(name: str, network: keras.Model, side: int) -> ExportSpec:
            return ExportSpec(
                network,
                lambda height, width: with_weights(self._build(name, height, width), network),
                self.facts(),
                lambda examples: {"input": examples[side]},
            )

        both = {"a_to_b": self.generator, "b_to_a": self.back_generator}
        return {
            name: exportable(name, network, side)
            for side, (name, network) in enumerate(both.items())
        }

    # --- optimizers ------------------------------------------------------------------------------

    def plan(self, steps: int) -> None:
        super().plan(steps)
        if self.decay:
            self.train_function = None  # what Keras compiled has the old number in it

    def player_variables(self, player: str) -> list[keras.Variable]:
        """Of both generators, or of both discriminators."""
        pair = (self.generator, self.back_generator)
        if player == "discriminator":
            pair = (self.judge_a, self.judge_b)
        return [variable for network in pair for variable in network.trainable_variables]

    def default_optimizer(self, player: str) -> keras.optimizers.Optimizer:
        optimizer = make_optimizer("adam", self.learning_rate, beta_1=self.beta_1)
        if self.decay:
            optimizer.learning_rate = LinearDecay(self.learning_rate, self)
        return optimizer

    # --- the game --------------------------------------------------------------------------------

    def train_step(self, batch: Batch) -> Metrics:
        """An update of both generators, then one of both discriminators.

        Args:
            batch: images of A and of B, float32 in [-1, 1], shape (B, height, width, channels).

        Returns:
            Float32 scalars: both players' losses and the generators' terms.
        """
        a, b = (
            self.varied(x, f"jitter {side}", jitter=self.jitter, mirror=self.mirror)
            for x, side in zip(batch[:2], "ab", strict=True)
        )
        with tf.GradientTape() as tape:
            fake_b = self.generator(a, training=True)
            fake_a = self.back_generator(b, training=True)
            terms = {
                "adversarial_loss": self._fooled(self.judge_b, fake_b)
                + self._fooled(self.judge_a, fake_a),
                "cycle_loss": losses.absolute_error(self.back_generator(fake_b, training=True), a)
                + losses.absolute_error(self.generator(fake_a, training=True), b),
            }
            loss = terms["adversarial_loss"] + self.cycle_weight * terms["cycle_loss"]
            if self.identity_weight:
                terms["identity_loss"] = losses.absolute_error(
                    self.generator(b, training=True), b
                ) + losses.absolute_error(self.back_generator(a, training=True), a)
                loss += self.cycle_weight * self.identity_weight * terms["identity_loss"]
            scaled = self.scaled(loss, self.generator_optimizer)
        makers = self.player_variables("generator")
        self.generator_optimizer.apply(tape.gradient(scaled, makers), makers)
        shown = [
            self._pooled(0, tf.stop_gradient(fake_a)),
            self._pooled(1, tf.stop_gradient(fake_b)),
        ]
        with tf.GradientTape() as tape:
            judged = self._judged(self.judge_a, a, shown[0]) + self._judged(
                self.judge_b, b, shown[1]
            )
            scaled = self.scaled(judged, self.discriminator_optimizer)
        judges = self.player_variables("discriminator")
        self.discriminator_optimizer.apply(tape.gradient(scaled, judges), judges)
        self.step.assign_add(1)
        return {"generator_loss": loss, "discriminator_loss": judged, **terms}

    @staticmethod
    def _fooled(judge: keras.Model, fake: tf.Tensor) -> tf.Tensor:
        # Twice: the paper's term is the whole square.
        return 2.0 * losses.least_squares_generator_loss(judge(fake, training=True))

    @staticmethod
    def _judged(judge: keras.Model, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return losses.least_squares_discriminator_loss(
            judge(real, training=True), judge(fake, training=True)
        )

    def _pooled(self, side: int, fakes: tf.Tensor) -> tf.Tensor:
        """Fakes, or for half of them an earlier one, whose place in the pool they take.

        All replicas keep the fakes of all: their pools stay the same.
        """
        if not self.pool_size:
            return fakes
        pool = self.pools[side]
        kept, shown = tf.convert_to_tensor(pool.value), []
        count = fakes.shape[0]
        if count is None:
            raise UserError(
                "cyclegan needs batches of one size, or no pool: give drop_remainder=True to "
                "`batch`, or pool_size=0"
            )
        fakes = replicas.gathered(fakes)
        count *= replicas.count()
        seen = tf.cast(self.step.value, tf.int32) * count
        seed = self.noise_seed(f"pool {side}", shared=True)
        draws = tf.random.stateless_uniform((2, count), seed)
        for index in range(count):
            filled = tf.minimum(seen + index, self.pool_size)
            full = filled == self.pool_size
            old = tf.minimum(
                tf.cast(draws[0, index] * self.pool_size, tf.int32), self.pool_size - 1
            )
            swap = full & (draws[1, index] < 0.5)
            place = tf.where(full, old, filled)
            fake = fakes[index]
            earlier = tf.gather(kept, place)
            shown.append(tf.where(swap, earlier, fake))
            kept_there = tf.where(swap | ~full, fake, earlier)
            kept = tf.tensor_scatter_nd_update(kept, [[place]], kept_there[None])
        pool.assign(kept)
        return replicas.own_share(tf.stack(shown))

    # --- pictures --------------------------------------------------------------------------------

    def previews(
        self, examples: tuple[np.ndarray, ...], *, about: int = SHOWN, seed: int = 0
    ) -> dict[str, View]:
        """What becomes of A and of B, each with what it becomes when turned back."""
        shown = {}
        pairs = ((self.generator, self.back_generator), (self.back_generator, self.generator))
        for name, real, (there, back) in zip(("", "b_to_a"), examples, pairs, strict=False):
            made = self.run_generator(there, {"input": real}, batch_size=8)
            again = self.run_generator(back, {"input": made}, batch_size=8)
            shown[name] = View(side_by_side(real, made, again), columns=2)
        return shown
