"""Compares a student and its exported file with its teacher: PSNR, and all three in one image.

python benchmarks/distilled.py TEACHER STUDENT FILE --out docs/results/distilled/student-NAME.png

TEACHER and STUDENT are runs of `tfgan2 fit` and `tfgan2 distill`, FILE is an export of the student.
Three rows of the image in turn are by the teacher, the student and the file. The figures, the
command and the seconds of the student's training are written to a JSON file beside the image.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np
from command_line import errors_in_one_line

import tfgan2
from tfgan2 import runs
from tfgan2.command import command_text
from tfgan2.images import save_grid
from tfgan2.training import stats

IMAGES, ROWS = 1_000, 3
"""Images that are compared; rows of the image for each of the three."""


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    """Returns the PSNR of all images together, in dB; their range is 2."""
    return float(10 * np.log10(4 / np.mean(np.square(one - other))))


@errors_in_one_line()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("teacher", "student", "file", "--out"):
        parser.add_argument(name, type=Path, **({"required": True} if name == "--out" else {}))
    parser.add_argument("--columns", type=int, default=12)
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="of the training")
    given = parser.parse_args()
    teacher, student = (runs.load_model(run)[0] for run in (given.teacher, given.student))
    file = tfgan2.load(given.file)
    latents, labels = teacher.draw_latents(IMAGES, seed=9), teacher.draw_labels(IMAGES)
    made = [each.generate(latents, labels) for each in (teacher, student)]
    made.append(file(latents, labels))
    compared = (("student", made[1]), ("file", made[2]))
    figures = {f"psnr_{name}": round(psnr(made[0], images), 2) for name, images in compared}
    found = {
        "command": command_text(runs.RunConfig.read(given.student)),
        "seconds": round(stats.read(given.student)[-1]["seconds"]),
        "cores": given.cores,
        "figures": {**figures, "kilobytes": round(given.file.stat().st_size / 1000, 1)},
    }
    given.out.with_suffix(".json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))
    shown = [
        images[start : start + given.columns]
        for start in range(0, ROWS * given.columns, given.columns)
        for images in made
    ]
    save_grid(given.out, np.concatenate(shown), columns=given.columns)


if __name__ == "__main__":
    main()
