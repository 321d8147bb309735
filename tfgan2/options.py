"""The options of a run. Each is declared once, with its default, help, range and choices.

From these declarations come the options of `tfgan2 fit`, the keyword arguments of `tfgan2.fit`, the
checks and `config.json`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from functools import partial
from typing import Any, TypeVar, get_type_hints

from tfgan2.errors import UserError, unknown
from tfgan2.hyperparameters import Option

DATA, TRAINING, OUTPUT, EVALUATION = "Data", "Training", "Run directory", "Evaluation"


def option(
    default: Any,
    help: str,
    *,
    panel: str = TRAINING,
    shown: str = "",
    flag: str = "",
    metavar: str | None = None,
    **limits: Any,
) -> Any:
    """Declares an option as a field of a dataclass; `limits` are those of `Option`.

    A command's help lists it in the part `panel`, with `shown` in place of the default and
    `metavar` in place of the value. `flag` is its name on the command line, default: --name.
    """
    declared = Option(default, help, **limits)
    metadata = {"option": declared, "panel": panel, "shown": shown, "flag": flag}
    return field(default=default, metadata={**metadata, "metavar": metavar})


_data, _output, _evaluation = (partial(option, panel=panel) for panel in (DATA, OUTPUT, EVALUATION))


_Function = TypeVar("_Function", bound=Callable[..., Any])


class Options:
    """Base class of the dataclasses that declare options."""

    @classmethod
    def declared(cls) -> Iterator[Field[Any]]:
        """Yields the fields that were declared with `option`."""
        return (item for item in fields(cls) if item.metadata)  # type: ignore[arg-type]

    def check(self) -> None:
        """Makes each value one of its type, see `Option.checked`; a UserError if it cannot be."""
        for item in self.declared():
            declared = replace(item.metadata["option"], name=item.name, type=str(item.type))
            value = declared.checked(getattr(self, item.name))
            object.__setattr__(self, item.name, value)  # some are frozen


def show_options(
    function: _Function,
    *classes: type[Options],
    annotate: Any = None,
    only: Container[str] | None = None,
) -> _Function:
    """Puts declared options, all or `only` these, into a signature in place of `**options`.

    `help` and notebooks show them. `annotate` makes the annotation of an option that may be left
    out, from its field and its type. Without it, the function is for Python, and all fields with a
    default are shown, declared or not.
    """
    signature = inspect.signature(function, eval_str=annotate is not None)
    *parameters, _ = signature.parameters.values()
    keyword = inspect.Parameter.KEYWORD_ONLY
    for declared in classes:
        types = get_type_hints(declared) if annotate else {}
        for item in declared.declared() if annotate else fields(declared):  # type: ignore[arg-type]
            if item.default is MISSING or item.name in signature.parameters:
                continue
            if only is not None and item.name not in only:
                continue
            default, kind = item.default, item.type
            if annotate is not None:
                default, kind = None, annotate(item, types[item.name])
            parameters.append(
                inspect.Parameter(item.name, keyword, default=default, annotation=kind)
            )
    function.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return function


def check_names(function: Callable[..., Any], given: Iterable[str]) -> None:
    """Raises a UserError if one of the names is no argument of a function or class."""
    known = inspect.signature(function).parameters
    for name in given:
        if name not in known:
            raise unknown("option", name, known)


@dataclass
class DataOptions(Options):
    """The images of a run, see `tfgan2.data.load_dataset`.

    `config.json` holds the resolved number in `hold_out`.
    """

    name: str
    image_size: str | None = _data(
        None,
        "Crop and resize to this: the edge of a square, or a height and a width such as 48x32.",
        shown="square",
        metavar="N|HxW",
    )
    channels: int | None = _data(
        None, "1: grey, 3: color, 4: color and transparency.", choices=(1, 3, 4)
    )
    classes: list[str] | None = _data(  # noqa: RUF009
        None, "Only these classes, by name or number; repeatable, or with commas."
    )
    split: str | None = _data(None, "Split of tensorflow-datasets, for example train+test.")
    data_dir: str | None = _data(
        None, "Folder of tensorflow-datasets; may be gs://….", metavar="DIR"
    )
    hold_out: int | None = _data(
        None,
        "Number of images kept out of training.",
        shown="16 for image-to-image flavours, else 0",
    )
    direction: str = _data(
        "AtoB", "Direction of pairs and unpaired images.", choices=("AtoB", "BtoA")
    )
    balance: bool = _data(False, "Draw all classes equally often, whatever their frequency.")
    cache: str = _data(
        "auto", "Keep the images in memory, or stream them.", choices=("auto", "memory", "stream")
    )
    skip_unreadable: bool = _data(False, "Leave out files that cannot be read.")
    value_range: list[str] | None = _data(  # noqa: RUF009
        None,
        "Values of files that become black and white, for example 0,4095.",
        shown="found in the files",
        metavar="LOW,HIGH",
    )

    def check(self) -> None:
        if self.image_size is not None:
            self.image_size = size_text(*parse_size(self.image_size))
        if self.value_range is not None:
            parse_range(self.value_range)
        super().check()


def parse_size(value: Any) -> tuple[int, int]:
    """Returns height and width of an `image_size`, such as 64, "48x32" or (48, 32)."""
    parts = value if isinstance(value, list | tuple) else str(value).split("x")
    given = "x".join(map(str, parts))
    try:
        edges = [int(part) for part in parts]
    except (TypeError, ValueError):
        edges = []
    if len(edges) not in (1, 2):
        raise UserError(
            f"image_size must be a number of pixels, or a height and a width such as 48x32, not "
            f"{given!r}"
        )
    if min(edges) < 4 or max(edges) > 1024:
        raise UserError(f"image_size must be from 4 to 1024, not {given}")
    return edges[0], edges[-1]


def size_text(height: int, width: int) -> str:
    """Formats a size as `parse_size` reads it, for example "64" or "48x32"."""
    return str(height) if height == width else f"{height}x{width}"


def parse_range(value: Sequence[str | float]) -> tuple[float, float]:
    """Returns the two numbers of a `value_range`; a UserError unless it has two, in order."""
    try:
        low, high = map(float, value.split(",") if isinstance(value, str) else value)
    except (TypeError, ValueError):
        low = high = 0.0
    if not -math.inf < low < high < math.inf:
        given = ",".join(map(str, value)) if isinstance(value, list | tuple) else value
        raise UserError(
            f"value_range must be two numbers, the smaller first, such as 0,4095, not {given!r}"
        )
    return low, high


@dataclass
class TrainingOptions(Options):
    """Options of training: how a run trains, what it writes and when.

    `config.json` holds the resolved number in `batch_size`, and all values of the preset.
    """

    preset: str | None = option(
        None,
        "Values for a purpose, such as few, cpu or paper, under those given here; "
        "`tfgan2 info FLAVOUR` lists them.",
        metavar="NAME",
    )
    init_from: str | None = option(
        None,
        "Begin with the weights of this run, or of a checkpoint in .npz, where they fit.",
        metavar="RUN|FILE",
    )
    steps: int = option(5000, "Number of updates of the generator.", at_least=1)
    batch_size: int | None = option(
        None, "Images per update, over all devices.", at_least=1, shown="64, or the paper's"
    )
    accumulate: int = option(1, "Micro-batches of an update, one in memory at a time.", at_least=1)
    seed: int = option(0, "Seed of weights, noise and data order.", at_most=2**31 - 1)
    precision: str = option(
        "float32",
        "Precision of the computation.",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
    )
    xla: bool = option(True, "Compile the step with XLA.", shown="on one device")
    winograd: bool = option(
        True, "Use faster forms of convolutions.", shown="on the CPU with XLA in float32"
    )
    steps_per_call: str = option(
        "auto",
        "Steps that are trained before losses are read and signals answered: a number, or auto.",
        shown="auto: as many as take 0.2 s",
        metavar="auto|N",
    )
    device_share: float = option(
        0.25,
        "Part of a GPU's free memory that images may take; if they need more, they are sent there "
        "batch by batch.",
        at_most=1,
    )
    deterministic: bool = option(
        True, "Compute the same bits each time.", shown="on a GPU some 10 % slower"
    )
    strategy: str = option(
        "auto",
        "Train on one device, on all of this machine, or on all machines in TF_CONFIG.",
        choices=("auto", "none", "mirrored", "multiworker"),
        shown="auto: all there are",
    )
    sync_batch_norm: bool = option(False, "Compute batch norm statistics over all devices.")
    log_every: int = _output(50, "Steps between lines of statistics.", at_least=1)
    sample_every: int = _output(250, "Steps between sample grids.", at_least=1)
    checkpoint_every: int = _output(500, "Steps between checkpoints.", at_least=1)
    keep_checkpoints: int = _output(3, "Number of newest checkpoints to keep.", at_least=1)
    sample_count: int = _output(64, "Number of samples in a grid.", at_least=1)
    evaluate_every: int | None = _evaluation(
        None, "Steps between evaluations, see `tfgan2 evaluate`.", at_least=1, shown="never"
    )
    evaluate_count: int = _evaluation(2000, "Generated samples per evaluation.", at_least=2)
    evaluate_features: str | None = _evaluation(
        None,
        "Feature extractor of the evaluations.",
        shown="as for `tfgan2 evaluate`",
    )
    evaluate_metrics: list[str] | None = _evaluation(  # noqa: RUF009
        None,
        "Metrics of the evaluations; repeatable, or with commas.",
        shown="all of fid, prdc, classes, modes and pairs that the data allow",
    )
    best_metric: str | None = _evaluation(
        None,
        "Keep the checkpoint with the best value of this figure.",
        shown="fid; good_samples for points",
    )

    def check(self) -> None:
        self.steps_per_call = str(self.steps_per_call)
        steps = self.steps_per_call
        if steps != "auto" and not (steps.isdecimal() and int(steps)):
            raise UserError(f"steps_per_call must be auto or a number from 1, not {steps!r}")
        super().check()
