"""Do the successors of tensorflow-addons compute what it computed?

tensorflow-addons cannot be installed beside a current TensorFlow, so this script makes an
environment of the last versions that go together (1.3 GB; Python 3.10 or 3.11), gives the same
weights and inputs to both sides, each in a process of its own, and compares what they return.

    python benchmarks/addons_parity.py --env-dir /tmp/addons

An environment that is already there is used again. Exit code 1 if a difference is above its bound.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

REQUIREMENTS = ("tensorflow-cpu==2.15.*", "tensorflow-addons==0.23.0", "numpy<2")
PYTHONS = ((3, 10), (3, 11))
STEPS = 20
ITERATIONS = (1, 5, 20)
WRAPPED = ("dense", "conv")
AVERAGE, DECAY, RATE = 0.9, 1e-3, 0.01

Arrays = dict[str, np.ndarray]


def make_inputs() -> Arrays:
    """The weights and inputs of all comparisons, float32."""
    rng = np.random.default_rng(0)
    shapes = {
        "dense/x": (32, 6),
        "dense/kernel": (6, 5),
        "dense/bias": (5,),
        "dense/g": (5,),
        "dense/u": (1, 5),
        "conv/x": (8, 8, 8, 3),
        "conv/kernel": (3, 3, 3, 5),
        "conv/bias": (5,),
        "conv/g": (5,),
        "conv/u": (1, 5),
        "norm/x": (4, 8, 8, 6),
        "norm/gamma": (6,),
        "norm/beta": (6,),
        "start": (40,),
        "curvature": (40,),
        "images": (4, 16, 12, 3),
    }
    made = {name: rng.normal(0.3, 1.0, shape) for name, shape in shapes.items()}
    made["curvature"] = np.abs(made["curvature"]) + 0.1
    return {name: values.astype(np.float32) for name, values in made.items()}


def save(path: str, arrays: Arrays) -> None:
    np.savez(path, **arrays)  # type: ignore[arg-type]


def gradient(inputs: Arrays, x: np.ndarray) -> np.ndarray:
    """Of a bowl with ripples, by element, so that both sides round alike."""
    return inputs["curvature"] * x + np.sin(3 * x)


# --- what both sides do with layers and optimizers of their own ----------------------------------


def spectral(inputs: Arrays, make: Callable[[str], Any], vector: str) -> Arrays:
    """Initializers, outputs and gradients after some training calls in which nothing else changes.

    Args:
        inputs: of `make_inputs`.
        make: a name of WRAPPED becomes the wrapped layer.
        vector: what the layer calls its estimate of the first singular vector.
    """
    import tensorflow as tf

    results = {}
    for kind in WRAPPED:
        for count in ITERATIONS:
            layer, x = make(kind), tf.constant(inputs[f"{kind}/x"])
            layer.build(x.shape)
            layer.layer.kernel.assign(inputs[f"{kind}/kernel"])
            getattr(layer, vector).assign(inputs[f"{kind}/u"])
            for _ in range(count):
                with tf.GradientTape() as tape:
                    outputs = layer(x, training=True)
                    loss = tf.reduce_sum(outputs**2)
            kernel = layer.layer.kernel
            (by_kernel,) = tape.gradient(loss, layer.layer.trainable_weights[:1])
            found = {"kernel": kernel, "outputs": outputs, "gradient": by_kernel}
            for name, value in found.items():
                results[f"spectral {count}/{kind}/{name}"] = value.numpy()
    return results


def weight(
    inputs: Arrays, make: Callable[[str, bool], Any], prepare: Callable[[Any], None]
) -> Arrays:
    """Outputs and gradients of a given g, v and bias; g, bias and outputs after the first call."""
    import tensorflow as tf

    results = {}
    for kind in WRAPPED:
        x = tf.constant(inputs[f"{kind}/x"])
        for data_init in (False, True):
            layer = make(kind, data_init)
            layer.build(x.shape)
            v, bias = layer.layer.kernel, layer.layer.bias
            v.assign(inputs[f"{kind}/kernel"])
            prepare(layer)
            outputs = layer(x, training=True)
            if data_init:
                found = {"g": layer.g, "bias": bias, "outputs": outputs}
                for name, value in found.items():
                    results[f"weight init/{kind}/{name}"] = value.numpy()
                continue
            layer.g.assign(inputs[f"{kind}/g"])
            bias.assign(inputs[f"{kind}/bias"])
            with tf.GradientTape() as tape:
                outputs = layer(x, training=True)
                loss = tf.reduce_sum(tf.sin(outputs)) / x.shape[0]
            found = dict(zip("gv", tape.gradient(loss, [layer.g, v]), strict=True))
            for name, value in {**found, "outputs": outputs}.items():
                results[f"weight/{kind}/{name}"] = value.numpy()
    return results


def normalised(inputs: Arrays, layer: Any) -> np.ndarray:
    """The outputs of a normalisation with given gamma and beta."""
    layer.build(inputs["norm/x"].shape)
    layer.gamma.assign(inputs["norm/gamma"])
    layer.beta.assign(inputs["norm/beta"])
    return layer(inputs["norm/x"]).numpy()


def rotation(angle: float, height: int, width: int) -> np.ndarray:
    """Around the middle, counter-clockwise, as the eight numbers that both libraries take.

    Args:
        angle: in radians.
        height: of the image.
        width: of the image.

    Returns:
        Float32, shape (8,): where each pixel of the result comes from.
    """
    cos, sin, x, y = np.cos(angle), np.sin(angle), (width - 1) / 2, (height - 1) / 2
    row = [cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y, 0, 0]
    return np.array(row, np.float32)


# --- the two sides -------------------------------------------------------------------------------


def addons_side(inputs: Arrays) -> Arrays:
    """What tensorflow-addons makes of the inputs."""
    import tensorflow as tf
    import tensorflow_addons as tfa  # type: ignore[import-not-found]

    wrapped = {
        "dense": lambda: tf.keras.layers.Dense(5, activation="tanh"),
        "conv": lambda: tf.keras.layers.Conv2D(5, 3, activation="tanh"),
    }

    def prepare(layer: Any) -> None:
        if layer.data_init:  # it judges the data by a copy of the layer, made when it was built
            layer._naked_clone_layer.set_weights(layer.layer.get_weights())

    results = spectral(inputs, lambda k: tfa.layers.SpectralNormalization(wrapped[k]()), "u")
    results |= weight(
        inputs, lambda k, init: tfa.layers.WeightNormalization(wrapped[k](), init), prepare
    )
    results["instance"] = normalised(inputs, tfa.layers.InstanceNormalization())
    results["group"] = normalised(inputs, tfa.layers.GroupNormalization(groups=3))

    def descend(optimizer: Any) -> tuple[np.ndarray, Any]:
        x = tf.Variable(inputs["start"])
        for _ in range(STEPS):
            optimizer.apply_gradients([(tf.constant(gradient(inputs, x.numpy())), x)])
        return x.numpy(), x

    legacy = tf.keras.optimizers.legacy
    for name, inner in (("sgd", legacy.SGD(RATE)), ("adam", legacy.Adam(RATE))):
        results[f"lookahead {name}"], _ = descend(tfa.optimizers.Lookahead(inner, 6, 0.5))
    results["adamw"], _ = descend(tfa.optimizers.AdamW(weight_decay=DECAY, learning_rate=RATE))
    averages: dict[str, dict[str, Any]] = {
        "average": {},
        "average from the first step": {"start_step": 1},
        "average with rising decay": {"dynamic_decay": True},
    }
    for name, settings in averages.items():
        optimizer = tfa.optimizers.MovingAverage(legacy.SGD(RATE), AVERAGE, **settings)
        _, x = descend(optimizer)
        results[name] = optimizer.get_slot(x, "average").numpy()

    images = tf.constant(inputs["images"])
    results["rotate"] = tfa.image.rotate(images, 0.3, "bilinear").numpy()
    results["translate"] = tfa.image.translate(images, [2.0, -3.0]).numpy()
    return results


def tfgan2_side(inputs: Arrays) -> Arrays:
    """What Keras and tfgan2 make of the inputs."""
    from types import SimpleNamespace

    import keras
    import tensorflow as tf
    from tfgan2.models.adversarial import AdversarialModel

    from tfgan2.nn.layers import WeightNormalization
    from tfgan2.nn.lookahead import Lookahead

    wrapped = {
        "dense": lambda: keras.layers.Dense(5, activation="tanh"),
        "conv": lambda: keras.layers.Conv2D(5, 3, activation="tanh"),
    }
    results = spectral(
        inputs, lambda k: keras.layers.SpectralNormalization(wrapped[k]()), "vector_u"
    )
    results |= weight(
        inputs, lambda k, init: WeightNormalization(wrapped[k](), init), lambda layer: None
    )
    groups = keras.layers.GroupNormalization
    results["instance"] = normalised(inputs, groups(groups=-1, epsilon=1e-3))
    results["group"] = normalised(inputs, groups(groups=3, epsilon=1e-3))

    def descend(optimizer: Any, x: Any, also: Callable[[int], None] = lambda step: None) -> Any:
        optimizer.build([x])
        for step in range(STEPS):
            optimizer.apply([tf.constant(gradient(inputs, x.numpy()))], [x])
            also(step)
        return x.numpy()

    kinds = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}
    for name, kind in kinds.items():
        x = keras.Variable(inputs["start"])
        ahead = Lookahead([x], 6, 0.5)

        def look(step: int, ahead: Lookahead = ahead) -> None:
            ahead.update(tf.constant(step + 1, tf.int64))

        results[f"lookahead {name}"] = descend(kind(RATE), x, look)
    # There the decay is not multiplied by the learning rate, here it is.
    adamw = keras.optimizers.AdamW(RATE, weight_decay=DECAY / RATE)
    results["adamw"] = descend(adamw, keras.Variable(inputs["start"]))

    sgd = keras.optimizers.SGD(RATE, use_ema=True, ema_momentum=AVERAGE)
    x = keras.Variable(inputs["start"])
    descend(sgd, x)
    sgd.finalize_variable_values([x])
    results["average"] = results["average from the first step"] = x.numpy()

    x, average = keras.Variable(inputs["start"]), keras.Variable(inputs["start"])
    model: Any = SimpleNamespace(
        step=keras.Variable(0, dtype="int64"),
        ema_decay=AVERAGE,
        generator=SimpleNamespace(weights=[x]),
        ema_generator=SimpleNamespace(weights=[average]),
    )

    def move(step: int) -> None:
        model.step.assign(step)
        AdversarialModel.update_ema(model)

    descend(keras.optimizers.SGD(RATE), x, move)
    results["average with rising decay"] = average.numpy()

    images = tf.constant(inputs["images"])
    transforms = {
        "rotate": rotation(0.3, *images.shape[1:3]),
        "translate": np.array([1, 0, -2.0, 0, 1, 3.0, 0, 0], np.float32),
    }
    for name, transform in transforms.items():
        moved = keras.ops.image.affine_transform(
            images, np.tile(transform, (len(images), 1)), "bilinear", fill_mode="constant"
        )
        results[name] = moved.numpy()
    return results


# --- the comparison ------------------------------------------------------------------------------


def compare(inputs: Arrays, theirs: Arrays, ours: Arrays) -> list[dict[str, Any]]:
    """One row for each piece.

    Returns:
        Rows of "addons", "successor", "what", "difference" (the largest absolute one) and "bound",
        which is None where the two mean different things.
    """
    rows: list[dict[str, Any]] = []

    def row(addons: str, successor: str, what: str, pairs: Any, bound: float | None) -> None:
        difference = max(float(np.abs(a - b).max()) for a, b in pairs)
        rows.append(
            {
                "addons": addons,
                "successor": successor,
                "what": what,
                "difference": difference,
                "bound": bound,
            }
        )

    def all_of(start: str, *ends: str) -> list[tuple[np.ndarray, np.ndarray]]:
        names = [f"{start}/{kind}/{end}" for kind in WRAPPED for end in ends]
        return [(theirs[name], ours[name]) for name in names]

    def one(name: str) -> list[tuple[np.ndarray, np.ndarray]]:
        return [(theirs[name], ours[name])]

    name = "SpectralNormalization"
    for count in ITERATIONS:
        what = f"kernel after {count} training call{'s'[: count > 1]}"
        row(name, f"keras {name}", what, all_of(f"spectral {count}", "kernel"), 1e-5)
    pairs = [
        pair for count in ITERATIONS for pair in all_of(f"spectral {count}", "outputs", "gradient")
    ]
    row(name, f"keras {name}", "outputs and gradients then", pairs, 1e-4)
    groups = "keras GroupNormalization"
    row("InstanceNormalization", groups, "groups=-1, epsilon=1e-3", one("instance"), 1e-5)
    row("GroupNormalization", groups, "the same groups, epsilon=1e-3", one("group"), 1e-5)
    name = "WeightNormalization"
    row(name, f"tfgan2 {name}", "outputs", all_of("weight", "outputs"), 1e-5)
    row(name, f"tfgan2 {name}", "gradients of g and v", all_of("weight", "g", "v"), 1e-5)
    pairs = all_of("weight init", "bias")
    row(name, f"tfgan2 {name}", "bias after the data's initialisation", pairs, 1e-5)
    norms = {
        kind: np.sqrt((inputs[f"{kind}/kernel"] ** 2).reshape(-1, 5).sum(axis=0))
        for kind in WRAPPED
    }
    names = [(kind, f"weight init/{kind}/g") for kind in WRAPPED]
    pairs = [(theirs[name] * norms[kind], ours[name]) for kind, name in names]
    row(name, f"tfgan2 {name}", "g then, theirs x |v|", pairs, 1e-5)
    pairs = [(theirs[name], ours[name]) for _, name in names]
    row(name, f"tfgan2 {name}", "g then, as it is", pairs, None)
    name = "MovingAverage"
    row(name, "keras use_ema", "start_step=1", one("average from the first step"), 1e-5)
    row(name, "keras use_ema", "as it is", one("average"), None)
    pairs = one("average with rising decay")
    row(name, "tfgan2 ema_decay", "dynamic_decay=True", pairs, 1e-5)
    for inner in ("sgd", "adam"):
        pairs = one(f"lookahead {inner}")
        row("Lookahead", "tfgan2 Lookahead", f"{STEPS} steps of {inner}", pairs, 1e-5)
    what = f"{STEPS} steps, weight_decay divided by the learning rate"
    row("AdamW", "keras AdamW", what, one("adamw"), 1e-5)
    for name in ("rotate", "translate"):
        row(f"image.{name}", "keras affine_transform", "bilinear", one(name), 1e-5)
    return rows


def environment(folder: Path, python: str) -> str:
    """Makes the environment unless it is there; returns its Python."""
    inside = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not inside.exists():
        code = "import sys; print(*sys.version_info[:2])"
        found = subprocess.run([python, "-c", code], capture_output=True, text=True)
        version = tuple(int(part) for part in found.stdout.split())
        if version not in PYTHONS:
            name = ".".join(map(str, version)) or "none"
            sys.exit(
                f"tensorflow-addons needs Python 3.10 or 3.11 and {python} is {name}: "
                "give one by --python"
            )
        print(f"making an environment in {folder}; this takes some minutes", flush=True)
        subprocess.check_call([python, "-m", "venv", str(folder)])
    pip = [str(inside), "-m", "pip", "install", "--quiet", *REQUIREMENTS]
    installed = subprocess.run(pip, stderr=subprocess.PIPE, text=True)
    if installed.returncode:
        sys.exit(f"the installation failed: {installed.stderr.strip().splitlines()[-1]}")
    return str(inside)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env-dir", type=Path, help="default: a temporary folder")
    parser.add_argument("--python", default=sys.executable, help="3.10 or 3.11")
    parser.add_argument("--json", type=Path, help="write the rows there, too")
    parser.add_argument("--side", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        name, source, target = options.side
        run_side = {"addons": addons_side, "tfgan2": tfgan2_side}[name]
        save(target, run_side(dict(np.load(source))))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        theirs = environment(options.env_dir or Path(scratch, "env"), options.python)
        inputs = make_inputs()
        outputs: dict[str, Arrays] = {}
        save(str(Path(scratch, "inputs.npz")), inputs)
        for side, python in (("addons", theirs), ("tfgan2", sys.executable)):
            files = [str(Path(scratch, f"{name}.npz")) for name in ("inputs", side)]
            words = [python, str(Path(__file__).resolve()), "--side", side, *files]
            quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
            run = subprocess.run(words, env=quiet, stderr=subprocess.PIPE, text=True)
            if run.returncode:
                sys.exit(f"{run.stderr}\nthe side of {side} failed")
            outputs[side] = dict(np.load(files[1]))
    rows = compare(inputs, outputs["addons"], outputs["tfgan2"])
    for item in rows:
        bound = "-" if item["bound"] is None else f"{item['bound']:.0e}"
        label = f"{item['addons']} -> {item['successor']}: {item['what']}"
        print(f"{label:92s} {item['difference']:.1e}  bound {bound}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    above = [item for item in rows if not item["difference"] <= (item["bound"] or np.inf)]
    print(f"{len(above)} of {len(rows)} above their bounds" if above else "all within their bounds")
    return 1 if above else 0


if __name__ == "__main__":
    sys.exit(main())
