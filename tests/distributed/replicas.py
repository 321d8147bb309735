"""Tasks with several replicas. A failed replica breaks its process, so tests start one for each.

`python replicas.py TASK ARGUMENTS…` runs with two logical CPUs and prints JSON at the end.
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
def worker_for(name: str) -> Any:
    """Returns this process; cached, because a second strategy would reuse keys of the first."""
    from tfgan2.distributed.strategies import Worker

    return Worker.start(name)


def fit(*words: str) -> dict[str, Any]:
    """Runs a command with two CPUs."""
    from tfgan2 import cli

    return {"code": cli.run(list(words))}


def flavours(*names: str) -> dict[str, Any]:
    """Trains each flavour for two steps; checks losses, noise and the weights of both replicas."""
    from helpers import batch_for, make_small, phases

    worker = worker_for("mirrored")
    results = {}
    for name in names:
        with worker.strategy.scope():
            model = make_small(name)
            model.compile()
        model.plan(4)
        parts = batch_for(model, 8)
        arrays = parts if model.data_kind != "images" or model.label_names(["a"]) else parts[:1]

        def batches(part: Any, arrays: Any = arrays) -> tf.data.Dataset:
            # Both replicas get the same samples, so only noise makes them differ.
            half = [np.concatenate([array[: len(array) // 2]] * 2) for array in arrays]
            whole = tf.data.Dataset.from_tensors(tuple(half) if len(half) > 1 else half[0])
            return whole.repeat()

        before = [np.asarray(variable) for variable in model.state().values()]
        iterator = iter(worker.distribute(batches))
        metrics: dict[str, Any] = {}
        for phase in phases(model):
            model.phase = phase

            @tf.function(autograph=False)
            def step(batch: Any, model: Any = model) -> Any:
                return worker.strategy.run(model.train_step, args=(batch,))

            for _ in range(2):
                metrics_of_step = step(next(iterator))
            metrics |= {
                key: [float(item) for item in worker.strategy.experimental_local_results(value)]
                for key, value in metrics_of_step.items()
            }
        unequal = [
            key
            for key, variable in model.state().items()
            if len({item.numpy().tobytes() for item in _replicas(worker, variable)}) > 1
        ]
        after = [np.asarray(variable) for variable in model.state().values()]
        moved = sum(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))
        results[name] = {
            "finite": bool(all(np.isfinite(value).all() for value in metrics.values())),
            # Replicas with equal losses had the same noise.
            "differ": any(len(set(values)) > 1 for values in metrics.values()),
            "unequal": unequal,
            "moved": moved,
        }
    return results


def _replicas(worker: Any, variable: Any) -> Any:
    return worker.strategy.experimental_local_results(variable.value)


def _update(model: Any, worker: Any, parts: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    """Returns the change of the weights in one step of gradient descent."""

    def batches(part: Any) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensors(parts if len(parts) > 1 else parts[0]).repeat()

    variables = model.trainable_variables
    before = [np.asarray(variable) for variable in variables]

    @tf.function(autograph=False)
    def step(batch: Any) -> Any:
        return worker.strategy.run(model.train_step, args=(batch,))

    step(next(iter(worker.distribute(batches))))
    return [np.asarray(new) - old for new, old in zip(variables, before, strict=True)]


def _same_latents(model: Any, whole: int) -> None:
    """Makes each replica take its share of the latents that a single one would draw."""
    drawn = tf.random.stateless_normal((whole, model.latent_dim), (1, 2))

    def random_latents(count: Any, stream: str) -> tf.Tensor:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return drawn[replica * count : (replica + 1) * count]

    model.random_latents = random_latents


def accumulated(*names: str) -> dict[str, tuple[float, float]]:
    """Returns by how much micro-batches change each flavour's state after a step of each phase.

    Beside it the change of the momenta of each optimizer, relative to the largest of them: it shows
    gradients that are too small to change a weight visibly.
    """
    import keras
    from helpers import batch_for, make_small, momenta, phases

    worker, call = worker_for("mirrored"), keras.layers.BatchNormalization.call
    keras.layers.BatchNormalization.call = lambda self, x, training=None: call(self, x, False)
    results = {}
    for name in names:
        states = []
        for count in (1, 2):
            with worker.strategy.scope():
                model = make_small(name, seed=1)
                optimizers = {key: keras.optimizers.SGD(1e-4, 0.5) for key in model.trained_by()}
                model.compile(**optimizers, accumulate=count)
            model.plan(4)
            parts = batch_for(model, 8)
            for phase in phases(model):
                model.phase = phase
                _update(model, worker, parts)
            state = model.state().items()
            states.append({key: np.asarray(variable) for key, variable in state})
        whole, parts = states
        gradients, of_parts = momenta(whole), momenta(parts)
        results[name] = (
            max(float(np.abs(a - parts[key]).max()) for key, a in whole.items() if a.size),
            max(
                float(np.abs(a - of_parts[k]).max() / np.abs(a).max()) for k, a in gradients.items()
            ),
        )
    return results


def adaptive() -> dict[str, Any]:
    """Trains with the regularizers for few images; both replicas have different images.

    Returns the variables that differ, those of the regularizers after a step, and the mean logits
    of each replica in it; p after four updates; whether the flips differ.
    """
    from helpers import SGD, image_batch, make_small

    worker = worker_for("mirrored")
    with worker.strategy.scope():
        options = {"lecam": 0.3, "ada": 0.01, "ada_images": 100, "flip": True}
        model = make_small("gan", **SGD, **options)
        model.compile()
    images = np.asarray(image_batch(8))
    iterator = iter(worker.distribute(lambda part: tf.data.Dataset.from_tensors(images).repeat()))

    @tf.function(autograph=False)
    def step(batch: Any) -> Any:
        return worker.strategy.run(model.train_step, args=(batch,))

    def locally(values: Any) -> list[float]:
        return [float(each) for each in worker.strategy.experimental_local_results(values)]

    first = step(next(iterator))
    averages = [float(np.asarray(each)) for each in model.lecam.averages]
    logits = [locally(first[name]) for name in ("real_logit", "fake_logit")]
    signs, total = locally(first["ada_rt"]), float(np.asarray(model.ada.signs))
    for _ in range(3):
        last = step(next(iterator))

    @tf.function(autograph=False)
    def flipped() -> Any:
        return worker.strategy.run(lambda: model.flip(images, "test", model.noise_seed))

    flips = [each.numpy() for each in worker.strategy.experimental_local_results(flipped())]
    state = model.state().items()
    return {
        "unequal": [
            key
            for key, variable in state
            if len({each.numpy().tobytes() for each in _replicas(worker, variable)}) > 1
        ],
        "averages": averages,
        "logits": logits,
        "signs": [*signs, total],
        "p": locally(last["ada_p"]),
        "flips_differ": not np.array_equal(*flips),
    }


def odd(*names: str) -> dict[str, Any]:
    """Trains on batches that two replicas cannot share, with `fit` and in a loop of its own.

    Returns for each flavour the steps of both, and whether all stayed finite and equal.
    """
    from helpers import batch_for, make_small

    from tfgan2 import registry

    worker = worker_for("mirrored")
    results = {}
    for name in names:
        known = registry.hyperparameters(name)
        divisors = {"d_steps": 2, "packing": 2, "minibatch_group": 1}
        options = {key: n for key, n in divisors.items() if key in known}
        if name == "r3gan":  # its step takes a batch more: 12 images
            del options["d_steps"]
        with worker.strategy.scope():
            model = make_small(name, **options)
            model.compile()
        parts = tuple(part[:21] for part in batch_for(model, 21))
        dataset = tf.data.Dataset.from_tensor_slices(parts)
        history = model.fit(dataset.batch(9), epochs=2, verbose=0).history
        numbers = [value for values in history.values() for value in values]
        steps = [int(model.step.numpy())]
        if name != "cyclegan":  # its pool needs a known size

            @tf.function(autograph=False)
            def step(batch: Any, model: Any = model) -> Any:
                return worker.strategy.run(model.train_step, args=(batch,))

            # The last batch has one sample: the second replica gets none.
            for batch in worker.strategy.experimental_distribute_dataset(dataset.batch(20)):
                for value in step(batch).values():
                    numbers += map(float, worker.strategy.experimental_local_results(value))
        steps.append(int(model.step.numpy()))
        state = model.state()
        numbers += [float(np.sum(np.asarray(variable, np.float64))) for variable in state.values()]
        unequal = [
            key
            for key, variable in state.items()
            if len({item.numpy().tobytes() for item in _replicas(worker, variable)}) > 1
        ]
        finite = bool(np.isfinite(numbers).all())
        results[name] = {"finite": finite, "steps": steps, "unequal": unequal}
    return results


OPTIMIZERS = ("generator_optimizer", "discriminator_optimizer")


def _plain() -> dict[str, Any]:
    return {name: tf.keras.optimizers.SGD(0.1) for name in OPTIMIZERS}


def _largest_difference(
    make: Any, prepare: Any = lambda model: None, optimizers: Any = _plain
) -> float:
    """Compares a step of one replica and of two; the difference relative to the largest change."""
    from helpers import batch_for

    changes = []
    for name in ("none", "mirrored"):
        worker = worker_for(name)
        with worker.strategy.scope():
            model = make()
            prepare(model)
            own = model.data_kind == "captions"  # creates five optimizers itself
            model.compile(**({} if own else optimizers()))
        if hasattr(model, "random_latents"):
            _same_latents(model, 8)
        parts = batch_for(model, 8)
        arrays = parts if model.data_kind != "images" else parts[:1]
        changes.append(_update(model, worker, arrays))
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

    def draw_masks(count: Any, seed: Any) -> tf.Tensor:
        """Returns this replica's share of the masks, of various sizes, that a single one draws."""
        return replicas.own_share(masks(8, tf.constant([1, 2])))

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
    """Compares flavours whose only noise is latents, with synchronized batch norm."""
    from helpers import make_small

    from tfgan2.models import stackgan

    makes = {
        "lsgan": lambda: make_small("lsgan", network="mlp"),
        "sngan": lambda: make_small("sngan"),
        "stylegan2": lambda: make_small(
            "stylegan2", noise="none", style_mixing=0.0, path_length_weight=0.0
        ),
        "wgan": lambda: make_small("wgan", network="mlp", d_steps=1),
        "pix2pix": lambda: make_small("pix2pix", jitter=False, mirror=False, dropout=0.0),
        "dcgan": lambda: make_small("dcgan"),
        # These use other samples of the whole batch.
        "inpainting": lambda: _inpainting(),
        "cyclegan": lambda: make_small("cyclegan", jitter=False, mirror=False),
        "stackgan text": lambda: _stackgan(stackgan.TEXT),
        "stackgan one": lambda: _stackgan(stackgan.STAGE_ONE),
        "stackgan two": lambda: _stackgan(stackgan.STAGE_TWO),
    }
    results = {name: _largest_difference(makes[name], _together) for name in names}
    # Without synchronized batch norm there is a difference, which shows that this can fail.
    return {**results, "apart": _largest_difference(makes["dcgan"])}


