"""tfgan2 translate"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image

from tfgan2 import runs, runtime
from tfgan2.errors import UserError, cannot_write
from tfgan2.files import written_atomically
from tfgan2.pictures import UnreadablePictureError, open_picture, suffixes
from tfgan2.runtime import Translator
from tfgan2.runtime.translator import middle

CENTRE = "centre"


class Direction(str, Enum):
    AtoB = "AtoB"
    BtoA = "BtoA"


def translate(
    model: Annotated[
        Path, typer.Argument(help="A run's folder, or a .onnx or .tflite file of `tfgan2 export`.")
    ],
    source: Annotated[
        Path, typer.Option("--input", help="A picture, or a folder of pictures.", metavar="PATH")
    ],
    out: Annotated[Path, typer.Option(help="A folder for the pictures that are made.")],
    compare: Annotated[
        bool, typer.Option("--compare", help="Beside each picture show what it was made of.")
    ] = False,
    direction: Annotated[
        Direction, typer.Option(help="Of a CycleGAN run; of files each has its own.")
    ] = Direction.AtoB,
    mask: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="For inpainting: a picture, white where to fill, or a folder of such with the "
            "names of the pictures; default: the middle.",
        ),
    ] = None,
) -> None:
    """Make pictures of pictures, with a run or an exported file."""
    paths = _pictures(source)
    root = source if source.is_dir() else source.parent
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists and is not an empty folder; choose another --out")
    if model.is_dir():
        translator = _from_run(model, direction)
    elif direction is not Direction.AtoB:
        raise UserError("an exported file has one direction: give b_to_a, and no --direction")
    else:
        translator = runtime.load_translator(model)
    if mask is not None and not translator.takes_mask:
        raise UserError(f"{model} takes no mask: leave --mask out")
    jobs = [(path, _mask_for(path, root, mask)) for path in paths]
    for path, hidden in jobs:  # before anything is written
        _open(path)
        if hidden is not None:
            _open(hidden)
    try:
        for number, (path, hidden) in enumerate(jobs, 1):
            name = path.relative_to(root).with_suffix(".png")
            _write(out / name, translator, path, hidden, compare)
            if number % 50 == 0 or number == len(jobs):
                print(f"{number:,} of {len(jobs):,} pictures: {out}", flush=True)
    except OSError as error:
        raise cannot_write(out, error) from error


def _pictures(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise UserError(f"{source} does not exist: give a picture or a folder of pictures")
    found = sorted(
        path
        for path in source.rglob("*")
        if path.suffix.lower() in suffixes() and not path.name.startswith(".")
    )
    if not found:
        raise UserError(f"{source} holds no pictures: give one with .png, .jpg or other such files")
    names = [path.with_suffix("") for path in found]
    for path, name in zip(found, names, strict=True):
        if names.count(name) > 1:
            raise UserError(f"two pictures are called {name}, such as {path}: rename one")
    return found


def _open(path: Path) -> Image.Image:
    try:
        return open_picture(path)
    except UnreadablePictureError as error:
        raise UserError(f"cannot read {str(path)!r}: {error}; mend or remove it") from error


def _mask_for(path: Path, root: Path, mask: str | None) -> Path | None:
    """The mask of a picture; None for the middle."""
    if mask is None or mask == CENTRE:
        return None
    given = Path(mask)
    if given.is_file():
        return given
    if not given.is_dir():
        raise UserError(f"{mask} does not exist: give --mask a picture, a folder, or leave it out")
    name = path.relative_to(root)
    found = [
        candidate
        for suffix in (name.suffix, *sorted(suffixes()))
        if (candidate := given / name.with_suffix(suffix)).is_file()
    ]
    if not found:
        raise UserError(f"{mask} has no mask called {name.stem!r}: add it")
    return found[0]


def _from_run(run: Path, direction: Direction) -> Translator:
    config = runs.RunConfig.read(run)  # a wrong folder is told before TensorFlow is loaded
    from tfgan2.cli import tensorflow

    tensorflow.load()
    from tfgan2.export.subject import make_subject

    trained, _ = runs.load_model(run)
    exports = trained.exports()
    names = {"AtoB": ("a_to_b", "generator"), "BtoA": ("b_to_a",)}[direction.value]
    item = next((exports[name] for name in names if name in exports), None)
    if item is None:
        raise UserError(f"{config.flavour} has one direction: leave --direction out")
    if item.resized is None:
        raise UserError(f"{config.flavour} makes no images of images: `tfgan2 sample {run}`")
    subject = make_subject(item.resized(None, None), "normal", (), item.facts)
    inputs, outputs = subject.describe(None)
    metadata = {**item.facts, "inputs": inputs, "outputs": outputs, "batch": None}
    return Translator(subject.run, metadata)


def _write(out: Path, translator: Translator, path: Path, mask: Path | None, compare: bool) -> None:
    picture = _open(path)
    hidden = None
    if translator.takes_mask:
        hidden = middle(picture) if mask is None else _open(mask)
    try:
        taken, made = translator.picture(picture, hidden)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    if compare:
        made = _beside(taken, made)
    out.parent.mkdir(parents=True, exist_ok=True)
    with written_atomically(out) as partial:
        made.save(partial, format="PNG")


def _beside(taken: Image.Image, made: Image.Image) -> Image.Image:
    """Both pictures, the first enlarged to the size of the second."""
    if taken.size != made.size:
        taken = taken.resize(made.size, Image.Resampling.NEAREST)
    mode = made.mode if taken.mode == made.mode else "RGB"
    both = Image.new(mode, (2 * made.width, made.height))
    both.paste(taken.convert(mode), (0, 0))
    both.paste(made.convert(mode), (made.width, 0))
    return both
