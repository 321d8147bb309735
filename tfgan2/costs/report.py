"""All that is told of what a flavour costs, fit for JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from tfgan2 import hyperparameters, registry, runs
from tfgan2.costs.cards import CARDS, Card, find_card, find_network
from tfgan2.costs.prediction import ASSUMPTIONS, predict

if TYPE_CHECKING:
    from tfgan2.costs.graph import Work
    from tfgan2.costs.measuring import Measured
    from tfgan2.costs.model import ModelCost
    from tfgan2.models.base import GenerativeModel

NOTE = "predicted, not measured, by published peaks and bandwidths; every GPU has its own batch"


@dataclass(frozen=True)
class Asked:
    """Whose costs are asked for.

    Attributes:
        flavour: its name.
        image_shape: (height, width, channels), of inputs and outputs alike.
        batch_size: of an update and a GPU; None: as `tfgan2 fit` takes it.
        hyperparameters: those that are not at their defaults.
        precision: one of the precisions of `tfgan2.options.TrainingOptions`.
        xla: whether what is timed is compiled.
        steps: how many are timed, 0 for none.
        gpu: the one to predict for, None for all that are known.
        network: between machines, None for what is usual.
    """

    flavour: str
    image_shape: tuple[int, int, int] = (32, 32, 3)
    batch_size: int | None = None
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    precision: str = "float32"
    xla: bool = True
    steps: int = 10
    gpu: str | None = None
    network: str | None = None

    def check(self) -> None:
        """Raises a UserError for a wrong name; imports no TensorFlow."""
        registry.find(self.flavour)
        if self.gpu is not None:
            find_card(self.gpu)
        if self.network is not None:
            find_network(self.network)


Progress = Callable[[str, int, int], None]


def report(
    asked: Asked, *, devices: str = "CPU", progress: Progress = lambda text, done, total: None
) -> dict[str, Any]:
    """Counts, measures and predicts.

    Args:
        asked: of what.
        devices: of this machine, to be named.
        progress: called with what is being done, how much of it is done, and of how much.

    Returns:
        "counted", "measured" or None, "predicted", and what they are of. Bytes, FLOPs and seconds
        are whole units; docs/costs.md tells what each of them is.

    Raises:
        UserError: an unknown name, hyperparameters that are not possible, or a step that cannot be
            counted.
    """
    asked.check()
    from tfgan2.costs.measuring import made_up_batch, measure
    from tfgan2.costs.model import count_model

    model = _model(asked)
    batch_size = asked.batch_size or model.batch_size
    model.check_batch_size(batch_size)
    batch = made_up_batch(model, batch_size)
    progress("counting", 0, 1)
    cost = count_model(model, batch)
    measured = None
    if asked.steps:
        measured = measure(
            model, batch, steps=asked.steps, xla=asked.xla, devices=devices, progress=progress
        )
    chosen = {
        name: value
        for name, value in model.get_config().items()
        if name not in hyperparameters.NOT_SETTABLE
    }
    return {
        "flavour": asked.flavour,
        "image_shape": list(asked.image_shape),
        "batch_size": batch_size,
        "precision": asked.precision,
        "hyperparameters": chosen,
        "versions": runs.versions(),
        "counted": _counted(cost),
        "measured": measured and _measured(measured, cost, asked.xla),
        "predicted": _predicted(asked, cost),
    }


def _model(asked: Asked) -> GenerativeModel:
    from tfgan2.costs.measuring import made_up_facts
    from tfgan2.training.building import precision

    cls = registry.load_class(asked.flavour)
    given = cls.data_hyperparameters(made_up_facts(asked.image_shape))
    with precision(asked.precision):
        model = registry.create(asked.flavour, **{**asked.hyperparameters, **given})
        model.compile()
    model.plan(model.planned_steps)
    return model


def _work(work: Work, images: int) -> dict[str, Any]:
    return {
        "flops": round(work.total_flops),
        "flops_per_image": round(work.total_flops / images),
        "flops_by_op": {name: round(value) for name, value in sorted(work.by_op.items())},
        "flops_by_dtype": {name: round(value) for name, value in sorted(work.flops.items())},
        "products": round(work.products),
        "other_ops": round(work.others),
        "product_bytes": round(work.product_bytes),
        "other_bytes": round(work.other_bytes),
        "written_bytes": round(work.written_bytes),
        "written_bytes_per_image": round(work.written_bytes / images),
        "unsized_ops": round(work.unsized),
    }


def _counted(cost: ModelCost) -> dict[str, Any]:
    mean, images = cost.mean, cost.images_per_step
    return {
        "images_per_step": images,
        "parameters": cost.parameters,
        "weight_bytes": cost.weight_bytes,
        "optimizer_bytes": cost.optimizer_bytes,
        "checkpoint_bytes": cost.checkpoint_bytes,
        "input_bytes_per_image": cost.input_bytes,
        "step": {
            **_work(mean.work, images),
            "gradient_bytes": round(mean.gradient_bytes),
            "updates": mean.updates,
        },
        "phases": [
            {
                "name": phase.name,
                "share": phase.share,
                **_work(phase.work, images),
                "gradient_bytes": round(phase.gradient_bytes),
                "updates": phase.updates,
            }
            for phase in cost.phases
        ],
        "exports": {
            name: {"parameters": item.parameters, "bytes": item.bytes, **_work(item.work, 1)}
            for name, item in cost.exports.items()
        },
    }


def _measured(measured: Measured, cost: ModelCost, xla: bool) -> dict[str, Any]:
    speed = cost.mean.work.total_flops / measured.seconds_per_step
    return {
        **asdict(measured),
        "xla": xla,
        "flops_per_second": speed,
        "share_of_peak": speed / measured.peak_flops,
    }


def _predicted(asked: Asked, cost: ModelCost) -> dict[str, Any]:
    names = [asked.gpu.lower()] if asked.gpu else list(CARDS)

    def rows(card: Card) -> dict[str, Any]:
        network = find_network(asked.network or card.network)
        found = {
            name: [
                asdict(item)
                for item in predict(cost.mean, cost.images_per_step, card, network, assumed)
            ]
            for name, assumed in ASSUMPTIONS.items()
        }
        return {"title": card.title, "network": network.title, **found}

    return {
        "note": NOTE,
        "assumptions": {name: asdict(assumed) for name, assumed in ASSUMPTIONS.items()},
        "cards": {name: rows(find_card(name)) for name in names},
    }