def clipping() -> float:
    """Compares a step with clipping, which must use gradients of the whole batch."""
    from helpers import make_small

    def clipped() -> Any:
        return make_small("lsgan", network="mlp")

    def optimizers() -> dict[str, Any]:
        return {name: tf.keras.optimizers.SGD(0.1, clipvalue=1e-4) for name in OPTIMIZERS}

    return _largest_difference(clipped, _together, optimizers)


def overflow() -> dict[str, Any]:
    """Returns loss scale and changes of weights after a step that overflows on one replica only."""
    from helpers import make_small

    worker = worker_for("mirrored")
    with worker.strategy.scope():
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

        worker.strategy.run(one, args=(bad,))

    results = {}
    for name, bad in (("bad", True), ("good", False)):
        step(tf.constant(bad))
        moved = [item.numpy() - before for item in _replicas(worker, kernel)]
        results[name] = [float(optimizer.dynamic_scale.numpy()), *(float(m.mean()) for m in moved)]
    return results


def dropped() -> list[list[float]]:
    """Returns what dropout keeps of ones, on each replica in two steps."""
    from tfgan2.nn.layers import Dropout

    worker = worker_for("mirrored")
    with worker.strategy.scope():
        layer = Dropout(0.5, seed=1)
        layer.build((1, 32))

    @tf.function(autograph=False)
    def both() -> Any:
        return worker.strategy.run(lambda: layer(tf.ones((1, 32)), training=True))

    return [
        np.ravel(item).tolist()
        for _ in range(2)
        for item in worker.strategy.experimental_local_results(both())
    ]


