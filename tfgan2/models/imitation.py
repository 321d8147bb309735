"""A generator that imitates given images closely, and is to become a small int8 file."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfgan2.hyperparameters import option
from tfgan2.models.base import Objective
from tfgan2.models.game import ContentGAN
from tfgan2.models.regularizers import Samples
from tfgan2.networks.layers import LayerMaker
from tfgan2.networks.random_features import random_features
from tfgan2.nn import losses
from tfgan2.nn.quantization import quantized

FLOAT, INT8 = "float", "int8"


class ImitatingGAN(ContentGAN):
    """A game whose generator also minimizes errors of features, perhaps with int8's rounding.

    With quantize=int8 the last steps train the generator as its int8 file computes, with rounded
    weights and activations (Jacob et al. 2018, arXiv:1712.05877).
    """

    class Config(ContentGAN.Config):
        feature_weight: float = option(
            0.0, "weight of the mean absolute error of the features of random convolutions"
        )
        quantize: str = option(
            "none",
            "int8: the last steps round as an int8 file does; for network=mobile",
            choices=("none", INT8),
        )
        float_steps: int | None = option(
            None, "steps before those of quantize=int8; none: four fifths of all"
        )

    def add_imitation(self) -> None:
        """Adds what the options need to networks that are built."""
        config = self.config
        features = rounded = None
        if config.feature_weight:
            make = LayerMaker(self.network_count * config.seed + 1)
            features = random_features(self.image_shape, make)
        if config.quantize == INT8:
            rounded = quantized(self.generator, lambda: self.phase != FLOAT)
        # In functions: Keras would count the weights as this model's, and save them.
        self._features = lambda: features
        self._rounded = lambda: rounded

    def frozen_networks(self) -> list[keras.Model]:
        features = self._features()
        return [] if features is None else [features]

    def trained_generator(self) -> keras.Model:
        """The generator as the present phase trains it."""
        return self._rounded() or self.generator

    def feature_objective(self, fake: Samples, real: Samples) -> Objective:
        """The error of the features, with its weight."""
        if (network := self._features()) is None:
            return tf.constant(0.0), {}
        of_both = (tf.nest.flatten(network(each.images)) for each in (real, fake))
        each = [losses.absolute_error(*pair) for pair in zip(*of_both, strict=True)]
        error = tf.add_n(each) / len(each)
        return self.config.feature_weight * error, {"feature_loss": error}

    # --- phases ----------------------------------------------------------------------------------

    @property
    def has_phases(self) -> bool:
        return self.config.quantize == INT8

    def _float_steps(self) -> int:
        steps = self.config.float_steps
        return self.planned_steps * 4 // 5 if steps is None else steps

    def plan(self, steps: int) -> None:
        super().plan(steps)
        if self.has_phases:
            self.config.float_steps = self._float_steps()

    def phase_at(self, step: int) -> str:
        if not self.has_phases:
            return super().phase_at(step)
        return FLOAT if step < self._float_steps() else INT8
