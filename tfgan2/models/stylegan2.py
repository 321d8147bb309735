"""StyleGAN2: analyzing and improving the image quality of StyleGAN."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfgan2.distributed import microbatches, replicas
from tfgan2.errors import UserError
from tfgan2.hyperparameters import option, preset
from tfgan2.inputs.truncation import STYLES
from tfgan2.models.base import Batch, Metrics, Objective
from tfgan2.models.game import DISCRIMINATOR, GENERATOR
from tfgan2.models.latent_gan import LatentGANConfig
from tfgan2.models.lazy import LazyGAN, LazyUpdate
from tfgan2.models.options import MaxChannels, OptionalClasses
from tfgan2.models.regularizers import Samples
from tfgan2.networks import stylegan2 as networks
from tfgan2.nn import losses, penalties
from tfgan2.nn.style import path_lengths

MEAN_DECAY, LENGTH_DECAY = 0.995, 0.99


class StyleGAN2(LazyGAN):
    """A generator whose layers get a learned style each, Karras et al. 2020 (arXiv:1912.04958).

    A mapping network turns z, scaled to length sqrt(latent_dim), into a style w. A learned constant
    becomes the image through convolutions whose kernels w scales (modulation) and which are then
    brought back to length 1 (demodulation), with noise for each pixel, and each size adds to the
    image (skips). The discriminator minimizes -log D(x) - log(1 - D(G(z))), the generator
    -log D(G(z)).

    Two penalties are lazy: every 16 steps D has an update for gamma / 2 mean |grad D(x)|^2 (R1),
    and every 4 steps G one for mean (|J^T y| - a)^2, where J is the derivative of an image with
    respect to its styles, y is a random image, and a is the moving average of the first term (path
    length). Both count as often as if they were part of each step.

    Up to 32x32 pixels the defaults are those for CIFAR-10 of Karras et al. 2020b
    (arXiv:2006.06676): two mapping layers, no residuals in D, no path length, no style mixing.
    """

    class Config(OptionalClasses, MaxChannels, LatentGANConfig):
        gamma: float | None = option(
            None, "weight of half of R1; auto: 0.0002 * pixels / batch size (Karras 2020b)"
        )
        r1_interval: int = option(16, "steps between R1 updates", at_least=1)
        path_length_weight: float = option(
            None, "weight of the path length penalty; none: 2, up to 32x32 pixels 0"
        )
        path_length_interval: int = option(4, "steps between path length updates", at_least=1)
        style_mixing: float = option(
            None, "fraction of samples with two styles; none: 0.9, up to 32x32 pixels 0", at_most=1
        )
        mapping_layers: int = option(
            None, "layers of the mapping network; none: 8, up to 32x32 pixels 2", at_least=1
        )
        mapping_learning_rate: float = option(
            0.01, "mapping network's rate, relative to G's", at_least=1e-9
        )
        noise: str = option(
            "fixed",
            "noise of samples and exports: fixed, the same for all, or mean, which is zero; none: "
            "none in training, either",
            choices=("fixed", "mean", "none"),
        )
        residual: bool = option(None, "residual D; none: true, up to 32x32 pixels false")
        minibatch_group: int = option(
            4, "samples whose deviation D gets as a feature; divides the batch size", at_least=1
        )
        latent_dim: int = 512
        beta_1: float = 0.0
        beta_2: float = 0.99
        generator_learning_rate: float = 2.5e-3
        discriminator_learning_rate: float = 2.5e-3
        ema_decay: float = option(
            None,
            "decay of the averaged generator's weights, for samples and exports; 0: no average; "
            "none: 0.998, up to 32x32 pixels 0.9999",
        )

        cpu = preset(
            base_channels=16,
            max_channels=128,
            latent_dim=128,
            noise="none",
            augment="color,translation",
            ema_decay=0.998,
            batch_size=32,
            steps=4_000,
        )
        few = preset(flip=True, ada=0.6, **cpu | {"augment": "none", "steps": 10_000})
        paper = preset(up_to=32, base_channels=512, gamma=0.01, minibatch_group=32, steps=1_562_500)

        def resolve(self) -> None:
            super().resolve()
            small = max(self.image_shape[:2]) <= 32
            self.default("path_length_weight", 0.0 if small else 2.0)
            self.default("style_mixing", 0.0 if small else 0.9)
            self.default("mapping_layers", 2 if small else 8)
            self.default("residual", not small)
            self.default("ema_decay", 0.9999 if small else 0.998)

    gan_loss = losses.NON_SATURATING
    adam_epsilon = 1e-8
    truncation_of = STYLES

    def build_networks(self) -> None:
        config, shape = self.config, self.image_shape
        make = self.layer_maker(0)
        depth, rate = config.mapping_layers, config.mapping_learning_rate
        mapping = networks.mapping(config.latent_dim, depth, rate, make, self.num_labels)
        self.synthesis = networks.Synthesis(shape, config.noise, make)
        self.generator = networks.generator(mapping, self.synthesis)
        make = self.layer_maker(1)
        self.discriminator = networks.discriminator(
            shape,
            make,
            residual=config.residual,
            group=config.minibatch_group,
            num_labels=self.num_labels,
            packing=config.packing,
        )
        make.freeze(self.discriminator, config.freeze_d)
        self.path_length = self.add_weight(
            name="path_length", initializer="zeros", dtype="float32", trainable=False
        )

    @property
    def batch_multiple(self) -> int:
        return super().batch_multiple * self.config.minibatch_group

    def check_batch_size(self, batch_size: int, replicas: int = 1) -> None:
        super().check_batch_size(batch_size, replicas)
        group = self.config.minibatch_group
        divisor = group * self.packing.count * self.accumulate * replicas
        if batch_size % divisor:
            raise UserError(
                f"a batch of {batch_size} images cannot be divided into groups of {group} for D",
                f": give a --batch-size that is a multiple of {divisor}, or --set "
                "minibatch_group=N",
            )

    # --- the step --------------------------------------------------------------------------------

    def lazy_updates(self) -> dict[str, LazyUpdate]:
        config = self.config
        r1 = LazyUpdate(DISCRIMINATOR, config.r1_interval, self.update_for_r1)
        length = LazyUpdate(GENERATOR, config.path_length_interval, self.update_for_path_length)
        lengths = {"path length": length} if config.path_length_weight else {}
        return ({"R1": r1} if config.gamma != 0 else {}) | lengths

    def play(self, batch: Batch) -> Metrics:
        """A step of the game; then the mean style follows the styles of fresh latents."""
        metrics, real = super().play(batch), self.divided(batch)[-1]
        # Not before: of several micro-batches, what follows the last exchange happens once.
        latents = self.random_latents(real.size, "mean style")
        styles = tf.reduce_mean(self.styles(latents, real.labels), axis=0)
        average(self.generator.get_layer("mean_style").mean, styles, MEAN_DECAY)
        return metrics

    def update_for_r1(self, batch: Batch) -> Metrics:
        """An update of the discriminator for the penalty at real images alone."""
        real, gamma = self.divided(batch)[-1], self.config.gamma
        if gamma is None:
            height, width, _ = self.image_shape
            count = tf.cast(real.size * replicas.shares(), tf.float32)
            gamma = 0.0002 * height * width / count

        def critic(images: tf.Tensor) -> tf.Tensor:
            return self.logits(self.discriminator_inputs(real._replace(images=images), "R1"))

        def objective(tape: tf.GradientTape) -> Objective:
            # The mean over the inputs of D, each of which is a pack.
            penalty = self.packing.count * penalties.r1_penalty(critic, real.images)
            return self.lazy_weight("R1") * gamma / 2.0 * penalty, {"r1_penalty": penalty}

        return self.minimize(DISCRIMINATOR, objective)[1]

    def update_for_path_length(self, batch: Batch) -> Metrics:
        """An update of the generator for the path length alone, on half as many samples."""
        real = self.divided(batch)[-1]
        count, stream = (real.size + 1) // 2, "path length"
        labels = None if real.labels is None else real.labels[::2]
        weight = self.lazy_weight(stream) * self.config.path_length_weight
        before = tf.convert_to_tensor(self.path_length.value)

        def objective(tape: tf.GradientTape) -> Objective:
            styles = self.random_styles(count, labels, stream)
            seed = self.noise_seed(f"{stream}: directions")
            directions = microbatches.normal((count, *self.image_shape), seed)
            lengths = path_lengths(lambda w: self.images(w, stream), styles, directions)
            penalty = tf.reduce_mean(tf.square(lengths - before))
            metrics = {"path_length": tf.reduce_mean(lengths), "path_length_penalty": penalty}
            return weight * penalty, metrics

        metrics = self.minimize(GENERATOR, objective)[1]
        average(self.path_length, metrics["path_length"], LENGTH_DECAY)
        return metrics

    # --- samples ---------------------------------------------------------------------------------

    def fake_samples(self, real: Samples, stream: str) -> Samples:
        styles = self.random_styles(real.size, real.labels, stream)
        return Samples(self.images(styles, stream), real.labels)

    def styles(self, latents: tf.Tensor, labels: tf.Tensor | None) -> tf.Tensor:
        """The styles of latents, float32, shape (B, latent_dim)."""
        inputs = latents if labels is None else [latents, labels]
        return self.generator.get_layer("mapping")(inputs, training=True)

    def random_styles(
        self, count: int | tf.Tensor, labels: tf.Tensor | None, stream: str
    ) -> tf.Tensor:
        """Styles for all layers, (count, layers, latent_dim); some change at a random layer."""
        depth = self.synthesis.num_styles
        first = self.styles(self.random_latents(count, stream), labels)[:, None]
        if not self.config.style_mixing or depth == 1:
            return tf.repeat(first, depth, axis=1)
        second = self.styles(self.random_latents(count, f"{stream}: second"), labels)[:, None]
        chance = microbatches.uniform((count, 1), self.noise_seed(f"{stream}: mixing"))
        seed = self.noise_seed(f"{stream}: first layer of the second")
        start = microbatches.uniform((count, 1), seed, 1, depth, dtype=tf.int32)
        start = tf.where(chance < self.config.style_mixing, start, depth)
        return tf.where((tf.range(depth) < start)[..., None], first, second)

    def images(self, styles: tf.Tensor, stream: str) -> tf.Tensor:
        """Images of styles of all layers, with fresh noise; not clipped."""
        count = styles.shape[0] or tf.shape(styles)[0]
        noises = [
            microbatches.normal((count, *shape), self.noise_seed(f"{stream}: noise {index}"))
            for index, shape in enumerate(self.synthesis.noise_shapes)
        ]
        return self.synthesis(tf.unstack(styles, axis=1), noises)

    def sampler(self, truncation: float | None = None, standing_statistics: int = 0) -> keras.Model:
        """The sampling generator; with truncation, it has one more input, "truncation"."""
        generator = super().sampler(truncation, standing_statistics)
        return generator if truncation is None else networks.with_truncation(generator)


def average(variable: keras.Variable, value: tf.Tensor, decay: float) -> None:
    """Moves a moving average towards the mean of a value over all replicas."""
    change = replicas.mean(tf.stop_gradient(value)) - variable.value
    variable.assign(variable.value + (1.0 - decay) * change)