def small() -> dict[str, Any]:
    """Runs several short tasks in one process."""
    tasks = (overflow, dropped, shares, clipping, adaptive)
    return {task.__name__: task() for task in tasks}


def shares() -> dict[str, list[list[float]]]:
    """Returns what each of two replicas computes from its share of 0, 1, … 7."""
    from tfgan2.distributed import replicas

    worker = worker_for("mirrored")
    whole = np.arange(8, dtype=np.float32)
    values = iter(worker.distribute(lambda part: tf.data.Dataset.from_tensors(whole)))

    @tf.function(autograph=False)
    def both(share: Any) -> Any:
        def one(share: tf.Tensor) -> dict[str, tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch(share)
                gathered = replicas.gathered(share)
                loss = tf.reduce_sum(gathered**3) / 2  # each of two replicas has this loss
            return {
                "mean": replicas.mean(share),
                "std": replicas.std(share),
                "gathered": gathered,
                "own": replicas.own_share(gathered),
                "gradient": tape.gradient(loss, share),
            }

        return worker.strategy.run(one, args=(share,))

    return {
        name: [
            np.ravel(item).tolist() for item in worker.strategy.experimental_local_results(value)
        ]
        for name, value in both(next(values)).items()
    }


if __name__ == "__main__":
    two_cpus()
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
