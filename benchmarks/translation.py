"""Trains the flavours that take images or sentences and measures them on held-out data.

python benchmarks/translation.py pix2pix --data FACADES

FACADES has the folders train and val of pairs, photo left, labels right; FACES is a folder of
images. Measured are:

- pix2pix on FACADES, labels to photo: mean L1 on the pairs of val, and that of the mean training
  photo and of the input itself;
- cyclegan on FACADES, the photos of one half of the pairs and the labels of the other: L1 of the
  cycle on val, at step 100 and at the end;
- inpainting on FACES: L1 inside the mask on 500 held-out faces, and that of the mean face and of
  biharmonic inpainting;
- srgan on FACES: PSNR of 500 held-out faces, enlarged 4 times, after each phase, and that of
  bicubic scaling;
- stackgan on the built-in digits with captions: the share of images in which a classifier finds
  the digit that the caption names.

Interrupted runs are resumed. L1 is in steps of 0…255.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from command_line import errors_in_one_line
from PIL import Image

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

HELD_OUT = 500
DATASETS = {
    "pix2pix": "pairs:FACADES --direction BtoA",
    "cyclegan": "unpaired:PHOTOS,LABELS",
    "inpainting": f"folder:FACES --hold-out {HELD_OUT}",
    "srgan": f"folder:FACES --hold-out {HELD_OUT}",
    "stackgan": "digits-captions",
}
# Other options of `tfgan2 fit`.
FIT_OPTIONS = {
    "pix2pix": "--image-size 64 --batch-size 4 --steps 4000 "
    "--set base_channels=32 --set max_channels=128 --set l1_weight=300 "
    "--set generator_learning_rate=5e-4 --set ema_decay=0.999",
    "cyclegan": "--image-size 64 --steps 14000 --set base_channels=24 --set blocks=3",
    "inpainting": "--image-size 32 --steps 5000 --batch-size 16 --set base_channels=24 "
    "--set mask=centre",
    "srgan": "--image-size 48 --steps 5000 --set base_channels=24 --set blocks=4",
    "stackgan": "--steps 5000 --batch-size 32 --set base_channels=24 --set blocks=2",
}


def tfgan2(*words: str | Path) -> None:
    program = Path(sys.executable).with_name("tfgan2")
    subprocess.run([str(program), *map(str, words)], check=True)


def train(name: str, options: argparse.Namespace, *more: str, **folders: object) -> Path:
    """Trains or resumes a run on `DATASETS` with these folders; returns the folder of the run."""
    run = options.work / name
    if (run / "config.json").exists():
        tfgan2("fit", "--resume", run)
        return run
    # Split first: folders may have spaces in their names.
    dataset = [
        re.sub("[A-Z]{5,}", lambda word: str(folders[word[0]]), each)
        for each in DATASETS[name].split()
    ]
    words = [*FIT_OPTIONS[name].split(), *more, "--seed", "1", "--log-every", "100", "--out", run]
    tfgan2("fit", name, "--dataset", *dataset, *words)
    return run


def load(run: Path, step: int | None = None) -> Any:
    """Loads the model of a run, at its end or at a step that has a checkpoint."""
    from tfgan2 import runs
    from tfgan2.training import checkpoints

    model, _ = runs.load_model(run)
    if step is not None:
        path = run / "checkpoints" / f"step-{step:07d}.npz"
        checkpoints.restore(checkpoints.read(path), model.weights_by_name())
    return model


def held_out(run: Path) -> tuple[Any, tuple[np.ndarray, ...]]:
    """Returns a run's dataset and the parts of its held-out samples."""
    from tfgan2 import load_dataset, runs

    dataset = load_dataset(**vars(runs.RunConfig.read(run).data))
    return dataset, dataset.held_out.some(dataset.held_out.num_images)


def steps_of_255(difference: np.ndarray) -> float:
    """Returns the mean absolute difference of images in [-1, 1], in steps of 0…255."""
    return round(float(np.abs(difference).mean() * 127.5), 2)


