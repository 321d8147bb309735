"""Trains every flavour on MNIST at its defaults and lets a classifier judge the samples.

python benchmarks/flavours_mnist.py --data-dir DIR --work /tmp/mnist --out docs/results/mnist

One budget of at most ten minutes each on 2 cores: the steps below fit into it. A cell, that is a
flavour, is kept when it is finished (`OUT/FLAVOUR.json` and its grid), so the study can be done in
several sittings; a run that was interrupted is resumed. `--flavours` names some, `--table` prints
the table of what is there. The judge is trained once on the real training images.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# Updates of the generator, 64 images each. What one takes differs by a factor of 20.
STEPS = {
    "gan": 15_000,
    "dcgan": 8_000,
    "cgan": 25_000,
    "acgan": 8_000,
    "infogan": 7_000,
    "lsgan": 8_000,
    "wgan": 3_500,
    "wgan-gp": 2_300,
    "dragan": 5_500,
    "began": 7_000,
    "sngan": 8_000,
    "vae": 15_000,
}
COUNT = 5_000
FOUND = 0.01  # a class with at least this share of the samples is found


def train_judge(path: Path, data_dir: str) -> Any:
    """A classifier of the real digits; kept at `path`."""
    import keras
    import tensorflow_datasets as tfds
    from keras import layers

    if path.exists():
        return keras.models.load_model(path)
    keras.utils.set_random_seed(0)
    parts = [
        tfds.load("mnist", split=split, batch_size=-1, data_dir=data_dir, download=False)
        for split in ("train", "test")
    ]
    (x, y), (test_x, test_y) = (
        (part["image"].numpy().astype(np.float32) / 127.5 - 1, part["label"].numpy())
        for part in parts
    )
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.4),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.4),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=128, epochs=6, verbose=2)
    _, accuracy = model.evaluate(test_x, test_y, batch_size=500, verbose=0)
    print(f"judge: {accuracy:.4f} of the real test images are named right")
    if accuracy < 0.99:
        raise SystemExit("the judge is below 99 %: not to be trusted")
    model.save(path)
    top = model.predict(test_x, batch_size=500, verbose=0).max(axis=1).mean()
    path.with_suffix(".json").write_text(
        json.dumps({"accuracy": round(float(accuracy), 4), "top_probability_real": float(top)})
    )
    return model


def judged(judge: Any, images: np.ndarray, labels: np.ndarray | None) -> dict[str, Any]:
    """What the judge says of samples.

    Args:
        judge: from `train_judge`.
        images: uint8, shape (N, 28, 28, 1).
        labels: what was asked for, shape (N,), or None.

    Returns:
        Classes found, the share of the rarest, the mean top probability, and with labels the share
        of the samples that show what was asked for.
    """
    probabilities = judge.predict(images.astype(np.float32) / 127.5 - 1, batch_size=500, verbose=0)
    shares = np.bincount(probabilities.argmax(axis=1), minlength=10) / len(images)
    result = {
        "samples": len(images),
        "classes_found": int((shares >= FOUND).sum()),
        "rarest_share": round(float(shares.min()), 4),
        "top_probability": round(float(probabilities.max(axis=1).mean()), 4),
        "shares": [round(float(share), 4) for share in shares],
    }
    if labels is not None:
        hits = probabilities.argmax(axis=1) == labels
        result["label_accuracy"] = round(float(hits.mean()), 4)
    return result


def tfgan2(*words: str | Path) -> list[str]:
    return [str(Path(sys.executable).with_name("tfgan2")), *map(str, words)]


def fit_words(flavour: str, options: argparse.Namespace) -> list[str]:
    """What `tfgan2 fit` is told."""
    words = [flavour, "--dataset", "mnist", "--steps", str(STEPS[flavour])]
    return [*words, "--seed", str(options.seed), *options.extra.split()]


def cell(flavour: str, judge: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Trains, samples and judges one flavour."""
    run = options.work / flavour
    if (run / "config.json").exists():
        words = ["--resume", run]
    else:
        shutil.rmtree(run, ignore_errors=True)
        every = str(max(100, STEPS[flavour] // 10))
        shown = ["--log-every", every, "--sample-every", every, "--checkpoint-every", every]
        words = [*fit_words(flavour, options), *shown, "--data-dir", options.data_dir, "--out", run]
    subprocess.run(tfgan2("fit", *words), check=True)
    npz, grid = options.work / f"{flavour}.npz", options.out / f"{flavour}.png"
    common = ["--seed", "1", "--out"]
    subprocess.run(tfgan2("sample", run, "--count", COUNT, *common, npz), check=True)
    subprocess.run(
        tfgan2("sample", run, "--count", "100", "--columns", "10", *common, grid), check=True
    )
    arrays = np.load(npz)
    asked = arrays["labels"] if "labels" in arrays and flavour != "infogan" else None
    lines = (run / "stats.jsonl").read_text().splitlines()
    return {
        "flavour": flavour,
        "command": " ".join(["tfgan2", "fit", *fit_words(flavour, options)]),
        "steps": STEPS[flavour],
        "seconds": round(json.loads(lines[-1])["seconds"]),
        **judged(judge, arrays["images"], asked),
    }


def table(out: Path) -> str:
    """The finished cells as a table in Markdown."""
    rows = [
        "| flavour | steps | seconds | classes | rarest | top probability | label right |",
        "|---|---|---|---|---|---|---|",
    ]
    for flavour in STEPS:
        if not (path := out / f"{flavour}.json").exists():
            continue
        found = json.loads(path.read_text())
        right = f"{found['label_accuracy']:.1%}" if "label_accuracy" in found else ""
        rows.append(
            f"| `{flavour}` | {found['steps']:,} | {found['seconds']} "
            f"| {found['classes_found']} | {found['rarest_share']:.1%} "
            f"| {found['top_probability']:.3f} | {right} |"
        )
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="where tensorflow-datasets keeps mnist")
    parser.add_argument("--work", type=Path, default=Path("runs/flavours-mnist"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/mnist"))
    parser.add_argument("--flavours", default=",".join(STEPS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--extra", default="", help="further words for tfgan2 fit")
    parser.add_argument("--table", action="store_true", help="print the table and end")
    options = parser.parse_args()
    if not options.table:
        options.work.mkdir(parents=True, exist_ok=True)
        options.out.mkdir(parents=True, exist_ok=True)
        judge = train_judge(options.work / "judge.keras", options.data_dir)
        for flavour in options.flavours.split(","):
            path = options.out / f"{flavour}.json"
            if path.exists():
                continue
            found = cell(flavour, judge, options)
            path.write_text(json.dumps(found, indent=2) + "\n")
            print(json.dumps(found), flush=True)
    print(table(options.out))


if __name__ == "__main__":
    main()
