"""Puts the generator of a run into the package, as `pretrained:NAME`.

python benchmarks/ship.py RUN NAME --license LICENCE

Exports it to TFLite in int8 and to ONNX with weights in float16, with a model card. Evaluate the
run before: the card has its figures. A file of more than 300 KB is refused.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from command_line import errors_in_one_line

from tfgan2.errors import UserError
from tfgan2.export import Options, export_run
from tfgan2.runtime.shipped import FOLDER

MOST_BYTES = 300_000


class ShippedOptions(Options):
    """Writes one small file for phones and one for onnxruntime and browsers."""

    @property
    def files(self) -> list[tuple[str, str]]:
        return [("tflite", "int8"), ("onnx", "float16")]


@errors_in_one_line()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("--license", required=True)
    given = parser.parse_args()
    options = ShippedOptions(
        ["tflite", "onnx"], ["int8", "float16"], bundle=True, licence=given.license
    )
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        for artifact in export_run(given.run, out, options, progress=print):
            print(f"{artifact.path.name}: {artifact.bytes:,} bytes, {artifact.psnr:.1f} dB")
            if artifact.bytes > MOST_BYTES:
                raise UserError(f"{artifact.path.name} has more than {MOST_BYTES:,} bytes")
        target = FOLDER / given.name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(out / "bundle", target)
    print(target)


if __name__ == "__main__":
    main()
