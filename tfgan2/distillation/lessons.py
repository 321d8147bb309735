"""What a teacher makes for its student to learn from."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfgan2 import registry, runs, startup
from tfgan2.errors import UserError
from tfgan2.options import size_text
from tfgan2.training import checkpoints
from tfgan2.training.compiled import folder_of_process
from tfgan2.training.progress import Display

if TYPE_CHECKING:
    from tfgan2.distillation.budget import Budget
    from tfgan2.export.spec import ExportSpec

_OF_PAIRS = {
    "network": "mobile",
    "dropout": 0.0,
    "feature_weight": 10.0,
    "jitter": False,
    "mirror": False,
    "ema_decay": 0.999,
}
"""Hyperparameters of a student of pairs, which the teacher has cropped and mirrored."""


def lesson_of(flavour: str) -> type[Lesson]:
    """Returns the lesson that a teacher of a flavour gives."""
    return PairsOfImages if registry.outline(flavour).data_kind == "pairs" else ImagesOfLatents


class Lesson:
    """What a teacher makes for its student, in a file or folder `path`.

    Attributes:
        flavour, hyperparameters: of the student.
        form: that of the dataset's name.
        suffix: of `path`.
        image_size: size to load the images in, or None.
    """

    flavour: str
    hyperparameters: Mapping[str, Any] = {}
    form: str
    suffix = ""
    image_size: str | None = None

    def __init__(
        self,
        run_dir: Path,
        checkpoint: str = runs.NEWEST,
        count: int | None = None,
        size: tuple[int, int] | None = None,
        path: str | None = None,
        *,
        quiet: bool = False,
    ) -> None:
        """Reads the teacher's run; makes no images yet.

        Args:
            run_dir: the teacher's run.
            checkpoint: as for `runs.load_model`.
            count: number of images; default: as the subclass says.
            size: height and width of the student's images; default: the teacher's.
            path: file or folder for the images; default: one in the run.
            quiet: show nothing.

        Raises:
            UserError: no such run or checkpoint.
        """
        self.run_dir, self.checkpoint, self.count, self.size = run_dir, checkpoint, count, size
        self.display = Display(quiet=quiet)
        self.config = runs.RunConfig.read(run_dir)
        self.step = checkpoints.choose(run_dir, checkpoint).step
        if checkpoint == runs.NEWEST:  # the teacher may still train
            self.checkpoint = str(self.step)
        default = run_dir / "taught" / f"{self.name()}{self.suffix}"
        self.path = Path(path or default).absolute()

    def name(self) -> str:
        """Returns the name of the file by default, which differs where the images do."""
        return f"step-{self.step:07d}-{self.count or 'default'}"

    @property
    def dataset(self) -> str:
        return f"{self.form}:{self.path}"

    def prepare(self) -> None:
        """Lets the teacher make the images, unless `path` exists."""
        if self.path.exists():
            self.display.say(f"images of the teacher: {self.path}, made before")
            return
        startup.load(folder_of_process(), self.display.say)
        with contextlib.closing(self.display):
            count = self.make()
        self.display.say(f"images of the teacher: {self.path}, {count:,}")

    def check_made(self) -> None:
        """Raises a UserError if `path` holds something else than the teacher would make now."""
        if not self.path.exists():
            return
        found = self.found()
        now: dict[str, Any] = {
            "flavour": self.config.flavour,
            "dataset": self.config.source,
            "step": self.step,
            "images": self.count or found["images"],
            "size": self.made(),
        }
        for name, value in now.items():
            if found.get(name) != value:
                raise UserError(
                    f"{self.path} was made for another student: its {name} is {found.get(name)}, "
                    f"not {value}",
                    ": give another --taught, or remove it",
                )

    def widest(self, budget: Budget) -> dict[str, int]:
        """Returns the channels of the widest student within a budget."""
        from tfgan2.distillation.budget import widest

        self.display.say("finding the widest student within the budget")
        startup.load(folder_of_process())
        values, _ = widest(budget, self.student(), self.display.say)
        return values

    def _size_text(self) -> str | None:
        return None if self.size is None else size_text(*self.size)

    def own_size(self) -> tuple[int, int]:
        """Returns the height and width of the teacher's images."""
        height, width, _ = self.config.hyperparameters["image_shape"]
        return height, width

    def made(self) -> tuple[int, int]:
        """Returns the size of the images in `path`."""
        raise NotImplementedError

    def found(self) -> Mapping[str, Any]:
        """Reads the facts of `path`, with the number and size of the images."""
        raise NotImplementedError

    def make(self) -> int:
        """Writes `path`; returns the number of images."""
        raise NotImplementedError

    def student(self) -> Callable[[int, int], ExportSpec]:
        """Returns what builds a student of so many base channels, and so many at most."""
        raise NotImplementedError


class ImagesOfLatents(Lesson):
    """Images drawn from latents, in their size for the student."""

    flavour, form, suffix = "student", "taught", ".npz"

    def name(self) -> str:
        return "-".join([super().name(), *filter(None, [self._size_text()])])

    def made(self) -> tuple[int, int]:
        return self.size or self.own_size()

    def found(self) -> Mapping[str, Any]:
        from tfgan2.data.taught import Taught

        taught = Taught.read(self.path)
        shape = taught.images.shape
        return {**taught.teacher, "images": shape[0], "size": shape[1:3]}

    def make(self) -> int:
        from tfgan2.distillation.teaching import taught_by

        taught = taught_by(
            self.run_dir,
            checkpoint=self.checkpoint,
            count=self.count,
            size=self.size,
            progress=self.display.loading,
        )
        taught.write(self.path)
        return len(taught.images)

    def student(self) -> Callable[[int, int], ExportSpec]:
        from tfgan2.distillation.budget import student_of_latents
        from tfgan2.distillation.teaching import check_teacher

        model, about = runs.load_model(self.run_dir, self.checkpoint)
        check_teacher(model, about["flavour"])
        shape = (*self.made(), model.image_shape[2])
        latents = (model.latent_dim, model.latent_distribution)
        return partial(student_of_latents, shape, *latents, about["class_names"])


class PairsOfImages(Lesson):
    """Pairs of images, in the teacher's size; the student's data are resized when loaded."""

    flavour, form = "pix2pix", "taught-pairs"
    hyperparameters = _OF_PAIRS

    @property
    def image_size(self) -> str | None:  # type: ignore[override]
        return self._size_text()

    def made(self) -> tuple[int, int]:
        return self.own_size()

    def found(self) -> Mapping[str, Any]:
        from tfgan2.data.taught import read_facts

        return read_facts(self.path)

    def make(self) -> int:
        from tfgan2.distillation.pairs import write_pairs

        return write_pairs(
            self.run_dir,
            self.path,
            checkpoint=self.checkpoint,
            count=self.count,
            progress=self.display.loading,
        )

    def student(self) -> Callable[[int, int], ExportSpec]:
        from tfgan2.distillation.budget import student_of_images

        teacher = self.config.hyperparameters
        shape = (*(self.size or self.own_size()), teacher["image_shape"][2])
        channels = teacher["input_channels"]
        model = registry.create(
            self.flavour, image_shape=shape, input_channels=channels, **_OF_PAIRS
        )
        return partial(student_of_images, model)
