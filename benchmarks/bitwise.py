"""Hashes of what every flavour trains, samples and exports, to compare two versions of the code.

python benchmarks/bitwise.py --work runs/bitwise --out before.json
python benchmarks/bitwise.py --work runs/bitwise --out after.json --compare before.json

Trains each case for 20 steps at a fixed seed, exports it and generates from the exported files.
The record holds a hash of every array in the checkpoint, the last line of the statistics, hashes
of the sample grids and of the generated images, and the metadata of the exports. Both records must
come from one machine; each case runs on one core, so that `--jobs` does not change the numbers.

`--only dcgan,wgan-gp` runs some cases. `--rename base_channels=width` records code from before that
option was renamed. Exit code 1 if a case fails or two records differ.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import queue
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from command_line import errors_in_one_line, some_of
from PIL import Image

MAIN = "from tfgan2.cli import main; main()"
STEPS = 20
EVERY = ["--log-every", "10", "--sample-every", "20", "--checkpoint-every", "20"]
COMMON = ["--batch-size", "16", "--seed", "3", "--steps", str(STEPS), *EVERY]
# Times, sizes of files whose bytes hold times, and versions say nothing about the numbers.
VOLATILE = {"seconds", "images_per_second", "input_share", "milliseconds_per_image", "sha256"}
VOLATILE |= {"bytes", "versions"}

DIGITS = "--dataset digits --image-size 16"
CASES = {
    "gan": f"gan {DIGITS} base_channels=16 latent_dim=8",
    "gan-minimax": f"gan {DIGITS} base_channels=16 latent_dim=8 loss=minimax lookahead=5",
    "gan-points": "gan --dataset ring8 base_channels=16",
    "dcgan": f"dcgan {DIGITS} base_channels=8 latent_dim=8",
    "dcgan-regularized": f"dcgan {DIGITS} base_channels=8 latent_dim=8 "
    "augment=color,translation,cutout instance_noise=0.1 instance_noise_steps=15 "
    "label_noise=0.1 lookahead=5 packing=2 d_steps=2 label_smoothing=0.1 dropout=0.2",
    "dcgan-tutorial": "dcgan --dataset digits --image-size 32 --channels 3 network=tutorial "
    "base_channels=16",
    "dcgan-resnet": "dcgan --dataset faces --image-size 24 network=resnet base_channels=8",
    "cgan": f"cgan {DIGITS} base_channels=16 latent_dim=8",
    "cgan-dcgan": f"cgan {DIGITS} base_channels=8 network=dcgan packing=2",
    "acgan": f"acgan {DIGITS} base_channels=8 latent_dim=8",
    "infogan": f"infogan {DIGITS} base_channels=8",
    "lsgan": f"lsgan {DIGITS} base_channels=8 latent_dim=8",
    "wgan": f"wgan {DIGITS} base_channels=8 latent_dim=8",
    "wgan-gp": f"wgan-gp {DIGITS} base_channels=8 latent_dim=8",
    "wgan-gp-layer": f"wgan-gp {DIGITS} base_channels=8 critic_norm=layer one_sided=true d_steps=2",
    "dragan": f"dragan {DIGITS} base_channels=8 latent_dim=8",
    "began": f"began {DIGITS} base_channels=8 latent_dim=8",
    "began-began": f"began {DIGITS} base_channels=8 network=began",
    "sngan": f"sngan {DIGITS} base_channels=8 latent_dim=8",
    "sngan-resnet": f"sngan {DIGITS} base_channels=8 network=resnet d_steps=2",
    "sngan-pyramid": f"sngan {DIGITS} base_channels=4 network=pyramid d_steps=2",
    "projection": f"projection {DIGITS} base_channels=8 latent_dim=8",
    "sagan": f"sagan {DIGITS} base_channels=8 latent_dim=8",
    "biggan": f"biggan {DIGITS} base_channels=4 class_embedding=8",
    "reacgan": f"reacgan {DIGITS} base_channels=4 class_embedding=8 embedding=16",
    "stylegan2": f"stylegan2 {DIGITS} base_channels=8 latent_dim=8 path_length_weight=2 "
    "style_mixing=0.9",
    "fastgan": f"fastgan {DIGITS} base_channels=4 latent_dim=8",
    "projected": f"projected {DIGITS} base_channels=8 feature_size=32 feature_channels=4",
    "r3gan": f"r3gan {DIGITS} base_channels=8 latent_dim=8 augment=color",
    "r3gan-conditional": f"r3gan {DIGITS} base_channels=16 conditional=true d_steps=2 packing=2",
    "vae": f"vae {DIGITS} base_channels=16 latent_dim=8",
    "vae-gaussian": f"vae {DIGITS} base_channels=8 network=dcgan likelihood=gaussian latent_dim=2",
    "student": "distill TEACHER --images 64 base_channels=4 max_channels=8",
    "pix2pix": "pix2pix --dataset PAIRS --image-size 32 base_channels=8",
    "cyclegan": "cyclegan --dataset UNPAIRED --image-size 16 base_channels=8 pool_size=5 blocks=2",
    "inpainting": f"inpainting {DIGITS} base_channels=8 augment=translation",
    "srgan": "srgan --dataset faces --image-size 24 base_channels=8 blocks=2 pretrain_steps=10",
    "stackgan": "stackgan --dataset digits-captions --image-size 16 base_channels=8 latent_dim=8 "
    "blocks=1 text_steps=5 stage_one_steps=8",
}
TRANSLATIONS = ("pix2pix", "cyclegan", "inpainting", "srgan")


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def image_digest(path: Path) -> str:
    """A hash of the pixels, whatever the file's format does."""
    return digest(np.asarray(Image.open(path).convert("RGBA")).tobytes())


