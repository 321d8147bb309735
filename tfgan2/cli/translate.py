"""tfgan2 translate"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from PIL import Image

from tfgan2 import runs, runtime
from tfgan2.cli.options import Checkpoint, Direction
from tfgan2.cli.places import run_folder
from tfgan2.errors import UserError, cannot_write
from tfgan2.files import written_atomically
from tfgan2.images import joined
from tfgan2.images.files import UnreadableImageError, open_image, suffixes
from tfgan2.runtime import Translator
from tfgan2.runtime.translator import middle


def translate(
    place: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A run's folder or gs://…, or a .onnx or .tflite file of `tfgan2 export`.",
        ),
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
        Path | None,
        typer.Option(
            metavar="PATH",
            help="For inpainting: a picture, white where to fill, or a folder of such with the "
            "names of the pictures; default: the middle.",
        ),
    ] = None,
    checkpoint: Checkpoint = runs.NEWEST,
) -> None:
    """Make pictures of pictures, with a run or an exported file."""
    paths = _pictures(source)
    root = source if source.is_dir() else source.parent
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists and is not an empty folder; choose another --out")
    model = run_folder(place)
    if model.is_dir():
        translator = _from_run(model, direction, checkpoint)
    elif direction is not Direction.AtoB:
        raise UserError("an exported file has one direction: give b_to_a, and no --direction")
    elif checkpoint != runs.NEWEST:
        raise UserError("an exported file has no checkpoints: leave --checkpoint out")
    else:
        translator = runtime.load_translator(model)
    if mask is not None and not translator.takes_mask:
        raise UserError(f"{model} takes no mask: leave --mask out")
    jobs = [(path, _mask_for(path, root, mask)) for path in paths]
    for job in jobs:  # before anything is written
        _read(translator, *job)
    try:
        for number, (path, hidden) in enumerate(jobs, 1):
            taken, made = translator.picture(*_read(translator, path, hidden))
            _write(
                (out / path.relative_to(root)).with_suffix(".png"),
                joined(taken, made) if compare else made,
            )
            if number % 50 == 0 or number == len(jobs):
                print(f"{number:,} of {len(jobs):,} pictures: {out}", flush=True)
    except OSError as error:
        raise cannot_write(out, error) from error


def _pictures(source: Path) -> list[Path]:
    from tfgan2.data.files import by_name, pictures_in  # not for every command's start

    if source.is_file():
        return [source]
    if not source.is_dir():
        raise UserError(f"{source} does not exist: give a picture or a folder of pictures")
    found = pictures_in(source)
    by_name(found)  # each becomes a .png of its name
    return [source / path for path in found]


def _mask_for(path: Path, root: Path, mask: Path | None) -> Path | None:
    """The mask of a picture; None for the middle."""
    if mask is None or mask.is_file():
        return mask
    if not mask.is_dir():
        raise UserError(f"{mask} does not exist: give --mask a picture, a folder, or leave it out")
    name = path.relative_to(root)
    found = [
        candidate
        for suffix in (name.suffix, *sorted(suffixes()))
        if (candidate := mask / name.with_suffix(suffix)).is_file()
    ]
    if not found:
        raise UserError(f"{mask} has no mask called {name.stem!r}: add it")
    return found[0]


def _from_run(run: Path, direction: Direction, checkpoint: str) -> Translator:
    config = runs.RunConfig.read(run)  # a wrong folder is told before TensorFlow is loaded
    from tfgan2 import startup

    startup.load()
    trained, _ = runs.load_model(run, checkpoint)
    exports = trained.exports()
    names = {"AtoB": ("a_to_b", "generator"), "BtoA": ("b_to_a",)}[direction.value]
    item = next((exports[name] for name in names if name in exports), None)
    if item is None:
        raise UserError(f"{config.flavour} has one direction: leave --direction out")
    if item.resized is None:
        raise UserError(f"{config.flavour} makes no images of images: `tfgan2 sample {run}`")
    network = item.resized(None, None)
    inputs = [{"name": each.name, "shape": list(each.shape)} for each in network.inputs]
    return Translator(
        lambda arrays: {"image": trained.run_generator(network, arrays)},
        {**item.facts, "inputs": inputs, "batch": None},
    )


def _read(
    translator: Translator, path: Path, mask: Path | None
) -> tuple[Image.Image, Image.Image | None]:
    """A picture, and its mask where one is needed.

    Raises:
        UserError: one of them cannot be read, or the translator cannot use them.
    """
    picture = _open(path)
    hidden = None
    if translator.takes_mask:
        hidden = middle(picture) if mask is None else _open(mask)
    try:
        translator.prepare(picture, hidden)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return picture, hidden


def _open(path: Path) -> Image.Image:
    try:
        return open_image(path)
    except UnreadableImageError as error:
        raise UserError(f"cannot read {str(path)!r}: {error}; mend or remove it") from error


def _write(out: Path, picture: Image.Image) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    with written_atomically(out) as partial:
        picture.save(partial, format="PNG")
