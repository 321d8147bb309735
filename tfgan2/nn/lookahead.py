"""Lookahead: k steps forward, one step back (Zhang et al. 2019, arXiv:1907.08610).

Around both players of a game at once it damps the rotation that simultaneous gradient steps turn
into a spiral outwards (Lookahead-Minmax, Chavdarova et al. 2021, arXiv:2006.14567).
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from tfgan2.errors import UserError


class Lookahead(keras.layers.Layer):
    """Slow copies of variables, to which these go back part of the way every `period` steps.

    The layer's variables are the slow weights alone, float32 and not trainable, so that whoever
    saves a model that holds it saves them. The copies are taken when it is made: make it when the
    variables have their initial values.

    Attributes:
        period: steps between two synchronisations.
        ratio: how far the slow weights go towards the fast ones; 1 changes nothing.
    """

    def __init__(
        self, variables: Sequence[keras.Variable], period: int, ratio: float = 0.5
    ) -> None:
        """Copies the variables.

        Args:
            variables: the fast weights, of all players.
            period: steps between two synchronisations, at least 1.
            ratio: above 0 and at most 1.

        Raises:
            UserError: a period or a ratio that is not possible.
        """
        if period < 1:
            raise UserError(f"the lookahead period must be at least 1, not {period}")
        if not 0 < ratio <= 1:
            raise UserError(f"the lookahead ratio must be above 0 and at most 1, not {ratio:g}")
        super().__init__(dtype="float32")
        self.period = int(period)
        self.ratio = float(ratio)
        fast = tuple(variables)
        self._fast = lambda: fast  # in an attribute of their own they would count as the layer's
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

    def update(self, steps: tf.Tensor) -> None:
        """To be called after every step; synchronises where the steps done are full periods.

        There slow += ratio * (fast - slow), then fast = slow. Without a branch in the graph, since
        replicas cannot assign inside of one.

        Args:
            steps: int64 scalar, how many updates were done, this one included.
        """
        due = tf.equal(tf.cast(steps, tf.int64) % self.period, 0)
        for fast, slow in zip(self._fast(), self._slow, strict=True):
            moved = slow + self.ratio * (tf.cast(fast.value, tf.float32) - slow)
            slow.assign(tf.where(due, moved, slow.value))
            fast.assign(tf.where(due, tf.cast(moved, fast.dtype), fast.value))
