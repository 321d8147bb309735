"""R3GAN: a modern baseline GAN with a regularized relativistic loss."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfgan2.errors import UserError
from tfgan2.hyperparameters import option, preset
from tfgan2.images import is_points
from tfgan2.models.base import Objective
from tfgan2.models.latent_gan import LatentGAN
from tfgan2.models.options import OptionalClasses
from tfgan2.models.regularizers import Samples
from tfgan2.nn import losses, penalties, schedules
from tfgan2.nn.ada import adaptive_augment


class R3GAN(LatentGAN):
    """Relativistic pairs, R1 and R2, modern ResNets, Huang et al. 2024 (arXiv:2501.05441).

    Each real sample is paired with a generated one. The discriminator minimizes
    mean softplus(-(D(x) - D(G(z)))) + gamma / 2 (R1 + R2), the generator
    mean softplus(-(D(G(z)) - D(x))) on further real samples. R1 and R2 are the mean |grad D|^2 at
    real and at generated images, before any augmentation.

    Over the planned steps gamma and the learning rates fall, and beta_2, the half-life of the
    averaged weights and the probability of augmentation rise, along half a cosine. `network=r3gan`
    has no normalization and no tanh: images are clipped, which the paper does not do. With
    `conditional=true` the generator gets the class, and the discriminator projects it (Miyato and
    Koyama 2018); pairs are of one class. A step takes d_steps + 1 batches: the generator's real
    samples are its own.
    """

    class Config(OptionalClasses, LatentGAN.Config):
        gamma: float | None = option(
            None,
            "weight of half of R1 and R2 at first; none or auto: 0.15 at 32x32 pixels, 1.4 at "
            "64x64, 120 at 256x256",
        )
        final_gamma: float = option(0.1, "gamma at the end, as a fraction of gamma")
        final_learning_rate: float = option(
            0.25, "learning rates at the end, as a fraction of those at first"
        )
        final_beta_2: float = option(0.99, "beta_2 at the end", at_most=0.999999)
        final_ada_p: float = option(
            0.0,
            "probability of ADA's transformations at the end, from 0 at first; 0: none",
            at_most=1,
        )
        schedule_steps: int = option(
            0, "steps until all that is scheduled is at its end; 0: all planned steps"
        )
        blocks: int = option(1, "residual blocks at each size, of network=r3gan", at_least=1)
        group_size: int = option(
            16, "channels of a group of the 3x3 convolutions, of network=r3gan", at_least=1
        )
        network: str = "r3gan"
        latent_dim: int = 64
        max_channels: int = 256
        beta_1: float = 0.0
        beta_2: float = 0.9
        ema_decay: float = option(
            help="decay of the averaged generator's weights at the end; 0: no average"
        )

        cpu = preset(
            base_channels=16,
            gamma=1.0,
            generator_learning_rate=1e-3,
            discriminator_learning_rate=1e-3,
            ema_decay=0.995,
            batch_size=16,
            steps=16_000,
        )
        few = preset(**cpu | {"steps": 5_000})
        paper = preset(
            up_to=32,
            base_channels=768,
            max_channels=768,
            blocks=2,
            gamma=0.05,
            ema_decay=0.99993,
            final_ada_p=0.55,
            flip=True,
            schedule_steps=39_062,
            batch_size=512,
            steps=200_000,
        )

        def resolve(self) -> None:
            super().resolve()
            self.default("gamma", automatic_gamma(self.image_shape))
            if self.final_ada_p and (self.ada or is_points(self.image_shape)):
                raise UserError(
                    "final_ada_p sets how often images are augmented, so neither ada nor points go "
                    "with it: leave it out"
                )

    gan_loss = losses.RELATIVISTIC_PAIRING
    adam_epsilon = 1e-8

    def __init__(self, *args: Any, **hyperparameters: Any) -> None:
        super().__init__(*args, **hyperparameters)
        self.batches_per_step = self.config.d_steps + 1

    # --- discriminator ---------------------------------------------------------------------

    def discriminator_settings(self) -> dict[str, Any]:
        # Each penalty is on a sample's own gradient, so no norm may mix samples.
        return {"norm": "none", "num_labels": self.num_labels, "projected": True}

    # --- schedules -------------------------------------------------------------------------------

    @property
    def follows_plan(self) -> bool:
        return not self.config.schedule_steps

    @property
    def scheduled_steps(self) -> int:
        """Steps over which `scheduled` goes from its start to its end."""
        return self.config.schedule_steps or self.planned_steps

    def scheduled(self, start: float, end: float) -> tf.Tensor:
        """A value that goes from `start` to `end` along half a cosine: that of this step."""
        progress = tf.cast(self.step.value, tf.float32) / float(max(1, self.scheduled_steps))
        return schedules.cosine(start, end, progress)

    def _optimizer_schedule(self, name: str, start: float, end: float) -> schedules.Cosine:
        updates = self.updates_per_step(name)
        return schedules.Cosine(start, end, lambda: updates * self.scheduled_steps)

    def learning_rate(self, name: str) -> schedules.Cosine:
        rate = super().learning_rate(name)
        return self._optimizer_schedule(name, rate, self.config.final_learning_rate * rate)

    def beta_2_schedule(self, name: str) -> schedules.Cosine:
        return self._optimizer_schedule(name, self.config.beta_2, self.config.final_beta_2)

    def average_decay(self) -> tf.Tensor:
        return schedules.decay_of(
            self.scheduled(0.0, schedules.half_life_of(self.config.ema_decay))
        )

    # --- the game --------------------------------------------------------------------------------

    def discriminator_inputs(self, samples: Samples, stream: str) -> Samples:
        if self.config.final_ada_p:
            p, seed = self.scheduled(0.0, self.config.final_ada_p), self.noise_seed(f"{stream}: p")
            samples = samples._replace(images=adaptive_augment(samples.images, p, seed))
        return super().discriminator_inputs(samples, stream)

    def reals_of_both(self, real: Samples) -> tuple[Samples, Samples]:
        count = real.size // 2
        return real.rows(slice(0, count)), real.rows(slice(count, None))

    def fake_of_generator(self, fake: Samples, opponents: Samples) -> Samples:
        """The samples of D's update; with classes, others with the classes of `opponents`."""
        if not self.num_labels:
            return fake
        return self.fake_samples(opponents, "latents of G")

    def objective_of_samples(self, real: Samples, fake: Samples, stream: str) -> Objective:
        """The loss and both penalties; the gradients pass through the augmentation."""

        def penalized(samples: Samples, kind: str) -> tuple[tf.Tensor, tf.Tensor]:
            def critic(images: tf.Tensor) -> tf.Tensor:
                inputs = samples._replace(images=images)
                return self.logits(self.discriminator_inputs(inputs, f"{stream}: {kind}"))

            logits, penalty = penalties.logits_and_penalty(critic, samples.images)
            # The mean over the inputs of D, each of which is a pack.
            return logits, self.packing.count * penalty

        real_logits, r1 = penalized(real, "real")
        fake_logits, r2 = penalized(fake, "fake")
        gamma = self.scheduled(self.config.gamma, self.config.final_gamma * self.config.gamma)
        loss = self.discriminator_loss(real_logits, fake_logits, stream)
        metrics = {"r1_penalty": r1, "r2_penalty": r2, "gamma": gamma}
        return loss + 0.5 * gamma * (r1 + r2), {**self.scores(real_logits, fake_logits), **metrics}


def automatic_gamma(image_shape: tuple[int, int, int]) -> float:
    """The weight of the penalties for images of a size.

    The paper has 0.05 and 0.5 for 32x32 pixels (CIFAR-10, ImageNet), 2 and 1 for 64x64 (FFHQ,
    ImageNet) and 150 for 256x256 (FFHQ). 1.4 (pixels / 64²)^1.6 is within a factor of 3.3 of each.
    Points get 0.1.
    """
    if is_points(image_shape):
        return 0.1
    return 1.4 * (image_shape[0] * image_shape[1] / 64**2) ** 1.6
