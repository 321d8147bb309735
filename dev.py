#!/usr/bin/env python3
"""Sets up a virtual environment, then runs one command.

    python3 dev.py demo    train DCGAN on handwritten digits, draw a grid, export and verify
    python3 dev.py test    run the tests
    python3 dev.py slow    run the tests that take minutes
    python3 dev.py docs    build the documentation as a site

Needs Python 3.10 or newer and nothing else. The environment is .venv beside this file, or
$TFGAN2_VENV.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = Path(os.environ.get("TFGAN2_VENV", HERE / ".venv"))
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")


def run(*words: str) -> None:
    """Prints a command and runs it; exits with its exit code if it fails."""
    print(f"$ {' '.join(words)}", flush=True)
    code = subprocess.call([str(BIN / words[0]), *words[1:]], cwd=HERE)
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
        *("--set", "base_channels=64", "--set", "latent_dim=10", "--set", "instance_noise=0"),
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


def main() -> None:
    commands = {"demo": demo, "test": test, "slow": slow, "docs": docs}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]]()


if __name__ == "__main__":
    main()
