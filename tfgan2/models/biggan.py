"""BigGAN: large scale GAN training for high fidelity natural image synthesis."""

from __future__ import annotations

from typing import Any

import keras

from tfgan2.distributed import microbatches
from tfgan2.hyperparameters import option, preset
from tfgan2.inputs.truncation import LATENTS
from tfgan2.models.base import Metrics, Objective
from tfgan2.models.latent_gan import ConditionalGAN
from tfgan2.models.options import Attention
from tfgan2.models.regularizers import Samples
from tfgan2.networks.sizes import attention_edges, residual_blocks
from tfgan2.nn import losses
from tfgan2.nn.orthogonal import orthogonal_penalty
from tfgan2.nn.statistics import batch_norms

PART = 20
"""Latents of each part."""
PAPER_EDGE = 64
"""Edge of the features that the paper adds attention to, of 128x128 and 256x256 pixels."""
STANDING = 16
"""Batches that the statistics of truncated latents are computed from."""


class BigGAN(ConditionalGAN):
    """Wide residual networks with attention for classes, Brock et al. 2019 (arXiv:1809.11096).

    Each residual block of the generator has a part of the latents of its own. Joined with one
    embedding of the class, which all blocks share, it scales and shifts the block's batch norms.
    The discriminator projects the class (Miyato and Koyama 2018). Both have spectral norm and
    self-attention. The discriminator minimizes the hinge loss,
    mean max(0, 1 - D(x)) + mean max(0, 1 + D(G(z))), the generator -mean D(G(z)) plus `orthogonal`
    times the sum over its kernels W of |W^T W * (1 - I)|^2.

    The averaged generator has batch statistics of its own passes. Truncation draws latents from a
    normal distribution that ends at a threshold, and computes the statistics for these.

    The defaults are those of Kang et al. 2023 (arXiv:2206.09479) for CIFAR-10.
    """

    class Config(Attention, ConditionalGAN.Config):
        network: str = option("biggan", choices=("biggan", "resnet", "pyramid", "mlp"))
        latent_dim: int = option(None, f"number of latents; none: {PART} for each part")
        attention: int = option(
            help="edge of the features with self-attention; 0: none; none: 64 for images of 128 or "
            "256 pixels, else half of the images', at most about 32"
        )
        class_embedding: int = option(
            128, "size of the embedding of a class in G, not of network=mlp", at_least=1
        )
        orthogonal: float = option(1e-4, "weight of the orthogonal regularization of G")
        d_steps: int = 5
        ema_decay: float = 0.9999

        few = preset(lecam=0.3)
        cpu = preset(
            network="pyramid",
            base_channels=16,
            d_steps=1,
            discriminator_learning_rate=4e-4,
            ema_decay=0.999,
            batch_size=32,
            steps=8_000,
        )
        paper = preset(
            generator_learning_rate=5e-5,
            beta_1=0.0,
            d_steps=2,
            batch_size=2048,
            steps=500_000,
        )

        def resolve(self) -> None:
            given = self.attention
            super().resolve()
            if given is None and self.attention and PAPER_EDGE in attention_edges(self.image_shape):
                self.attention = PAPER_EDGE
            self.default("latent_dim", PART * (residual_blocks(self.image_shape) + 1))

    gan_loss = losses.HINGE
    truncation_of = LATENTS

    def __init__(self, *args: Any, **hyperparameters: Any) -> None:
        super().__init__(*args, **hyperparameters)
        if self.ema_generator is not None:
            for layer in batch_norms(self.ema_generator):
                layer.trainable = True  # else Keras does not change its statistics

    def generator_settings(self) -> dict[str, Any]:
        embedding = self.config.class_embedding
        return {"spectral": True, "conditioning": "hierarchy", "embedding": embedding}

    def discriminator_settings(self) -> dict[str, Any]:
        return {"norm": "none", "spectral": True, "num_labels": self.num_labels, "projected": True}

    def content_objective(self, fake: Samples, real: Samples) -> Objective:
        if not self.config.orthogonal:
            return super().content_objective(fake, real)
        weights = self.generator.trainable_variables
        penalty = orthogonal_penalty([w.value for w in weights if w.name == "kernel"])
        return self.config.orthogonal * penalty, {"orthogonal_penalty": penalty}

    def averaged(self) -> list[tuple[keras.Variable, keras.Variable]]:
        return [(average, value) for average, value in super().averaged() if value.trainable]

    def last_update(self, real: Samples) -> Metrics:
        metrics, average = super().last_update(real), self.ema_generator
        if average is None:
            return metrics

        def compute() -> tuple[Any, Any]:
            latents = self.random_latents(real.size, "statistics")
            average([latents, real.labels], training=True)
            return (), None

        # An exchange, or the statistics would be those of the first micro-batch alone.
        microbatches.exchange(compute, lambda mean, _: mean, updates=True)
        return metrics

    def sampler(self, truncation: float | None = None, standing_statistics: int = 0) -> keras.Model:
        """The sampling generator; with truncation, its statistics are those of such latents."""
        if truncation is not None and batch_norms(self.sampling_generator):
            standing_statistics = standing_statistics or STANDING
        return super().sampler(truncation, standing_statistics)
