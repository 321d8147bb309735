"""A pool of earlier generated images (Shrivastava et al. 2016, arXiv:1612.07828)."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfgan2.distributed import replicas


def swap(pool: keras.Variable, fakes: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Replaces half of the images by earlier ones, once the pool is full.

    Every replica stores the images of all replicas, so the pools stay equal.

    Args:
        pool: float32, shape (size, height, width, C), the same on all replicas; zeros where no
            image is yet.
        fakes: generated images, shape (B, height, width, C), B static.
        seed: int32, shape (2,), the same on all replicas.
    """
    size = pool.shape[0]
    count = fakes.shape[0] * replicas.shares()
    fakes = replicas.gathered(fakes)
    kept, swapped = tf.convert_to_tensor(pool.value), []
    # Counted, not step * count: earlier batches may have had another size.
    stored = tf.math.count_nonzero(tf.reduce_any(kept != 0.0, axis=(1, 2, 3)), dtype=tf.int32)
    draws = tf.random.stateless_uniform((2, count), seed)
    for index in range(count):
        filled = tf.minimum(stored + index, size)
        full = filled == size
        random_slot = tf.minimum(tf.cast(draws[0, index] * size, tf.int32), size - 1)
        swaps = full & (draws[1, index] < 0.5)
        slot = tf.where(full, random_slot, filled)
        fake, earlier = fakes[index], tf.gather(kept, slot)
        swapped.append(tf.where(swaps, earlier, fake))
        entry = tf.where(swaps | ~full, fake, earlier)
        kept = tf.tensor_scatter_nd_update(kept, [[slot]], entry[None])
    pool.assign(kept)
    return replicas.own_share(tf.stack(swapped))
