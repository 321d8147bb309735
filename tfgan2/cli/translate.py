"""`tfgan2 translate`: turns image files into others with a run or an exported file."""

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
from tfgan2.runtime.translator import middle_mask

NETWORKS = {Direction.AtoB: ("a_to_b", "generator"), Direction.BtoA: ("b_to_a",)}


def translate(
    place: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Run directory or gs://…, or a .onnx or .tflite file from `tfgan2 export`.",
        ),
    ],
    source: Annotated[
        Path, typer.Option("--input", help="An image, or a folder of images.", metavar="PATH")
    ],
    out: Annotated[Path, typer.Option(help="New folder for the results.")],
    compare: Annotated[
        bool, typer.Option("--compare", help="Show the input beside each result.")
    ] = False,
    direction: Annotated[
        Direction,
        typer.Option(help="Direction of a CycleGAN run. An exported file has its own."),
    ] = Direction.AtoB,
    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="For inpainting: an image, white where to fill, or a folder with a mask of the "
            "same name for each image.",
            show_default="the middle",
        ),
    ] = None,
    checkpoint: Checkpoint = runs.NEWEST,
) -> None:
    """Turn images into images, with a run or an exported file."""
    paths = _images(source)
    root = source if source.is_dir() else source.parent
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists and is not an empty folder: choose another --out")
    model = run_folder(place)
    if model.is_dir():
        translator = _from_run(model, direction, checkpoint)
    elif direction is not Direction.AtoB:
        raise UserError(
            "an exported file has one direction: leave --direction out and give the file of b_to_a"
        )
    elif checkpoint != runs.NEWEST:
        raise UserError("an exported file has no checkpoints: leave --checkpoint out")
    else:
        network = runtime.load(model)
        if isinstance(network, runtime.Generator):
            raise UserError(f"{model} makes images from latents: use `tfgan2 generate`")
        translator = network
    if mask is not None and not translator.takes_mask:
        raise UserError(f"{model} takes no mask: leave --mask out")
    jobs = [(path, _mask_for(path, root, mask)) for path in paths]
    for job in jobs:  # before anything is written
        _read(translator, *job)
    try:
        for number, (path, mask_path) in enumerate(jobs, 1):
            taken, result = translator.translate(*_read(translator, path, mask_path))
            _write(
                (out / path.relative_to(root)).with_suffix(".png"),
                joined(taken, result) if compare else result,
            )
            if number % 50 == 0 or number == len(jobs):
                print(f"{number:,} of {len(jobs):,} images: {out}", flush=True)
    except OSError as error:
        raise cannot_write(out, error) from error


def _images(source: Path) -> list[Path]:
    from tfgan2.data.files import by_stem, image_files  # slow to import

    if source.is_file():
        return [source]
    if not source.is_dir():
        raise UserError(f"{source} does not exist: give an image or a folder of images")
    names = image_files(source)
    by_stem(names)  # each becomes a .png of its name
    return [source / name for name in names]


def _mask_for(path: Path, root: Path, mask: Path | None) -> Path | None:
    """Returns the mask file of an image; None for the middle."""
    if mask is None or mask.is_file():
        return mask
    if not mask.is_dir():
        raise UserError(f"{mask} does not exist: give --mask an image or a folder, or leave it out")
    name = path.relative_to(root)
    for suffix in (name.suffix, *sorted(suffixes())):
        if (candidate := mask / name.with_suffix(suffix)).is_file():
            return candidate
    raise UserError(f"{mask} has no mask called {name.stem!r}: add it")


def _from_run(run: Path, direction: Direction, checkpoint: str) -> Translator:
    config = runs.RunConfig.read(run)  # a wrong folder is an error before TensorFlow is loaded
    from tfgan2 import startup

    startup.load()
    trained, _ = runs.load_model(run, checkpoint)
    specs = trained.exports()
    spec = next((specs[name] for name in NETWORKS[direction] if name in specs), None)
    if spec is None:
        raise UserError(f"{config.flavour} has one direction: leave --direction out")
    if spec.resized is None:
        raise UserError(f"{config.flavour} takes no images: use `tfgan2 sample {run}`")
    network = spec.resized(None, None)
    inputs = [{"name": item.name, "shape": list(item.shape)} for item in network.inputs]
    metadata = {**spec.facts, "inputs": inputs, "outputs": [{"name": "image"}], "batch": None}
    model = runtime.Model(
        lambda arrays: {"image": trained.run_generator(network, arrays)}, metadata
    )
    return Translator(model)


def _read(
    translator: Translator, path: Path, mask_path: Path | None
) -> tuple[Image.Image, Image.Image | None]:
    """Reads an image, and its mask if one is needed.

    Raises:
        UserError: a file cannot be read, or the translator cannot use it.
    """
    image = _open(path)
    mask = None
    if translator.takes_mask:
        mask = middle_mask(image) if mask_path is None else _open(mask_path)
    try:
        translator.prepare(image, mask)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return image, mask


def _open(path: Path) -> Image.Image:
    try:
        return open_image(path)
    except UnreadableImageError as error:
        raise UserError(f"cannot read {str(path)!r}: {error}; repair or remove it") from error


def _write(out: Path, image: Image.Image) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    with written_atomically(out) as partial:
        image.save(partial, format="PNG")
