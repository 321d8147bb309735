"""Tests each command with odd files: no traceback, nothing half-written, no silent loss.

Puts every file of --folder beside two good images, and gives the three to `fit --dry-run`,
`prepare`, `translate` and the server; then all files at once to these and `evaluate`.

    pip download --no-deps --no-binary :all: pillow    # Tests/images: what Pillow is tested on
    python benchmarks/odd_files.py --folder pillow-13.0.0/Tests/images

A command must end with exit code 0 or 2. With 2 it must print one line that starts with "error:",
and leave no file; with 0 it must have read three images, or name what it left out. The server must
answer 200, 413, 415 or 422. Nothing may be printed that neither names the file nor is a known line:
no warning of Python or of a C library. Exit code 1 if anything else happens.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tfgan2.cli import run

GOOD = ("good-1.png", "good-2.png")
NOISE = ("Warning", "warnings.warn", "Traceback", ".py:", "libtiff:", "TIFFFetch", "TIFFRead")
SERVER_STATUSES = {200, 413, 415, 422}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, action="append", required=True)
    parser.add_argument("--only", default="", help="try files whose names contain this")
    options = parser.parse_args()
    everything = sorted(path for folder in options.folder for path in folder.rglob("*"))
    files = [path for path in everything if path.is_file() and options.only in path.name]
    if not files:
        parser.error(f"no files in {', '.join(map(str, options.folder))}: unpack them first")
    os.environ["TFGAN2_CACHE"] = tempfile.mkdtemp()
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder))
        for number, path in enumerate(files, 1):
            trial.one(path)
            if number % 100 == 0 or number == len(files):
                print(f"{number:,} of {len(files):,} files, {len(trial.faults)} faults", flush=True)
        trial.everything(options.folder)
        trial.close()
    for (command, outcome), count in sorted(trial.outcomes.items()):
        print(f"{command:10} {outcome:22} {count:6,}")
    print(*trial.faults, sep="\n")
    sys.exit(bool(trial.faults))


class Trial:
    """Runs commands on odd files; collects how they end, and what is wrong with it."""

    def __init__(self, work: Path) -> None:
        self.work, self.mixed = work, work / "mixed"
        self.outcomes: collections.Counter[tuple[str, str]] = collections.Counter()
        self.faults: list[str] = []
        self.mixed.mkdir()
        noise = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
        for name, pixels in zip(GOOD, noise, strict=True):
            Image.fromarray(pixels).save(self.mixed / name)
        self.good = work / "good"
        shutil.copytree(self.mixed, self.good)
        made = work / "run"
        words = f"fit srgan --dataset folder:{self.good} --image-size 32 --steps 1 --batch-size 1"
        words += " --hold-out 1 --set base_channels=8 --set blocks=1"
        code = run([*words.split(), "--out", str(made)])
        code = code or run(["export", str(made), "--format", "onnx"])
        if code:
            sys.exit("the model for translate could not be trained and exported")
        self.model = made / "export" / "generator.onnx"
        self.server = contextlib.ExitStack()
        from fastapi.testclient import TestClient

        from tfgan2.serve.app import create_app

        self.client = self.server.enter_context(
            TestClient(create_app(self.model), raise_server_exceptions=False)
        )

    def close(self) -> None:
        self.server.close()

    def one(self, path: Path) -> None:
        """Tries one file beside two good images."""
        odd = self.mixed / path.name
        shutil.copyfile(path, odd)
        name, mixed = path.name, f"folder:{self.mixed}"
        fit = ["fit", "dcgan", "--image-size", "16", "--batch-size", "2", "--dry-run", "--no-xla"]
        self.command(name, [*fit, "--dataset", mixed])
        self.command(name, ["prepare", mixed], "index.json")
        self.command(name, ["translate", str(self.model), "--input", str(odd)], "translated")
        with captured(self.work / "output") as output:
            response = self.client.post("/translate", files={"image": odd.read_bytes()})
        self.outcomes["server", str(response.status_code)] += 1
        if response.status_code not in SERVER_STATUSES:
            self.faults.append(f"server, {name}: {response.status_code} {response.text[:200]}")
        self.no_noise("server", name, output)
        odd.unlink()

    def everything(self, folders: Sequence[Path]) -> None:
        """Tries all files at once, the unreadable ones left out."""
        for folder in folders:
            name, data = folder.name, f"folder:{folder}"
            skip = "--skip-unreadable"
            fit = [
                "fit",
                "dcgan",
                "--image-size",
                "16",
                "--batch-size",
                "2",
                "--dry-run",
                "--no-xla",
            ]
            for more in ([], [skip]):
                self.command(name, [*fit, "--dataset", data, *more])
                self.command(name, ["prepare", data, *more], "index.json")
                evaluate = ["evaluate", str(folder), str(self.good), "--image-size", "16"]
                self.command(name, [*evaluate, "--metrics", "fid", *more], "evaluation")
            translate = ["translate", str(self.model), "--input", str(folder)]
            self.command(name, translate, "translated")

    def command(self, name: str, words: list[str], out: str | None = None) -> None:
        """Runs a command that writes `out`, and judges how it ends."""
        target = None if out is None else self.work / out
        if target is not None:
            words = [*words, "--out", str(target)]
        with captured(self.work / "output") as output:
            try:
                code = str(run(words))
            except Exception:
                code = "traceback"
                traceback.print_exc()
        lines = output[0].splitlines()
        self.outcomes[words[0], f"exit code {code}"] += 1
        errors = [line for line in lines if line.startswith("error:")]
        left = [] if target is None else list(self.work.glob(f"*{target.name}*"))
        if code not in ("0", "2"):
            self.faults.append(f"{words[0]}, {name}: {code}: {' | '.join(lines[-3:])}")
        elif code == "2" and (len(errors) != 1 or left):
            self.faults.append(f"{words[0]}, {name}: exit code 2, {errors}, files left: {left}")
        elif code == "0" and words[0] in ("fit", "prepare"):
            named = name in output[0] or "left out" in output[0] or "3 images" in output[0]
            if not named and is_image(self.mixed / name):
                self.faults.append(f"{words[0]}, {name}: lost without a word")
        self.no_noise(words[0], name, output)
        for path in left:
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def no_noise(self, command: str, name: str, output: list[str]) -> None:
        for line in output[0].splitlines():
            if any(word in line for word in NOISE) and name not in line:
                self.faults.append(f"{command}, {name}: printed {line[:200]!r}")
                return


def is_image(path: Path) -> bool:
    """Returns whether Pillow knows the format of a file, which is to be read or named then."""
    try:
        Image.open(path).close()
    except Exception:
        return False
    return True


@contextlib.contextmanager
def captured(path: Path) -> Iterator[list[str]]:
    """Yields a list that receives all that the block, and C code in it, prints."""
    output: list[str] = []
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(number) for number in (1, 2)]
    with path.open("wb") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        try:
            yield output
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, number)
                os.close(copy)
            output.append(path.read_text(encoding="utf-8", errors="replace"))


if __name__ == "__main__":
    main()
