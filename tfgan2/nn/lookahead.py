"""Lookahead: k steps forward, one step back (Zhang et al. 2019, arXiv:1907.08610).

Applied to generator and discriminator together, it damps the rotation of a game, in which
simultaneous gradient steps spiral outwards (Lookahead-Minmax, Chavdarova et al. 2021,
arXiv:2006.14567).
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from tfgan2.errors import UserError


class Lookahead(keras.layers.Layer):
    """Slow copies of variables; every `period` steps the variables return part of the way to them.

    The layer's own variables are the slow weights, float32 and not trainable, so a model that holds
    the layer saves them. The constructor copies the variables, which must have their initial
    values.

    Attributes:
        period: steps between two synchronizations.
        ratio: fraction of the way that slow weights move towards fast ones; 1 has no effect.
    """

    def __init__(
        self, variables: Sequence[keras.Variable], period: int, ratio: float = 0.5
    ) -> None:
        """Copies the variables, the fast weights of all networks.

        Raises:
            UserError: the period is not at least 1, or the ratio not above 0 and at most 1.
        """
        if period < 1:
            raise UserError(f"the lookahead period must be at least 1, not {period}")
        if not 0 < ratio <= 1:
            raise UserError(f"the lookahead ratio must be above 0 and at most 1, not {ratio:g}")
        super().__init__(dtype="float32")
        self.period = int(period)
        self.ratio = float(ratio)
        fast = tuple(variables)
        self._fast = lambda: fast  # as an attribute, Keras would count them as its own
        self._slow = [
            self.add_weight(
                name=f"slow_{index:03d}_{variable.name}",
                shape=variable.shape,
                initializer=lambda shape, dtype, source=variable: tf.cast(source.value, dtype),
                trainable=False,
            )
            for index, variable in enumerate(fast)
        ]
        self.built = True

    def restart(self) -> None:
        """Copies the variables again, for example after they were loaded."""
        for fast, slow in zip(self._fast(), self._slow, strict=True):
            slow.assign(fast.value)

    def update(self, steps: tf.Tensor) -> None:
        """Synchronizes at the end of each period; call it after every step.

        Computes slow += ratio * (fast - slow), then fast = slow. There is no branch in the graph,
        because replicas cannot assign inside of one. `steps`, an int64 scalar, counts this step.
        """
        due = tf.equal(tf.cast(steps, tf.int64) % self.period, 0)
        for fast, slow in zip(self._fast(), self._slow, strict=True):
            moved = slow + self.ratio * (tf.cast(fast.value, tf.float32) - slow)
            slow.assign(tf.where(due, moved, slow.value))
            fast.assign(tf.where(due, tf.cast(moved, fast.dtype), fast.value))
