"""One network to export."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras
    import numpy as np


@dataclass(frozen=True)
class ExportSpec:
    """A network that can be exported.

    Attributes:
        network: its inputs and outputs are named as `tfgan2.export` wants them.
        resized: the same network for other images, given their height and width, None for any; or
            None where that is not possible.
        facts: what the metadata shall tell besides.
        inputs_of: what it is given of real samples, the parts of a batch of the dataset, by the
            names of its inputs; or None where it needs none: latents and labels can be drawn.
    """

    network: keras.Model
    resized: Callable[[int | None, int | None], keras.Model] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    inputs_of: Callable[[tuple[np.ndarray, ...]], dict[str, np.ndarray]] | None = None
