"""CycleGAN: unpaired image-to-image translation."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfgan2.errors import UserError
from tfgan2.export.spec import ExportSpec
from tfgan2.hyperparameters import option, preset
from tfgan2.images import side_by_side
from tfgan2.models.base import Batch, Examples, Metrics, Objective, View
from tfgan2.models.game import DISCRIMINATOR, GENERATOR
from tfgan2.models.options import Adam, Decay, ImageInput, LearningRate
from tfgan2.models.translation import TranslationModel, with_weights
from tfgan2.networks import cyclegan as networks
from tfgan2.networks import patch
from tfgan2.nn import losses, pool

A_TO_B, B_TO_A = "a_to_b", "b_to_a"


class CycleGAN(TranslationModel):
    """Two kinds of images become each other without pairs, Zhu et al. 2017 (arXiv:1703.10593).

    G makes B from A and F makes A from B. Each discriminator scores patches by least squares,
    ((D(b) - 1)^2 + D(G(a))^2) / 2, where fakes come from a pool of earlier ones. The generators
    minimize (D(G(a)) - 1)^2 and its mirror, cycle_weight * (|F(G(a)) - a| + |G(F(b)) - b|), and
    identity_weight * cycle_weight * (|G(b) - b| + |F(a) - a|).

    The learning rate is constant for the first half of the steps and falls to zero in the second.
    """

    class Config(ImageInput, LearningRate, Decay, Adam):
        cycle_weight: float = option(10.0, "weight of the cycle loss")
        identity_weight: float = option(
            0.5, "identity loss's weight over cycle_weight; 0 if channels differ"
        )
        pool_size: int = option(50, "earlier fakes that the discriminators see; 0: none")
        blocks: int = option(0, "residual blocks; 0: 9 from 256 pixels on, else 6")
        decay: float = 0.5

        cpu = preset(base_channels=24, blocks=3, steps=14_000)
        paper = preset()

        def resolve(self) -> None:
            super().resolve()
            self.check_edges(4, least=16)
            self.blocks = self.blocks or networks.default_blocks(self.image_shape[0])
            if self.input_channels != self.image_shape[-1]:
                self.identity_weight = 0.0

    data_kind = "unpaired"
    batch_size = 1
    network_count = 4
    size_multiple = 2**networks.HALVINGS
    least_size = networks.LEAST_SIZE

    def build_networks(self) -> None:
        height, width, _ = self.image_shape
        shapes = {"a": (height, width, self.config.input_channels), "b": self.image_shape}
        makers = (self.layer_maker(index, norm=self.config.norm) for index in (2, 3))
        self.generator = self._build_generator(A_TO_B, height, width)
        self.back_generator = self._build_generator(B_TO_A, height, width)
        self.discriminator_a, self.discriminator_b = (
            patch.discriminator(shape, self.config.patch, make, name=f"discriminator_{side}")
            for make, (side, shape) in zip(makers, shapes.items(), strict=True)
        )
        self.pools = [
            self.add_weight(
                name=f"pool_{side}",
                shape=(self.config.pool_size, *shape),
                initializer="zeros",
                dtype="float32",
                trainable=False,
                aggregation="only_first_replica",  # all have the same
            )
            for side, shape in shapes.items()
            if self.config.pool_size
        ]

    def _build_generator(self, name: str, height: int | None, width: int | None) -> keras.Model:
        channels = [self.config.input_channels, self.image_shape[-1]]
        inputs, outputs = channels if name == A_TO_B else channels[::-1]
        make = self.layer_maker(int(name == B_TO_A), norm=self.config.norm)
        shape = (height, width, inputs)
        return networks.generator(shape, outputs, self.config.blocks, make, name)

    def exports(self) -> dict[str, ExportSpec]:
        def spec(network: keras.Model, side: int) -> ExportSpec:
            def resized(height: int | None, width: int | None) -> keras.Model:
                return with_weights(self._build_generator(network.name, height, width), network)

            inputs = lambda examples: {"input": examples[side]}  # noqa: E731
            return ExportSpec(network, resized, self.export_facts(), inputs)

        return {A_TO_B: spec(self.generator, 0), B_TO_A: spec(self.back_generator, 1)}

    # --- optimizers ------------------------------------------------------------------------------

    def trained_by(self) -> dict[str, list[keras.Model]]:
        return {
            GENERATOR: [self.generator, self.back_generator],
            DISCRIMINATOR: [self.discriminator_a, self.discriminator_b],
        }

    # --- the game --------------------------------------------------------------------------------

    def train_step(self, batch: Batch) -> Metrics:
        """An update of both generators, then one of both discriminators.

        Args:
            batch: images of A and of B, float32 in [-1, 1], shape (B, height, width, channels).

        Returns:
            Float32 scalars: the losses of generators and discriminators, and the generators' terms.
        """
        config = self.config
        a, b = (self.jittered(x, f"jitter {side}") for x, side in zip(batch[:2], "ab", strict=True))

        def generator_objective(tape: tf.GradientTape) -> Objective:
            fake_b = self.generator(a, training=True)
            fake_a = self.back_generator(b, training=True)
            cycle_a = losses.absolute_error(self.back_generator(fake_b, training=True), a)
            cycle_b = losses.absolute_error(self.generator(fake_a, training=True), b)
            fools_b = losses.LEAST_SQUARES.generator(self.discriminator_b(fake_b, training=True))
            fools_a = losses.LEAST_SQUARES.generator(self.discriminator_a(fake_a, training=True))
            # Twice: the paper's term is the whole square.
            terms = {
                "adversarial_loss": 2.0 * fools_b + 2.0 * fools_a,
                "cycle_loss": cycle_a + cycle_b,
            }
            loss = terms["adversarial_loss"] + config.cycle_weight * terms["cycle_loss"]
            if config.identity_weight:
                same_b = losses.absolute_error(self.generator(b, training=True), b)
                same_a = losses.absolute_error(self.back_generator(a, training=True), a)
                terms["identity_loss"] = same_b + same_a
                loss += config.cycle_weight * config.identity_weight * terms["identity_loss"]
            return loss, {**terms, "fake_a": fake_a, "fake_b": fake_b}

        loss, terms = self.minimize(GENERATOR, generator_objective)
        fakes = [tf.stop_gradient(terms.pop(name)) for name in ("fake_a", "fake_b")]
        shown = [self.pooled(side, fake) for side, fake in enumerate(fakes)]

        def discriminator_objective(tape: tf.GradientTape) -> Objective:
            loss = losses.LEAST_SQUARES.discriminator
            network_a, network_b = self.discriminator_a, self.discriminator_b
            on_a = loss(network_a(a, training=True), network_a(shown[0], training=True))
            on_b = loss(network_b(b, training=True), network_b(shown[1], training=True))
            return on_a + on_b, {}

        discriminator, _ = self.minimize(DISCRIMINATOR, discriminator_objective)
        self.step.assign_add(1)
        return {"generator_loss": loss, "discriminator_loss": discriminator, **terms}

    def pooled(self, side: int, fakes: tf.Tensor) -> tf.Tensor:
        """Fakes, half of them swapped with earlier ones."""
        if not self.config.pool_size:
            return fakes
        if fakes.shape[0] is None:
            raise UserError(
                "the pool of cyclegan needs batches of a known size: give drop_remainder=True to "
                "`batch`, or pool_size=0"
            )
        seed = self.noise_seed(f"pool {side}", shared=True)
        return pool.swap(self.pools[side], fakes, seed)

    def previews(self, examples: Examples, *, about: int = 64, seed: int = 0) -> dict[str, View]:
        """Real images, their translations, and those translated back, in both directions."""
        views = {}
        pairs = ((self.generator, self.back_generator), (self.back_generator, self.generator))
        for name, real, (there, back) in zip(("", B_TO_A), examples, pairs, strict=False):
            translated = self.run_generator(there, {"input": real}, batch_size=8)
            again = self.run_generator(back, {"input": translated}, batch_size=8)
            views[name] = View(side_by_side(real, translated, again), columns=2)
        return views
