"""How a run, an exported file or a directory of images is to be evaluated."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from tfgan2 import runs
from tfgan2.data.catalogue import PIPELINES
from tfgan2.errors import UserError, unknown
from tfgan2.evaluation.features import check_features
from tfgan2.evaluation.figures import METRICS
from tfgan2.options import Options, option, parse_size, size_text

_option = functools.partial(option, panel="Options")


@dataclass(frozen=True)
class EvaluationRequest(Options):
    """How to evaluate, and what to compare with; raises a UserError for impossible values.

    Attributes:
        real_dir: a directory of real images to compare with.
        hold_out: number of samples of `dataset` that are left out.
        cache_dir: for classifiers and features of real images; default: `tfgan2.cache.cache_dir`.
    """

    metrics: list[str] | None = _option(  # noqa: RUF009
        None, f"{', '.join(METRICS)}; repeat or use commas.", shown="all that the data allow"
    )
    features: str | None = _option(
        None,
        "efficientnet-lite0, efficientnet-lite1, classifier, inception, inception-tf:FILE, pixels "
        "or random-conv-112.",
        shown="efficientnet-lite0 where installed; else classifier for data with labels, or "
        "random-conv-112",
    )
    count: int = _option(10_000, "Number of samples to evaluate.", at_least=2)
    seed: int = _option(0, "Seed of the latents and of KID.")
    dataset: str | None = _option(
        None, "Dataset to compare with.", shown="the training data of the run"
    )
    classes: list[str] | None = _option(  # noqa: RUF009
        None, "Classes of --dataset to compare with; repeat or use commas."
    )
    split: str | None = _option(None, "Split of tensorflow-datasets.", shown="as in training")
    data_dir: str | None = _option(
        None, "Directory of tensorflow-datasets, local or gs://….", metavar="DIR"
    )
    image_size: str | None = _option(
        None,
        "Crop and resize images of directories to this, as for fit.",
        shown="no resizing",
        metavar="N|HxW",
    )
    skip_unreadable: bool = _option(False, "Leave out files of directories that cannot be read.")
    checkpoint: str = _option(runs.NEWEST, "Checkpoint of the run: newest, best or a step.")
    real_dir: Path | None = None
    hold_out: int = 0
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        # In Python a step may be a number, and a path a text.
        object.__setattr__(self, "checkpoint", str(self.checkpoint))
        for name in ("real_dir", "cache_dir"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, Path(getattr(self, name)))
        if self.image_size is not None:
            text = size_text(*parse_size(self.image_size))
            object.__setattr__(self, "image_size", text)
        self.check()
        for name in self.metrics or []:
            if name not in METRICS:
                raise unknown("metric", name, METRICS)
        if self.features is not None:
            check_features(self.features)

    def check_source(self, source: Path) -> None:
        """Raises a UserError for mistakes that show before the source is loaded."""
        is_run, is_file = runs.is_run(source), is_exported(source)
        if not source.exists():
            raise UserError(
                f"'{source}' does not exist: give a run, an exported file or a directory of images"
            )
        if not is_file and not source.is_dir():
            raise UserError(
                f"'{source.name}' cannot be evaluated: give a run, a .onnx or .tflite file, or a "
                "directory of images"
            )
        if self.real_dir is not None:
            if self.dataset is not None:
                raise UserError("give a directory of real images or --dataset, not both")
            if not self.real_dir.is_dir():
                raise UserError(f"'{self.real_dir}' is not a directory of real images")
            if self.split or self.data_dir:
                raise UserError("--split and --data-dir need a dataset: leave them out")
        if self.checkpoint != runs.NEWEST and not is_run:
            raise UserError(f"'{source}' has no checkpoints: leave --checkpoint out")
        if self.classes and (self.real_dir or (is_run and self.dataset is None)):
            raise UserError("--classes need --dataset: give it or leave --classes out")
        if is_run:
            config = runs.RunConfig.read(source)
            takes_latents = "latent_dim" in config.hyperparameters
            if self.classes and not takes_latents:
                raise UserError(
                    f"{config.flavour} is evaluated on its own targets: leave --classes out"
                )
            others = self.real_dir or self.dataset
            if config.data.name in PIPELINES.values() and takes_latents and not others:
                raise UserError(
                    f"no reference data: '{source}' was trained on a pipeline, which runs do not "
                    "keep: give --dataset or a directory of real images"
                )
        if is_run or is_file:
            if self.image_size is not None:
                raise UserError(f"the image size of '{source}' is fixed: leave --image-size out")
        elif self.real_dir is None and self.dataset is None:
            raise UserError(
                f"no reference data for '{source}': give --dataset or a directory of real images"
            )


def is_exported(source: Path) -> bool:
    """Returns whether the name is that of an exported file."""
    return source.suffix.lower() in (".onnx", ".tflite")
