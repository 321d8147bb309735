"""What is to be judged, and by what: a run, a file or a folder by its own data or by others.

Imports no TensorFlow until something is loaded.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfgan2 import remote, runs
from tfgan2.errors import UserError
from tfgan2.evaluation.report import folder_of, name_of

if TYPE_CHECKING:
    from tfgan2.data import ImageDataset
    from tfgan2.evaluation.evaluate import Evaluation
    from tfgan2.evaluation.samples import RealSamples, Samples

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Question:
    """What is to be judged, and by what.

    Attributes:
        source: a run, an exported file, or a folder of pictures.
        real: a folder of real pictures, or None.
        dataset: the name of one to judge by; None: `real`, or the data of the training.
        classes: those of `dataset` that count; None for all.
        split: of tensorflow-datasets; None: as of the training.
        data_dir: where tensorflow-datasets keeps its data.
        image_size: folders are resized to it; None: as they are.
        seed: of the latents.
        checkpoint: of a run.
        hold_out: how many samples of the dataset are not judged by.
    """

    source: Path
    real: Path | None = None
    dataset: str | None = None
    classes: list[str] | None = None
    split: str | None = None
    data_dir: str | None = None
    image_size: int | None = None
    seed: int = 0
    checkpoint: str = runs.NEWEST
    hold_out: int = 0

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

    def load(self, progress: Progress) -> tuple[Samples, RealSamples]:
        """What is judged, and what by.

        Args:
            progress: as for `tfgan2.data.load_dataset`.

        Raises:
            UserError: something cannot be loaded, or the two do not fit each other.
        """
        if self.is_run:
            return self._of_run(progress)
        if self.is_file:
            return self._of_file(progress)
        return self._of_folder(progress)

    def place(self, found: Evaluation) -> Path:
        """Where a result goes if nobody says."""
        if self.is_run:
            return folder_of(self.source, found)
        path = self.source.resolve()
        name = re.sub(r"[^A-Za-z0-9_]+", "-", path.name)
        # Two of one name must not take each other's place.
        told = hashlib.sha256(str(path).encode()).hexdigest()[:6]
        return Path("evaluation").absolute() / f"{name}-{told}-{name_of(found)}"

    def _of_run(self, progress: Progress) -> tuple[Samples, RealSamples]:
        """Samples of a run, and its data or others."""
        from tfgan2.evaluation.samples import (
            LatentSamples,
            TranslatedSamples,
            label_places,
            real_samples,
        )

        config = runs.RunConfig.read(self.source)
        model, about = runs.load_model(self.source, self.checkpoint)
        step, batch_size = about["step"], config.training.batch_size or model.batch_size
        kimg = step * batch_size * model.batches_per_step / 1000
        who = {"run": self.source.name, "flavour": about["flavour"], "step": step, "kimg": kimg}
        latent = hasattr(model, "draw_latents")

        def fakes(reals: RealSamples) -> LatentSamples:
            places = label_places(about["class_names"], reals.dataset.class_names)
            return LatentSamples(model, who, self.seed, places)

        if self.real is not None or self.dataset is not None:
            if not latent:
                raise UserError(
                    f"{about['flavour']} is judged by what it was to make of its inputs: leave the "
                    "other reference out"
                )
            height, _, channels = model.image_shape
            reals = self._reals(self.dataset, height, channels, progress)
            return fakes(reals), reals
        options = config.data
        if self.split is not None:
            options = replace(options, split=self.split, hold_out=0)
        if self.data_dir is not None:
            options = replace(options, data_dir=remote.absolute(self.data_dir))
        dataset = options.load(progress)
        reals = real_samples(dataset, held_out=not latent, split=options.split)
        if latent:
            return fakes(reals), reals
        return TranslatedSamples(model, dataset.held_out or dataset, who), reals

    def _of_file(self, progress: Progress) -> tuple[Samples, RealSamples]:
        """Samples of an exported file, and the data that it was trained on or others."""
        from tfgan2 import registry, runtime
        from tfgan2.evaluation.samples import FileSamples, label_places

        generator = runtime.load(self.source)
        if not isinstance(generator, runtime.Generator):
            raise UserError(f"{self.source} makes images from images: evaluate its run instead")
        about = generator.metadata.get("about", {})
        height, _, channels = generator.image_shape
        name = self.dataset or about.get("dataset")
        if self.real is None and not name:
            raise UserError(f"{self.source} does not say what it was trained on: give --dataset")
        asked = self
        if self.dataset is None and self.real is None:
            asked = self._as_trained(about.get("data", {}))
        reals = asked._reals(name, height, channels, progress)
        flavour, places = about.get("flavour", ""), None
        known = flavour in registry.flavours()
        if known and getattr(registry.load_class(flavour), "labels_are_classes", False):
            places = label_places(generator.class_names, reals.dataset.class_names)
        return FileSamples(generator, self.source, self.seed, places), reals

    def _as_trained(self, data: dict[str, Any]) -> Question:
        """The same, with what an exported file tells of its data where nothing else is asked."""
        return replace(
            self,
            classes=self.classes or data.get("classes"),
            split=self.split or data.get("split"),
            hold_out=0 if self.split else data.get("hold_out") or 0,
        )

    def _of_folder(self, progress: Progress) -> tuple[Samples, RealSamples]:
        """The pictures of a folder, and those of another or a dataset."""
        from tfgan2.evaluation.samples import FolderSamples, size_of_pictures

        size = self.image_size
        folders = [self.source, *([self.real] if self.real else [])]
        found = [size_of_pictures(folder, size is None) for folder in folders]
        if size is None:
            size = found[0][0]
            if found[-1][0] != size:
                raise UserError(
                    f"the pictures in {self.source} have an edge of {size}, those in {self.real} "
                    f"of {found[-1][0]}: give --image-size"
                )
        colour = any(each[1] for each in found)
        reals = self._reals(self.dataset, size, 3 if colour else 1, progress)
        channels = reals.image_shape[-1]
        loaded = _folder(self.source, size, channels, progress)
        return FolderSamples(loaded, self.source), reals

    def _reals(self, name: str | None, size: int, channels: int, progress: Progress) -> RealSamples:
        """The images to judge by, of this size."""
        from tfgan2.data import POINTS, load_dataset
        from tfgan2.evaluation.samples import RealSamples, real_samples

        if self.real is not None:
            return RealSamples(_folder(self.real, size, channels, progress), "all")
        assert name is not None
        sizes: dict[str, Any] = {}
        if name not in POINTS:
            sizes["image_size"] = size
            if name != "stacked_mnist":
                sizes["channels"] = channels
        dataset = load_dataset(
            name,
            **sizes,
            split=self.split,
            data_dir=self.data_dir,
            classes=self.classes,
            hold_out=self.hold_out,
            progress=progress,
        )
        return real_samples(dataset, held_out=False, split=self.split)


def _folder(folder: Path, size: int, channels: int, progress: Progress) -> ImageDataset:
    from tfgan2.data import load_dataset

    return load_dataset(f"folder:{folder}", image_size=size, channels=channels, progress=progress)
