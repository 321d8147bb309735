"""Tabulates exports: file, MB, PSNR, Fréchet distance, milliseconds.

python benchmarks/export_table.py RUN… --out results/exports          # existing runs
python benchmarks/export_table.py --train 200 --work DIR --out …      # trains small runs first

Exports each run in every precision and as ONNX, times all files in turns with one thread, and
writes OUT.md and OUT.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from command_line import errors_in_one_line

from tfgan2.export import PRECISIONS
from tfgan2.files import written_atomically
from tfgan2.runs import RunConfig

SMALL = {
    "dcgan": "dcgan --dataset digits --image-size 28",
    "dcgan-colour": "dcgan --dataset digits --image-size 32 --channels 3",
    "cgan": "cgan --dataset digits --image-size 28",
    "sngan": "sngan --dataset digits --image-size 32 --set network=resnet --set base_channels=64",
}


def tfgan2(*words: str) -> None:
    """Runs one command in a process of its own."""
    program = Path(sys.executable).with_name("tfgan2")
    subprocess.run([str(program), *words], check=True)


def train_small(work: Path, steps: int) -> list[Path]:
    """Trains short runs on embedded data, one for each kind of network; returns their folders."""
    runs = []
    for name, words in {**SMALL, "pix2pix": f"pix2pix --dataset pairs:{pairs(work)}"}.items():
        run = work / name
        runs.append(run)
        if not (run / "config.json").exists():
            size = ["--image-size", "64", "--batch-size", "4"] if name == "pix2pix" else []
            tfgan2("fit", *words.split(), *size, "--steps", str(steps), "--out", str(run))
    return runs


def pairs(work: Path) -> Path:
    """Writes the edges of the embedded faces and the faces, as `pairs:DIR` takes them."""
    import numpy as np
    from PIL import Image, ImageFilter

    from tfgan2 import load_dataset
    from tfgan2.images import to_pil, to_uint8

    folder = work / "pairs"
    if not folder.exists():
        images = to_uint8(load_dataset("faces", image_size=64, channels=1).some(200)[0])
        with written_atomically(folder) as partial:
            for side in "AB":
                (partial / side).mkdir(parents=True)
            for number, image in enumerate(images):
                face = to_pil(np.asarray(image))
                edges = face.filter(ImageFilter.FIND_EDGES)
                for side, one in (("A", edges), ("B", face)):
                    Image.Image.save(one, partial / side / f"{number:03d}.png")
    return folder


def figures(run: Path, out: Path, count: int) -> list[dict[str, Any]]:
    """Exports a run and times its files; returns a row for each."""
    words = ["export", str(run), "--out", str(out), "--format", "tflite", "--format", "onnx"]
    for precision in PRECISIONS:
        words += ["--precision", precision]
    # Without it, one refused file would hide the others; the table has its decibels.
    tfgan2(*words, "--allow-lossy")
    metadata = json.loads((out / "metadata.json").read_text(encoding="utf-8"))
    files = [str(out / item["file"]) for item in metadata["artefacts"]]
    timed = out / "timings.json"
    tfgan2("benchmark", *files, "--threads", "1", "--count", str(count), "--json", str(timed))
    timings = {
        Path(item["file"]).name: item
        for item in json.loads(timed.read_text(encoding="utf-8"))["timings"]
    }
    about = metadata["about"]
    full = next(item["bytes"] for item in metadata["artefacts"] if item["precision"] == "float32")
    return [
        {
            "run": f"{about['flavour']}, {about['dataset'].rpartition('/')[2]}",
            "file": item["file"],
            "megabytes": item["bytes"] / 1e6,
            "of_float32": item["bytes"] / full,
            "psnr": item["psnr"],
            "frechet": item["frechet"],
            "median_ms": timings[item["file"]]["median_ms"],
            "p95_ms": timings[item["file"]]["p95_ms"],
            "float_layers": item.get("float_layers"),
            "kept_by_default": item["psnr"] >= 25,
        }
        for item in metadata["artefacts"]
    ]


def table(rows: list[dict[str, Any]]) -> str:
    """Formats the rows in Markdown."""
    lines = [
        "| run | file | MB | of float32 | PSNR dB | Fréchet | ms, one thread | in float |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        layers = "" if row["float_layers"] is None else ", ".join(row["float_layers"]) or "none"
        lines.append(
            f"| {row['run']} | `{row['file']}` | {row['megabytes']:.2f} | {row['of_float32']:.3f} "
            f"| {row['psnr']:.1f} | {row['frechet']['distance']:.2g} | {row['median_ms']:.2f} "
            f"| {layers} |"
        )
    return "\n".join(lines) + "\n"


@errors_in_one_line()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--train", type=int, metavar="STEPS", help="train small runs first")
    parser.add_argument(
        "--work", type=Path, default=Path("export-table"), help="folder for runs and exports"
    )
    parser.add_argument("--count", type=int, default=100, help="timed calls of each file")
    parser.add_argument("--out", type=Path, required=True, help="path without a suffix")
    options = parser.parse_args()
    if not (options.runs or options.train):
        parser.error("give runs, or --train STEPS")
    for run in options.runs:
        RunConfig.read(run)
    options.work.mkdir(parents=True, exist_ok=True)
    runs = list(options.runs)
    if options.train:
        runs += train_small(options.work, options.train)
    rows = [
        row
        for run in runs
        for row in figures(run, options.work / f"export-{run.name}", options.count)
    ]
    text = table(rows)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    contents = {".md": text, ".json": json.dumps(rows, indent=2) + "\n"}
    for suffix, content in contents.items():
        with written_atomically(options.out.with_suffix(suffix)) as partial:
            partial.write_text(content, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
