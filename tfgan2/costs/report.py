"""Everything that is known about what a flavour costs, fit for JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tfgan2 import registry, runs

if TYPE_CHECKING:
    from tfgan2.models.base import GenerativeModel


@dataclass(frozen=True)
class CostRequest:
    """The flavour and settings to report on.

    Attributes:
        flavour: name of the flavour.
        image_shape: (height, width, channels) of inputs and outputs.
        batch_size: of one update; None: the flavour's default.
        hyperparameters: those that differ from their defaults.
        precision: one of the precisions of `tfgan2.options.TrainingOptions`.
        xla: whether timed steps are compiled with XLA.
        steps: number of timed steps, 0 for none.
    """

    flavour: str
    image_shape: tuple[int, int, int] = (32, 32, 3)
    batch_size: int | None = None
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    precision: str = "float32"
    xla: bool = True
    steps: int = 10


def report(
    request: CostRequest, progress: Callable[[str, int, int], None] = lambda *words: None
) -> dict[str, Any]:
    """Counts and measures what a flavour costs.

    Args:
        request: the flavour and its settings.
        progress: called with what is being done, how much is done, and of how much.

    Returns:
        The settings, "counted", and "measured" or None. Units are bytes, FLOPs and seconds;
        docs/costs.md explains each figure.

    Raises:
        UserError: an unknown name, invalid hyperparameters, or a step that cannot be counted.
    """
    from tfgan2.costs.measuring import measure, random_batch
    from tfgan2.costs.model import count_model

    model = _model(request)
    batch_size = request.batch_size or model.batch_size
    model.check_batch_size(batch_size)
    batch = random_batch(model, batch_size)
    progress("counting", 0, 1)
    counted = count_model(model, batch)
    measured = None
    if request.steps:
        measured = measure(model, batch, steps=request.steps, xla=request.xla, progress=progress)
        speed = counted["step"]["flops"] / measured["seconds_per_step"]
        measured |= {"flops_per_second": speed, "share_of_peak": speed / measured["peak_flops"]}
    return {
        "flavour": request.flavour,
        "image_shape": list(request.image_shape),
        "batch_size": batch_size,
        "precision": request.precision,
        "hyperparameters": {
            name: value
            for name, value in model.get_config().items()
            if model.Config.options[name].settable
        },
        "versions": runs.versions(),
        "counted": counted,
        "measured": measured,
    }


def _model(request: CostRequest) -> GenerativeModel:
    from tfgan2.costs.measuring import random_data_facts
    from tfgan2.training.building import precision

    cls = registry.load_class(request.flavour)
    facts = cls.data_hyperparameters(random_data_facts(request.image_shape))
    with precision(request.precision):
        model = registry.create(request.flavour, **{**request.hyperparameters, **facts})
        model.compile()
    model.plan(model.planned_steps)
    return model
