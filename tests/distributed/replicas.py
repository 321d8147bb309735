"""What tests of several replicas run in processes of their own: a failed one poisons its process.

python replicas.py TASK ARGUMENTS…, with two logical CPUs; prints JSON at the end.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import tensorflow as tf


def two_cpus() -> None:
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


@functools.cache
def place_of(name: str) -> Any:
    """Once in a process: a second strategy would use the keys of the first one's collectives."""
    from tfgan2.distributed.strategies import Worker, make_strategy

    return Worker.of(make_strategy(name))


def fit(*words: str) -> dict[str, Any]:
    """A command, with two CPUs."""
    from tfgan2 import cli

    return {"code": cli.run(list(words))}


def flavours(*names: str) -> dict[str, Any]:
    """Two steps of each flavour; whether losses are finite and both replicas have equal weights."""
    from helpers import batch_for, make_small, phases

    place = place_of("mirrored")
    found = {}
    for name in names:
        with place.strategy.scope():
            model = make_small(name)
            model.compile()
        model.plan(4)
        parts = batch_for(model, 8)
        given = parts if model.data_kind != "images" or model.label_names(["a"]) else parts[:1]

        def batches(part: Any, given: Any = given) -> tf.data.Dataset:
            # The same samples for both, so that only noise can tell them apart.
            half = [np.concatenate([array[: len(array) // 2]] * 2) for array in given]
            whole = tf.data.Dataset.from_tensors(tuple(half) if len(half) > 1 else half[0])
            return whole.repeat()

        before = [np.asarray(variable) for variable in model.state().values()]
        iterator = iter(place.distributed(batches))
        metrics: dict[str, Any] = {}
        for phase in phases(model):
            model.phase = phase

            @tf.function(autograph=False)
            def step(batch: Any, model: Any = model) -> Any:
                return place.strategy.run(model.train_step, args=(batch,))

            for _ in range(2):
                made = step(next(iterator))
            metrics |= {
                key: [float(item) for item in place.strategy.experimental_local_results(value)]
                for key, value in made.items()
            }
        unequal = [
            key
            for key, variable in model.state().items()
            if len({item.numpy().tobytes() for item in _replicas(place, variable)}) > 1
        ]
        after = [np.asarray(variable) for variable in model.state().values()]
        moved = sum(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))
        found[name] = {
            "finite": bool(all(np.isfinite(value).all() for value in metrics.values())),
            # Two replicas that did the same had the same noise.
            "differ": any(len(set(values)) > 1 for values in metrics.values()),
            "unequal": unequal,
            "moved": moved,
        }
    return found


def _replicas(place: Any, variable: Any) -> Any:
    return place.strategy.experimental_local_results(variable.value)


def _update(model: Any, place: Any, parts: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    """What one step of gradient descent changes."""

    def batches(part: Any) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensors(parts if len(parts) > 1 else parts[0]).repeat()

    variables = model.trainable_variables
    before = [np.asarray(variable) for variable in variables]

    @tf.function(autograph=False)
    def step(batch: Any) -> Any:
        return place.strategy.run(model.train_step, args=(batch,))

    step(next(iter(place.distributed(batches))))
    return [np.asarray(new) - old for new, old in zip(variables, before, strict=True)]


def _same_latents(model: Any, whole: int) -> None:
    """Each replica takes its share of the latents that one alone would draw."""
    drawn = tf.random.stateless_normal((whole, model.latent_dim), (1, 2))

    def random_latents(count: Any, stream: str) -> tf.Tensor:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return drawn[replica * count : (replica + 1) * count]

    model.random_latents = random_latents


def _plain() -> list[Any]:
    return [tf.keras.optimizers.SGD(0.1) for _ in range(2)]


def _largest_difference(
    make: Any, prepare: Any = lambda model: None, optimizers: Any = _plain
) -> float:
    """Of what a step changes, between one replica and two, as a share of the largest change."""
    from helpers import batch_for

    changes = []
    for name in ("none", "mirrored"):
        place = place_of(name)
        with place.strategy.scope():
            model = make()
            prepare(model)
            own = model.data_kind == "captions"  # has five optimizers, and makes them
            model.compile(*([] if own else optimizers()))
        if hasattr(model, "random_latents"):
            _same_latents(model, 8)
        parts = batch_for(model, 8)
        given = parts if model.data_kind != "images" else parts[:1]
        changes.append(_update(model, place, given))
    largest = max(np.abs(change).max() for change in changes[0])
    return float(max(np.abs(one - two).max() for one, two in zip(*changes, strict=True)) / largest)


def _together(model: Any) -> None:
    from tfgan2.training.building import synchronize_batch_norm

    for network in model.networks().values():
        synchronize_batch_norm(network)


def _inpainting() -> Any:
    from helpers import make_small

    model = make_small("inpainting", mask="box")
    masks = model.draw_masks

    def draw_masks(count: Any, stream: str) -> tf.Tensor:
        """Each replica's share of those that one alone would draw; no two hide as much."""
        seed, model.noise_seed = model.noise_seed, lambda stream: (1, 2)
        whole = masks(8, stream)
        model.noise_seed = seed
        return replicas.own_share(whole)

    from tfgan2.distributed import replicas

    model.draw_masks = draw_masks
    return model


def _stackgan(phase: str) -> Any:
    from helpers import make_small

    rates = {"learning_rate": 0.1, "text_learning_rate": 0.1}
    model = make_small("stackgan", optimizer="sgd", **rates)
    model.phase = phase
    model._condition = lambda stage, text: (model.conditions[stage](text, training=True)[0], 0.0)
    return model


def gradients(*names: str) -> dict[str, float]:
    """Flavours that draw nothing but latents; batch norm, where there is any, sees the whole."""
    from helpers import make_small

    from tfgan2.models import stackgan

    makes = {
        "lsgan": lambda: make_small("lsgan", network="mlp"),
        "sngan": lambda: make_small("sngan"),
        "wgan": lambda: make_small("wgan", network="mlp", d_steps=1),
        "pix2pix": lambda: make_small("pix2pix", jitter=False, mirror=False, dropout=0.0),
        "dcgan": lambda: make_small("dcgan"),
        # What a caption is told from, and is shown in place of, are those of the whole batch.
        "inpainting": lambda: _inpainting(),
        "cyclegan": lambda: make_small("cyclegan", jitter=False, mirror=False),
        "stackgan text": lambda: _stackgan(stackgan.TEXT),
        "stackgan one": lambda: _stackgan(stackgan.STAGE_ONE),
        "stackgan two": lambda: _stackgan(stackgan.STAGE_TWO),
    }
    found = {name: _largest_difference(makes[name], _together) for name in names}
    # To be seen not to hold where it cannot: else the test could not fail.
    return {**found, "apart": _largest_difference(makes["dcgan"])}


def clipping() -> dict[str, float]:
    """Gradients are clipped, and found finite, when they are those of the whole batch."""
    from helpers import make_small

    def clipped() -> Any:
        return make_small("lsgan", network="mlp")

    def optimizers() -> list[Any]:
        return [tf.keras.optimizers.SGD(0.1, clipvalue=1e-4) for _ in range(2)]

    return {"lsgan": _largest_difference(clipped, _together, optimizers)}


def overflow() -> dict[str, Any]:
    """Loss scale and weights after a step in which only the second replica overflows, twice."""
    from helpers import make_small

    place = place_of("mirrored")
    with place.strategy.scope():
        model = make_small("lsgan", network="mlp")
        kernel = model.generator.trainable_variables[0]
        plain = tf.keras.optimizers.SGD(0.1)
        optimizer = model.prepared(tf.keras.optimizers.LossScaleOptimizer(plain), [kernel])
    before = np.asarray(kernel)

    @tf.function(autograph=False)
    def step(bad: tf.Tensor) -> Any:
        def one(bad: tf.Tensor) -> None:
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            wrong = bad & (tf.convert_to_tensor(replica) == 1)
            value = tf.where(wrong, np.float32(np.inf), optimizer.scale_loss(tf.constant(1.0)))
            optimizer.apply([tf.fill(kernel.shape, value)], [kernel])

        place.strategy.run(one, args=(bad,))

    found = {}
    for name, bad in (("bad", True), ("good", False)):
        step(tf.constant(bad))
        moved = [item.numpy() - before for item in _replicas(place, kernel)]
        found[name] = [float(optimizer.dynamic_scale.numpy()), *(float(m.mean()) for m in moved)]
    return found


def dropped() -> list[list[float]]:
    """What each replica keeps of ones, twice."""
    from tfgan2.nn.layers import Dropout

    place = place_of("mirrored")
    with place.strategy.scope():
        layer = Dropout(0.5, seed=1)
        layer.build((1, 32))

    @tf.function(autograph=False)
    def both() -> Any:
        return place.strategy.run(lambda: layer(tf.ones((1, 32)), training=True))

    return [
        np.ravel(item).tolist()
        for _ in range(2)
        for item in place.strategy.experimental_local_results(both())
    ]


def small() -> dict[str, Any]:
    """Several that take no time of their own, in one process."""
    return {"overflow": overflow(), "dropped": dropped(), "shares": shares()}


def shares() -> dict[str, list[list[float]]]:
    """What each of two replicas makes of its share of 0, 1, … 7."""
    from tfgan2.distributed import replicas

    place = place_of("mirrored")
    whole = np.arange(8, dtype=np.float32)
    values = iter(place.distributed(lambda part: tf.data.Dataset.from_tensors(whole)))

    @tf.function(autograph=False)
    def both(share: Any) -> Any:
        def one(share: tf.Tensor) -> dict[str, tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch(share)
                gathered = replicas.gathered(share)
                loss = tf.reduce_sum(gathered**3) / 2  # of the same loss, on each of two
            return {
                "mean": replicas.mean(share),
                "std": replicas.std(share),
                "gathered": gathered,
                "own": replicas.own_share(gathered),
                "gradient": tape.gradient(loss, share),
            }

        return place.strategy.run(one, args=(share,))

    return {
        name: [np.ravel(item).tolist() for item in place.strategy.experimental_local_results(value)]
        for name, value in both(next(values)).items()
    }


if __name__ == "__main__":
    two_cpus()
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
