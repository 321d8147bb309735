"""Draws sample grids."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tfgan2 import images
from tfgan2.training import stats
from tfgan2.training.callbacks.base import Logs, StepCallback
from tfgan2.training.callbacks.statistics import Statistics

if TYPE_CHECKING:
    from tfgan2.data import ImageDataset


class Previews(StepCallback):
    """Writes sample grids every N steps, always of the same latents or examples.

    Writes `reals.png` at the beginning; with `statistics`, shows the grids in TensorBoard and draws
    `losses.png`.
    """

    def __init__(
        self,
        run_dir: Path,
        dataset: ImageDataset,
        *,
        every: int = 250,
        count: int = 64,
        seed: int = 0,
        statistics: Statistics | None = None,
    ) -> None:
        """Reads nothing before training begins.

        Args:
            run_dir: the run directory; it must exist.
            dataset: the real images; those that it holds out are shown, if there are any.
            every: steps between two grids.
            count: samples in a grid; the model may round it.
            seed: seed of the latents, and of the choice of real samples.
            statistics: the run's statistics.
        """
        super().__init__(every)
        self.run_dir = run_dir
        self.dataset = dataset
        self.count = count
        self.seed = seed
        self.statistics = statistics

    def on_train_begin(self, logs: Logs = None) -> None:
        super().on_train_begin(logs)
        count, held_out = self.model.preview_count(self.count), self.dataset.held_out
        self._examples = (held_out or self.dataset).some(count, seed=self.seed)
        path = self.run_dir / "reals.png"
        if not path.exists():
            reals = self.dataset.some(count, seed=self.seed) if held_out else self._examples
            shown = [part for part in reals if part.ndim == 4]
            grid = images.side_by_side(*shown) if len(shown) > 1 else shown[0]
            images.save_grid(path, grid)

    def act(self) -> None:
        path = self.run_dir / "samples" / f"step-{self.step:07d}.png"
        views = self.model.previews(self._examples, about=self.count, seed=self.seed)
        for name, view in views.items():
            file = path.parent / name / path.name
            file.parent.mkdir(exist_ok=True, parents=True)
            images.save_grid(file, view.images, columns=view.columns, reals=view.reals)
        if self.statistics is not None:
            self.statistics.image(path)
            stats.draw_losses(self.run_dir)