def make_pairs(folder: Path) -> None:
    """Writes digits and their negatives, 32x32, to the subfolders A and B."""
    from sklearn.datasets import load_digits

    for side in "AB":
        (folder / side).mkdir(parents=True)
    for number, digit in enumerate(load_digits().images[:60]):
        pixels = (digit * 255 / 16).astype(np.uint8)
        Image.fromarray(pixels).resize((32, 32)).save(folder / "A" / f"{number:03d}.png")
        Image.fromarray(255 - pixels).resize((32, 32)).save(folder / "B" / f"{number:03d}.png")


def stable(value: Any) -> Any:
    """A JSON value without what changes from run to run."""
    if isinstance(value, dict):
        return {key: stable(item) for key, item in value.items() if key not in VOLATILE}
    return [stable(item) for item in value] if isinstance(value, list) else value


def tfgan2(words: list[str], core: int) -> None:
    """Runs one command on one core; raises with the end of its output if it fails."""
    done = subprocess.run(
        [sys.executable, "-c", MAIN, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    if done.returncode:
        raise RuntimeError(f"tfgan2 {' '.join(words)}\n{done.stdout[-3000:]}")


def arguments(words: str) -> list[str]:
    """Returns the arguments of `tfgan2` for a case."""
    options = [item for word in words.split() for item in (["--set"] * ("=" in word) + [word])]
    return [*([] if words.startswith("distill ") else ["fit"]), *options, *COMMON]


def record(case: str, work: Path, core: int) -> dict[str, Any]:
    """Trains, exports and generates one case; returns its hashes and figures."""
    run = work / case
    shutil.rmtree(run, ignore_errors=True)
    pairs = work / "pairs"
    words = CASES[case].replace("UNPAIRED", f"unpaired:{pairs / 'A'},{pairs / 'B'}")
    words = words.replace("PAIRS", f"pairs:{pairs}")
    if "TEACHER" in words:
        teacher = work / "teacher"
        shutil.rmtree(teacher, ignore_errors=True)
        tfgan2([*arguments(CASES["gan"]), "--out", str(teacher)], core)
        words = words.replace("TEACHER", str(teacher))
    tfgan2([*arguments(words), "--out", str(run)], core)
    tfgan2(["export", str(run), "--images", "64"], core)
    for file in sorted([*run.glob("export/*.onnx"), *run.glob("export/*.tflite")]):
        made = run / "made" / file.name
        if case in TRANSLATIONS:
            tfgan2(["translate", str(file), "--input", str(work / "few"), "--out", str(made)], core)
        elif file.stem != "text_encoder":
            made.mkdir(parents=True)
            tfgan2(["generate", str(file), "--count", "16", "--out", f"{made}/made.npz"], core)

    with np.load(next((run / "checkpoints").glob("*.npz"))) as arrays:
        state = {key: digest(arrays[key].tobytes()) for key in arrays.files if key != "header"}
    metadata = (run / "export" / "metadata.json").read_text()
    generated = {}
    for path in sorted((run / "made").rglob("*.*")):
        name = str(path.relative_to(run / "made"))
        if path.suffix == ".png":
            generated[name] = image_digest(path)
        elif path.suffix == ".npz":
            with np.load(path) as arrays:
                generated[name] = digest(b"".join(arrays[key].tobytes() for key in arrays.files))
    return {
        "state": state,
        "statistics": stable(json.loads((run / "stats.jsonl").read_text().splitlines()[-1])),
        "samples": {
            str(path.relative_to(run)): image_digest(path)
            for path in sorted([*run.glob("samples/**/*.png"), run / "reals.png"])
        },
        "generated": generated,
        "metadata": stable(json.loads(metadata.replace(f"{work}/", "WORK/"))),
    }


def differences(before: Any, after: Any, place: str = "") -> list[str]:
    """Every place where two records differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [*before, *(key for key in after if key not in before)]
        found = [
            differences(before.get(key), after.get(key), f"{place}/{key}" if place else key)
            for key in keys
        ]
        return [line for lines in found for line in lines]
    return [] if before == after else [f"{place}: {before} -> {after}"]


@errors_in_one_line()
def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--out", type=Path, required=True, help="the record, JSON")
    parser.add_argument("--compare", type=Path, help="an earlier record")
    parser.add_argument("--only", type=some_of(CASES), default=list(CASES), help="default: all")
    parser.add_argument(
        "--rename", default="", help="NEW=OLD: an option's name in older code, base_channels=width"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="cases at a time")
    options = parser.parse_args()
    if options.rename:
        new, _, old = options.rename.partition("=")
        CASES.update({case: words.replace(f"{new}=", f"{old}=") for case, words in CASES.items()})
    before = json.loads(options.compare.read_text()) if options.compare else None
    options.work.mkdir(parents=True, exist_ok=True)
    if not (options.work / "pairs").exists():
        make_pairs(options.work / "pairs")
        (options.work / "few").mkdir()
        for number in range(4):
            name = f"{number:03d}.png"
            shutil.copy(options.work / "pairs" / "A" / name, options.work / "few" / name)

    cores: queue.Queue[int] = queue.Queue()
    for core in range(options.jobs):
        cores.put(core)

    def work(case: str) -> tuple[str, dict[str, Any] | str]:
        core = cores.get()
        try:
            found: dict[str, Any] | str = record(case, options.work, core)
        except RuntimeError as error:
            found = str(error)
        finally:
            cores.put(core)
        print(f"{case}: {'failed' if isinstance(found, str) else 'recorded'}", flush=True)
        return case, found

    with ThreadPoolExecutor(options.jobs) as pool:
        results = dict(pool.map(work, options.only))
    failed = {case: text for case, text in results.items() if isinstance(text, str)}
    for text in failed.values():
        print(text)
    options.out.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    if before is None:
        return 1 if failed else 0
    found = differences({case: before.get(case) for case in results}, results)
    print("\n".join(found) or f"equal: {len(results)} cases")
    return 1 if found or failed else 0


if __name__ == "__main__":
    sys.exit(main())
