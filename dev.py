#!/usr/bin/env python3
"""Sets up a virtual environment, then runs one command.

    python3 dev.py demo     train DCGAN on handwritten digits, draw a grid, export and verify
    python3 dev.py test     run the tests
    python3 dev.py slow     run the slow tests, which together take hours
    python3 dev.py docs     build the documentation as a site
    python3 dev.py release  build the files of a release in dist/, and check them
    python3 dev.py try PYTHON …
                            install the wheel in dist/ with each Python; train, export, generate

Needs Python 3.10 to 3.13 and nothing else. The environment is .venv beside this file, or
$TFGAN2_VENV.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = Path(os.environ.get("TFGAN2_VENV", HERE / ".venv"))
SCRIPTS = "Scripts" if os.name == "nt" else "bin"
BIN = VENV / SCRIPTS
DIST = HERE / "dist"


def run(*words: str, scripts: Path = BIN, folder: Path = HERE) -> None:
    """Prints a command of an environment and runs it; exits with its exit code if it fails."""
    print(f"$ {' '.join(words)}", flush=True)
    code = subprocess.call([str(scripts / words[0]), *words[1:]], cwd=folder)
    if code:
        sys.exit(code)


def install(extra: str = "") -> None:
    if not BIN.exists():
        print(f"$ {sys.executable} -m venv {VENV}", flush=True)
        subprocess.check_call([sys.executable, "-m", "venv", str(VENV)])
    print("installing TensorFlow and others, which takes a minute or two", flush=True)
    # The pip of Python 3.10 needs many minutes for what a current one does in seconds.
    run("python", "-m", "pip", "install", "--quiet", "--upgrade", "pip")
    run("python", "-m", "pip", "install", "--quiet", "--editable", f".{extra}")


def demo() -> None:
    install()
    out = "runs/digits"
    if (HERE / out).exists():
        sys.exit(f"{out} exists: remove it, or resume it with {BIN / 'tfgan2'} fit --resume {out}")
    run(
        *("tfgan2", "fit", "dcgan", "--dataset", "digits", "--steps", "2000", "--seed", "1"),
        # With little data, few latents and a weaker discriminator give cleaner digits.
        *("--set", "base_channels=64", "--set", "latent_dim=10"),
        *("--set", "discriminator_learning_rate=1e-4", "--out", out),
    )
    run("tfgan2", "sample", out, "--count", "64", "--out", f"{out}/grid.png")
    run("tfgan2", "export", out)
    run(
        *("tfgan2", "generate", f"{out}/export/generator.onnx"),
        *("--count", "16", "--out", f"{out}/onnx.png"),
    )
    print(f"\nthe samples are in {out}/grid.png, the verified exports in {out}/export")


def test() -> None:
    install("[test]")
    # One process more than cores: some tests wait for other processes.
    processes = str((os.cpu_count() or 1) + 1)
    run("python", "-m", "pytest", "-n", processes, "--dist", "loadfile")


def docs() -> None:
    install("[docs]")
    run("mkdocs", "build", "--strict")
    print(f"\nthe site is {HERE / 'build/site/index.html'}")


def slow() -> None:
    install("[test]")
    failed = []
    # One after the other: TensorFlow keeps all that it compiled, together more than 24 GB.
    for path in sorted((HERE / "tests").iterdir()):
        files = [each for each in (path, *path.rglob("test_*.py")) if each.suffix == ".py"]
        if any("mark.slow" in each.read_text("utf-8") for each in files):
            words = ["-m", "pytest", "-m", "slow", "-n", "auto", "--dist", "worksteal", str(path)]
            print(f"$ python {' '.join(words)}", flush=True)
            if subprocess.call([str(BIN / "python"), *words], cwd=HERE):
                failed.append(path.name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def release() -> None:
    install("[release]")
    for folder in (DIST, HERE / "build", HERE / "tfgan2.egg-info"):  # else old files get in
        shutil.rmtree(folder, ignore_errors=True)
    run("python", "-m", "build")
    files = sorted(f"dist/{path.name}" for path in DIST.iterdir())
    run("twine", "check", "--strict", *files)
    run("check-wheel-contents", *(name for name in files if name.endswith(".whl")))
    forms = sorted((HERE / ".github/ISSUE_TEMPLATE").glob("[!c]*.yml"))
    for kind, *names in (
        ("citation-file-format", "CITATION.cff"),
        ("github-issue-forms", *(path.relative_to(HERE).as_posix() for path in forms)),
        ("github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
    ):
        run("check-jsonschema", "--builtin-schema", f"vendor.{kind}", *names)
    print(
        "\nnext: python3 dev.py try python3.10 python3.11 python3.12 python3.13\n"
        f"then: {BIN / 'twine'} upload {' '.join(files)}"
    )


def try_wheel(*pythons: str) -> None:
    wheels = sorted(DIST.glob("*.whl"))
    if not wheels:
        sys.exit("dist/ has no wheel: run python3 dev.py release")
    commands = (
        "python -m pip check",
        "tfgan2 --help",
        "tfgan2 generate pretrained:digits --label 7 --count 16 --out sevens.png",
        "tfgan2 fit dcgan --dataset digits --steps 20 --out run",
        "tfgan2 export run --format tflite,onnx",
        "tfgan2 generate run/export/generator.tflite --count 16 --out digits.png",
    )
    for python in pythons:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="tfgan2-") as temporary:
            folder = Path(temporary)
            print(f"$ {python} -m venv {folder}", flush=True)
            subprocess.check_call([python, "-m", "venv", str(folder)])
            there = partial(run, scripts=folder / SCRIPTS, folder=folder)
            there("python", "-m", "pip", "install", "--quiet", "--upgrade", "pip")
            there("python", "-m", "pip", "install", "--quiet", str(wheels[-1]))
            for words in commands:
                there(*words.split())
        print(f"\n{python}: passed in {time.monotonic() - started:.0f} s\n", flush=True)


def main() -> None:
    commands = {"demo": demo, "test": test, "slow": slow, "docs": docs, "release": release}
    name, *pythons = sys.argv[1:] or [""]
    if not (3, 10) <= sys.version_info < (3, 14):
        version = ".".join(map(str, sys.version_info[:2]))
        sys.exit(f"error: TensorFlow needs Python 3.10 to 3.13, and this is {version}")
    if name == "try" and pythons:
        try_wheel(*pythons)
    elif name in commands and not pythons:
        commands[name]()
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
