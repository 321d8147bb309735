"""Runs the notebooks in docs/notebooks, and keeps what they print and draw, without the chatter.

python docs/make_notebooks.py                # all of them; needs the extra `test`
python docs/make_notebooks.py first_gan      # one of them
python docs/make_notebooks.py --addresses    # run nothing, write REPOSITORY into the links
"""

from __future__ import annotations

import asyncio
import io
import os
import re
import sys
import tempfile
import time
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from PIL import Image, ImageSequence

REPOSITORY = "https://github.com/OWNER/tfgan2"
"""The address of this repository, the only place that sets it: replace it, then run --addresses."""
FOLDER = Path(__file__).resolve().with_name("notebooks")
MOST_BYTES = 60_000
"""Largest image in a notebook, in base64."""
MOST_SECONDS = 120
"""What a notebook may take on 2 cores."""

_ADDRESS = re.compile(r"(?<=github)(\.com)?/[^/\s]+/tfgan2(?=/blob/)")
_CHATTER = re.compile(
    r"^(loading TensorFlow|compiling the training step|training a classifier .*|step \d+/\d+ .*"
    r"|.*: [\d,]+ of [\d,]+|[IWE]0000 00:00:.*|WARNING: All log messages before absl.*"
    r"|To enable the following instructions: .*|Note: you may need to restart the kernel.*)$"
)
_STEP = re.compile(r"^step \d+/\d+ ")


def notebooks() -> list[Path]:
    """All notebooks, by name."""
    return sorted(FOLDER.glob("*.ipynb"))


def execute(
    path: Path, folder: Path, seconds: float | None = None, env: dict[str, str] | None = None
) -> nbformat.NotebookNode:
    """Runs a notebook in a folder.

    Args:
        path: the notebook.
        folder: its working directory.
        seconds: time for the whole notebook; None: any.
        env: the environment of its processes, by default that of this one.

    Returns:
        The notebook with all of its outputs.

    Raises:
        TimeoutError: it took longer.
        CellExecutionError, DeadKernelError: of nbclient.
    """
    notebook = nbformat.read(path, as_version=4)
    env = dict(os.environ if env is None else env)
    # For `!tfgan2`, also where the environment of this Python is not activated.
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", "")])
    env["PYTHONPATH"] = os.pathsep.join(
        [str(Path(__file__).resolve().parents[1]), env.get("PYTHONPATH", "")]
    )
    where = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, resources=where, record_timing=False)
    start = time.monotonic()
    try:
        asyncio.run(asyncio.wait_for(client.async_execute(env=env), seconds))
    except (TimeoutError, asyncio.TimeoutError, DeadKernelError):
        if seconds is None or time.monotonic() - start < seconds:
            raise
        raise TimeoutError(f"{path.name} took more than {seconds:g} s") from None
    return notebook


def trim(notebook: nbformat.NotebookNode, folder: str) -> None:
    """Removes progress and the working directory, and shrinks images."""
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        kept: list[nbformat.NotebookNode] = []
        for output in cell.outputs:
            output = _as_stream(output)
            before = kept[-1] if kept else None
            if output.output_type == "stream" and before and before.output_type == "stream":
                before.text += output.text
            else:
                kept.append(output)
        for output in kept:
            if output.output_type == "stream":
                output.text = _without_chatter(output.text.replace(f"{folder}/", ""))
            elif "image/png" in output.get("data", {}):
                output.data = _smaller(output.data["image/png"])
            elif "image/jpeg" in output.get("data", {}):
                output.data = {"image/jpeg": output.data["image/jpeg"]}
            elif "image/gif" in output.get("data", {}):
                output.data = _animation(output.data["image/gif"])
        cell.outputs = [each for each in kept if each.get("text") != ""]
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }


def with_address(text: str, repository: str = REPOSITORY) -> str:
    """Points all links into the repository, and Colab's, to an address."""
    owner = repository.removeprefix("https://github.com/")
    return _ADDRESS.sub(lambda match: f"{match[1] or ''}/{owner}", text)


def _as_stream(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Rich displays each line as HTML and as text: takes the text."""
    data = output.get("data", {})
    if output.output_type == "display_data" and set(data) == {"text/html", "text/plain"}:
        return nbformat.v4.new_output("stream", name="stdout", text=data["text/plain"])
    if output.output_type == "stream":
        output.name = "stdout"
    return output


def _without_chatter(text: str) -> str:
    """Only the last line about a step is kept, and no bar, colour or progress."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r+(?=\n)", "", text)
    lines = [line.rsplit("\r", 1)[-1].rstrip() for line in text.split("\n")]
    last = next((line for line in reversed(lines) if _STEP.match(line)), None)
    return "\n".join(line for line in lines if line == last or not _CHATTER.match(line))


def _smaller(content: str) -> dict[str, str]:
    """A PNG in base64, with a palette if it has colours; what is still too large becomes a JPEG."""
    image = Image.open(io.BytesIO(b64decode(content)))
    if getattr(image, "is_animated", False):
        return {"image/png": content}
    image = image.convert("RGB")
    grey = image.convert("L")
    is_grey = np.array_equal(np.asarray(image), np.asarray(grey.convert("RGB")))
    few = grey if is_grey else image.quantize(128, dither=Image.Dither.NONE)
    smallest = min(_encoded(few, "PNG", optimize=True), content.replace("\n", ""), key=len)
    if len(smallest) < MOST_BYTES:
        return {"image/png": smallest}
    image = grey if is_grey else image
    coded = (_encoded(image, "JPEG", quality=quality) for quality in (85, 75, 65, 50, 30))
    return {"image/jpeg": next(each for each in coded if len(each) < MOST_BYTES)}


def _encoded(image: Image.Image, kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return b64encode(buffer.getvalue()).decode()


def _animation(content: str) -> dict[str, str]:
    """A GIF in base64 as animated PNG, which is a tenth of its size for enlarged pixels."""
    image = Image.open(io.BytesIO(b64decode(content)))
    frames, durations = [], []
    for frame in ImageSequence.Iterator(image):
        frames.append(frame.convert("RGB").quantize(64, dither=Image.Dither.NONE).convert("RGB"))
        durations.append(frame.info["duration"])
    if all(np.ptp(np.asarray(frame), axis=-1).max() == 0 for frame in frames):
        frames = [frame.convert("L") for frame in frames]
    options = {"save_all": True, "append_images": frames[1:], "duration": durations}
    return {"image/png": _encoded(frames[0], "PNG", **options)}


def main() -> None:
    names = sys.argv[1:]
    if names == ["--addresses"]:
        for path in notebooks():
            path.write_text(with_address(path.read_text("utf-8")), "utf-8")
        return
    for path in [FOLDER / f"{name}.ipynb" for name in names] or notebooks():
        with tempfile.TemporaryDirectory() as folder:
            notebook = execute(path, Path(folder))
        trim(notebook, folder)
        nbformat.write(notebook, path)
        print(path.name, f"{path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
