"""`tfgan2 evaluate`: how good the images of a run, a file or a folder are."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from tfgan2 import remote, runs
from tfgan2.cli.options import Checkpoint
from tfgan2.cli.places import check_local_out, run_folder
from tfgan2.errors import UserError, cannot_write
from tfgan2.evaluation.report import check_place, folder_of, name_of

if TYPE_CHECKING:
    from tfgan2.evaluation import Evaluation
    from tfgan2.evaluation.samples import RealSamples, Samples
    from tfgan2.training.progress import Display


def evaluate(
    place: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A run (gs://… works, too), a .onnx or .tflite file of `tfgan2 export`, or a "
            "folder of pictures.",
            show_default=False,
        ),
    ],
    real: Annotated[
        Path | None,
        typer.Argument(
            help="A folder of real pictures to judge by.", show_default="the data of the run"
        ),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            help="fid, kid, is, prdc, classes, modes, pairs, neighbours; repeat it or use commas.",
            show_default="all that the data allow",
        ),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            help="classifier, inception, inception-tf:FILE, pixels or random-conv-112.",
            show_default="classifier where there are labels, else random-conv-112",
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=2, help="Samples that are judged.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the latents, and of KID's subsets.")] = 0,
    dataset: Annotated[
        str | None, typer.Option(help="To judge by.", show_default="the data of the run")
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(help="Only these classes of --dataset; repeat it or use commas."),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Of tensorflow-datasets.", show_default="as of the training")
    ] = None,
    data_dir: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Where tensorflow-datasets keeps its data, or gs://…."),
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(help="Of folders: resize to this.", show_default="as they are")
    ] = None,
    checkpoint: Checkpoint = runs.NEWEST,
    cache: Annotated[
        Path | None,
        typer.Option(
            help="For classifiers, and what is known of real images.",
            show_default="$TFGAN2_CACHE or ~/.cache/tfgan2",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A folder for JSON, page and pictures.", show_default="a new one in RUN/evaluation"
        ),
    ] = None,
) -> None:
    """Judge generated images by real ones: FID, KID, IS, precision, recall and more."""
    from tfgan2.evaluation import check_features, check_metrics

    names = [name.strip() for item in metrics or [] for name in item.split(",") if name.strip()]
    chosen = check_metrics(names) if names else None
    if features is not None:
        check_features(features)
    if out is not None:
        out = out.absolute()
        check_place(out)
    only = [name.strip() for item in classes or [] for name in item.split(",")] or None
    check_local_out(place, out)
    source = run_folder(place)
    asked = _Asked(source, real, dataset, only, split, data_dir, image_size, seed, checkpoint)
    asked.check()
    from tfgan2.cli import tensorflow
    from tfgan2.training.progress import Display

    display = Display()
    display.say("loading TensorFlow")
    tensorflow.load()
    from tfgan2.training.loop import make_deterministic

    make_deterministic()
    from tfgan2.evaluation import evaluate as judge
    from tfgan2.evaluation import extractor_for, write
    from tfgan2.evaluation.references import Cache, cache_folder

    folder = cache or cache_folder()
    try:
        fakes, reals = _samples(asked, display)
        extractor = extractor_for(features, reals.whole, cache=folder, progress=display.loading)
        display.loaded()
        found = judge(
            fakes,
            reals,
            extractor,
            metrics=chosen,
            count=count,
            seed=seed,
            references=Cache(folder),
            progress=display.loading,
        )
    finally:
        display.loaded()
    if out is None:
        out = _place(asked, found)
    try:
        write(out, found.to_json(), found.pictures)
    except OSError as error:
        raise cannot_write(out, error) from error
    _show(found)
    print(f"{out / 'index.html'}: figures, pictures and the protocol, {found.protocol_id}")


@dataclass(frozen=True)
class _Asked:
    """What is to be judged, and by what."""

    source: Path
    real: Path | None
    dataset: str | None
    classes: list[str] | None
    split: str | None
    data_dir: str | None
    image_size: int | None
    seed: int
    checkpoint: str
    hold_out: int = 0

    def as_trained(self, data: dict[str, Any]) -> _Asked:
        """The same, with what an exported file tells of its data where nothing else is asked."""
        return replace(
            self,
            classes=self.classes or data.get("classes"),
            split=self.split or data.get("split"),
            hold_out=0 if self.split else data.get("hold_out") or 0,
        )

    @property
    def is_run(self) -> bool:
        return runs.is_run(self.source)

    @property
    def is_file(self) -> bool:
        return self.source.suffix.lower() in (".onnx", ".tflite")

    def check(self) -> None:
        """Raises a UserError for what is wrong already without loading anything."""
        if not self.source.exists():
            raise UserError(f"{self.source} does not exist: give a run, an exported file or folder")
        if not self.is_file and not self.source.is_dir():
            raise UserError(f"{self.source.name} is of an unknown kind: give a .onnx or .tflite")
        if self.real is not None and self.dataset is not None:
            raise UserError("give a folder of real pictures or --dataset, not both")
        if self.real is not None and not self.real.is_dir():
            raise UserError(f"{self.real} is no folder: give a folder of real pictures")
        if self.real is not None and (self.split or self.data_dir):
            raise UserError("--split and --data-dir are of tensorflow-datasets: leave them out")
        if self.checkpoint != runs.NEWEST and not self.is_run:
            raise UserError(f"{self.source} has no checkpoints: leave --checkpoint out")
        if self.classes and (self.real or (self.is_run and self.dataset is None)):
            raise UserError("--classes are those of --dataset: leave them out")
        if self.is_run:
            runs.RunConfig.read(self.source)
            if self.image_size is not None:
                raise UserError("a run has its image size: leave --image-size out")
        elif not self.is_file and self.real is None and self.dataset is None:
            raise UserError(
                f"by what is {self.source} to be judged? Give a folder of real pictures after it, "
                "or --dataset"
            )


def _samples(asked: _Asked, display: Display) -> tuple[Samples, RealSamples]:
    """What is judged, and what by."""
    from tfgan2.evaluation import samples

    if asked.is_run:
        return _of_run(asked, display)
    if asked.is_file:
        from tfgan2 import registry, runtime

        generator = runtime.load(asked.source)
        about = generator.metadata.get("about", {})
        height, _, channels = generator.image_shape
        name = asked.dataset or about.get("dataset")
        if asked.real is None and not name:
            raise UserError(f"{asked.source} does not say what it was trained on: give --dataset")
        if asked.dataset is None and asked.real is None:
            asked = asked.as_trained(about.get("data", {}))
        reals = _reals(asked, name, height, channels, display)
        flavour, places = about.get("flavour", ""), None
        known = flavour in registry.flavours()
        if known and getattr(registry.load_class(flavour), "labels_are_classes", False):
            places = samples.label_places(generator.class_names, reals.dataset.class_names)
        return samples.FileSamples(generator, asked.source, asked.seed, places), reals
    size, colour = asked.image_size, False
    folders = [asked.source, *([asked.real] if asked.real else [])]
    found = [samples.size_of_pictures(folder, size is None) for folder in folders]
    if size is None:
        size = found[0][0]
        if found[-1][0] != size:
            raise UserError(
                f"the pictures in {asked.source} have an edge of {size}, those in {asked.real} of "
                f"{found[-1][0]}: give --image-size"
            )
    colour = any(each[1] for each in found)
    reals = _reals(asked, asked.dataset, size, 3 if colour else 1, display)
    channels = reals.image_shape[-1]
    loaded = _load(f"folder:{asked.source}", display, image_size=size, channels=channels)
    return samples.FolderSamples(loaded, asked.source), reals


def _reals(
    asked: _Asked, name: str | None, size: int, channels: int, display: Display
) -> RealSamples:
    """The images to judge by, of this size."""
    from tfgan2.data import POINTS
    from tfgan2.evaluation.samples import RealSamples, real_samples

    options: dict[str, Any] = {"image_size": size, "channels": channels}
    if asked.real is not None:
        return RealSamples(_load(f"folder:{asked.real}", display, **options), "all")
    assert name is not None
    if name in POINTS or name == "stacked_mnist":
        options.pop("channels")
    if name in POINTS:
        options = {}
    options |= {
        "split": asked.split,
        "data_dir": asked.data_dir,
        "classes": asked.classes,
        "hold_out": asked.hold_out,
    }
    return real_samples(_load(name, display, **options), held_out=False, split=asked.split)


def _of_run(asked: _Asked, display: Display) -> tuple[Samples, RealSamples]:
    """Samples of a run, and its data or others."""
    from tfgan2.evaluation.samples import (
        LatentSamples,
        TranslatedSamples,
        label_places,
        real_samples,
    )

    config = runs.RunConfig.read(asked.source)
    model, about = runs.load_model(asked.source, asked.checkpoint)
    step, batch_size = about["step"], config.training.batch_size or model.batch_size
    kimg = step * batch_size * model.batches_per_step / 1000
    who = {"run": asked.source.name, "flavour": about["flavour"], "step": step, "kimg": kimg}
    latent = hasattr(model, "draw_latents")

    def fakes(reals: RealSamples) -> LatentSamples:
        places = label_places(about["class_names"], reals.dataset.class_names)
        return LatentSamples(model, who, asked.seed, places)

    if asked.real is not None or asked.dataset is not None:
        if not latent:
            raise UserError(
                f"{about['flavour']} is judged by what it was to make of its inputs: leave the "
                "other reference out"
            )
        height, _, channels = model.image_shape
        reals = _reals(asked, asked.dataset, height, channels, display)
        return fakes(reals), reals
    options = config.data
    if asked.split is not None:
        options = replace(options, split=asked.split, hold_out=0)
    if asked.data_dir is not None:
        options = replace(options, data_dir=remote.absolute(asked.data_dir))
    dataset = options.load(display.loading)
    display.loaded()
    reals = real_samples(dataset, held_out=not latent, split=options.split)
    if latent:
        return fakes(reals), reals
    return TranslatedSamples(model, dataset.held_out or dataset, who), reals


def _load(name: str, display: Display, **options: Any) -> Any:
    from tfgan2.data import load_dataset

    dataset = load_dataset(name, **options, progress=display.loading)
    display.loaded()
    return dataset


def _place(asked: _Asked, found: Evaluation) -> Path:
    """Where a result goes if nobody says."""
    if asked.is_run:
        return folder_of(asked.source, found)
    path = asked.source.resolve()
    name = re.sub(r"[^A-Za-z0-9_]+", "-", path.name)
    # Two of one name must not take each other's place.
    told = hashlib.sha256(str(path).encode()).hexdigest()[:6]
    return Path("evaluation").absolute() / f"{name}-{told}-{name_of(found)}"


def _show(found: Evaluation) -> None:
    from tfgan2.evaluation import FIGURES

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=120)  # a pipe has no width
    table = Table()
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("what it says")
    for name, value in found.figures.items():
        figure = FIGURES[name]
        table.add_row(figure.title, figure.text(value), figure.meaning)
    console.print(table)