def save(path: Path, *columns: np.ndarray, shown: int = 16) -> None:
    """Saves images of the same samples side by side."""
    from tfgan2.images import save_grid, side_by_side

    path.parent.mkdir(parents=True, exist_ok=True)
    save_grid(path, side_by_side(*(column[:shown] for column in columns)), columns=4)


def pix2pix(options: argparse.Namespace) -> dict[str, Any]:
    run = train("pix2pix", options, FACADES=options.data)
    model = load(run)
    dataset, (inputs, targets) = held_out(run)
    made = model.run_generator(model.sampling_generator, {"input": inputs})
    _, photos = dataset.some(dataset.num_images)
    save(options.out / "pix2pix.png", inputs, made, targets)
    return {
        "run": run,
        "held_out": len(inputs),
        "l1": steps_of_255(made - targets),
        "l1_mean_photo": steps_of_255(photos.mean(axis=0) - targets),
        "l1_input": steps_of_255(inputs - targets),
    }


def cyclegan(options: argparse.Namespace) -> dict[str, Any]:
    sides = [options.work / "unpaired" / side for side in ("photos", "labels")]
    for folder in sides:
        folder.mkdir(parents=True, exist_ok=True)
    files = sorted((options.data / "train").iterdir())
    for index, path in enumerate(files):
        # Never the photo and the labels of one building.
        side = index % 2
        with Image.open(path) as both:
            half = both.width // 2
            box = (half * side, 0, half * (side + 1), both.height)
            both.crop(box).save(sides[side] / f"{path.stem}.png")
    keep = ["--checkpoint-every", "100", "--keep-checkpoints", "1000"]
    run = train("cyclegan", options, *keep, PHOTOS=sides[0], LABELS=sides[1])
    from tfgan2.data import load_dataset

    val = load_dataset(f"pairs:{options.data}", image_size=64).held_out
    photos, labels = val.some(val.num_images)

    def cycle(step: int | None) -> tuple[float, list[np.ndarray]]:
        model = load(run, step)
        there, back = model.generator, model.back_generator
        shown, total = [], []
        for first, second, images in ((there, back, photos), (back, there, labels)):
            made = model.run_generator(first, {"input": images})
            again = model.run_generator(second, {"input": made})
            total.append(steps_of_255(again - images))
            shown += [images, made, again]
        return round(float(np.mean(total)), 2), shown

    early, _ = cycle(100)
    late, shown = cycle(None)
    save(options.out / "cyclegan-photos.png", *shown[:3])
    save(options.out / "cyclegan-labels.png", *shown[3:])
    return {"run": run, "held_out": len(photos), "cycle_l1_step_100": early, "cycle_l1": late}


def inpainting(options: argparse.Namespace) -> dict[str, Any]:
    from skimage.restoration import inpaint_biharmonic

    run = train("inpainting", options, FACES=options.data)
    model = load(run)
    dataset, examples = held_out(run)
    inputs = model.inputs_of(examples)
    images, mask = inputs["input"], inputs["mask"] > 0.5
    made = model.run_generator(model.sampling_generator, inputs)
    mean = dataset.some(5000)[0].mean(axis=0, keepdims=True).repeat(len(images), axis=0)
    smooth = np.stack(
        [
            inpaint_biharmonic(np.where(hidden, 0, image), hidden[..., 0], channel_axis=-1)
            for image, hidden in zip(images, mask, strict=True)
        ]
    )
    masked = np.where(mask, 0, images)
    save(options.out / "inpainting.png", masked, np.where(mask, smooth, images), made, images)
    return {
        "run": run,
        "held_out": len(images),
        "l1": steps_of_255((made - images)[mask]),
        "l1_mean_face": steps_of_255((mean - images)[mask]),
        "l1_biharmonic": steps_of_255((smooth - images)[mask]),
        "outside_bit_equal": bool(np.array_equal(made[~mask], images[~mask])),
    }


def psnr(made: np.ndarray, images: np.ndarray) -> float:
    """Returns the mean peak signal-to-noise ratio of images in dB, of pixels in 0…255."""
    from tfgan2.images import to_uint8

    difference = to_uint8(made).astype(np.float64) - to_uint8(images)
    errors = np.square(difference).mean(axis=(1, 2, 3))
    return round(float(np.mean(20 * np.log10(255) - 10 * np.log10(np.maximum(errors, 1e-9)))), 2)


def srgan(options: argparse.Namespace) -> dict[str, Any]:
    steps = int(FIT_OPTIONS["srgan"].partition("--steps ")[2].split()[0])
    more = ("--checkpoint-every", "500", "--keep-checkpoints", "1000")
    run = train("srgan", options, *more, FACES=options.data)
    _, examples = held_out(run)
    shown: dict[str, np.ndarray] = {}
    for phase, step in (("content", steps // 2), ("adversarial", None)):
        model = load(run, step)
        inputs = model.inputs_of(examples)
        shown[phase] = model.run_generator(model.sampling_generator, inputs)
    small, bicubic, _, images = model.shown_of(examples, inputs, shown["adversarial"])
    save(options.out / "srgan.png", small, bicubic, *shown.values(), images)
    return {
        "run": run,
        "held_out": len(images),
        "psnr_bicubic": psnr(bicubic, images),
        **{f"psnr_{phase}": psnr(made, images) for phase, made in shown.items()},
    }


def stackgan(options: argparse.Namespace) -> dict[str, Any]:
    from sklearn.svm import SVC

    from tfgan2.data import load_dataset
    from tfgan2.images import to_uint8

    run = train("stackgan", options)
    tfgan2("sample", run, "--count", "100", "--out", options.out / "stackgan.png")
    real = load_dataset("digits")
    images, labels = real.some(real.num_images)
    flat = to_uint8(images).reshape(len(images), -1) / 255.0
    split = len(flat) * 4 // 5
    accuracy = SVC(C=10).fit(flat[:split], labels[:split]).score(flat[split:], labels[split:])
    classifier = SVC(C=10).fit(flat, labels)
    model = load(run)
    digits = np.arange(1000) % 10
    words = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    found = {}
    for sentence in ("a handwritten {}", "the digit {}", "a {} written by hand"):
        texts = [sentence.format(words[digit]) for digit in digits]
        made = model.generate(model.draw_latents(1000, seed=3), texts)
        predicted = classifier.predict(to_uint8(made).reshape(1000, -1) / 255.0)
        found[sentence] = round(float((predicted == digits).mean()), 4)
    return {"run": run, "classifier_accuracy": round(float(accuracy), 4), "named_right": found}


FLAVOURS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "pix2pix": pix2pix,
    "cyclegan": cyclegan,
    "inpainting": inpainting,
    "srgan": srgan,
    "stackgan": stackgan,
}


@errors_in_one_line()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("flavour", choices=FLAVOURS)
    parser.add_argument("--data", type=Path, help="FACADES or FACES")
    parser.add_argument("--work", type=Path, default=Path("runs/translation"))
    parser.add_argument("--out", type=Path, default=Path("runs/translation/results"))
    options = parser.parse_args()
    if options.data is None and options.flavour != "stackgan":
        parser.error(f"{options.flavour} needs --data DIR")
    options.work.mkdir(parents=True, exist_ok=True)
    options.out.mkdir(parents=True, exist_ok=True)
    found = FLAVOURS[options.flavour](options)
    run = found.pop("run")
    lines = (run / "stats.jsonl").read_text().splitlines()
    words = f"{DATASETS[options.flavour]} {FIT_OPTIONS[options.flavour]}"
    found = {
        "command": f"tfgan2 fit {options.flavour} --dataset {words} --seed 1",
        "seconds": round(json.loads(lines[-1])["seconds"]),
        "cores": os.cpu_count(),
        "figures": found,
    }
    (options.out / f"{options.flavour}.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
