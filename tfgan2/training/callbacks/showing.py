"""Shows how training goes: sample grids, the progress, a copy of the run at a remote address."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tfgan2 import images, runs
from tfgan2.errors import UserError
from tfgan2.report import Report
from tfgan2.training import stats
from tfgan2.training.background import Background
from tfgan2.training.callbacks.base import Logs, StepCallback
from tfgan2.training.callbacks.statistics import Statistics
from tfgan2.training.progress import Display, losses, statistics_line, time_left

if TYPE_CHECKING:
    from tfgan2.data import ImageDataset
    from tfgan2.models.base import View
    from tfgan2.options import TrainingOptions
    from tfgan2.remote import Mirror


class Previews(StepCallback):
    """Writes sample grids every N steps, always of the same latents or examples.

    Writes `reals.png` at the beginning; with `statistics`, shows the grids in TensorBoard and draws
    `losses.png`. In a run directory, it writes `report.html` at the beginning, with each grid and
    at the end.
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
        location: str | None = None,
    ) -> None:
        """Reads nothing before training begins; `run_dir` must exist.

        `location` is that of a remote run, whose copy is in `run_dir`.

        Shows the images that the dataset holds out, if there are any. The model may round `count`;
        `seed` is that of the latents and of the choice of real samples.
        """
        super().__init__(every)
        self.run_dir = run_dir
        self.dataset = dataset
        self.count = count
        self.seed = seed
        self.statistics = statistics
        # Statistics close their files when all tasks of theirs have ended.
        self.background = Background() if statistics is None else statistics.background
        self.report = Report(run_dir, location)
        self._views: tuple[int, Mapping[str, View]] = (-1, {})

    def on_train_begin(self, logs: Logs = None) -> None:
        super().on_train_begin(logs)
        count, held_out = self.model.preview_count(self.count), self.dataset.held_out
        self._examples = (held_out or self.dataset).some(count, seed=self.seed)
        path = self.run_dir / "reals.png"
        if not path.exists():
            reals = self.dataset.some(count, seed=self.seed) if held_out else self._examples
            shown = [part for part in reals if part.ndim == 4]
            images.save_grid(path, images.side_by_side(*shown) if len(shown) > 1 else shown[0])
        if self._is_missing():
            self.act()
        else:
            self.background.run(self._write_report)

    def _is_missing(self) -> bool:
        """True before training if a grid of the present step is due.

        A process that was killed may have saved this step before it wrote its grid.
        """
        if not self.every or self._path(self.step).exists():
            return False
        if not self.step:
            return self.model.is_fine_tuned
        return self.is_due(self.every) or self.is_last

    def on_train_end(self, logs: Logs = None) -> None:
        self.background.run(self._write_report)
        super().on_train_end(logs)

    def views(self) -> Mapping[str, View]:
        """Returns the grids of this moment; until `act` they are generated once."""
        step = int(self.model.step.numpy())
        if step != self._views[0]:
            views = self.model.previews(self._examples, about=self.count, seed=self.seed)
            self._views = step, views
        return self._views[1]

    def act(self) -> None:
        self.background.run(self._write, self.step, self.views())
        self._views = -1, {}

    def _write(self, step: int, views: Mapping[str, View]) -> None:
        path = self._path(step)
        for name, view in views.items():
            file = path.parent / name / path.name
            file.parent.mkdir(exist_ok=True, parents=True)
            images.save_grid(file, view.images, columns=view.columns, reals=view.reals)
        if self.statistics is not None:
            self.statistics.image(step, path)
            stats.draw_losses(self.run_dir)
        self._write_report()

    def _path(self, step: int) -> Path:
        return self.run_dir / "samples" / f"step-{step:07d}.png"

    def _write_report(self) -> None:
        if runs.is_run(self.run_dir):  # not in plain `model.fit`
            self.report.write()

    def close(self) -> None:
        self.background.wait()


class Progress(StepCallback):
    """Shows a bar in a terminal or notebook, and lines elsewhere."""

    def __init__(self, display: Display, statistics: Statistics) -> None:
        super().__init__()
        self.display = display
        self.statistics = statistics

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        super().on_train_batch_end(batch, logs)
        steps, line = self.model.planned_steps, self.statistics.line
        if self.display.has_bar:
            facts, left = losses(logs or {}), ""
            speed = self.statistics.images_per_second or line.get("images_per_second")
            if speed:
                facts += f" {speed:,.0f} img/s"
                images = self.statistics.images_per_step * (steps - self.step)
                left = time_left(images, speed, self.statistics.overhead)
            self.display.move_bar("training", self.step, steps, left=left, facts=facts)
        elif line.get("step") == self.step:
            self.display.say(statistics_line(line, steps, self.statistics.overhead))

    def close(self) -> None:
        self.display.close()


class Publishing(StepCallback):
    """Copies what is new to the remote directory; a failing network does not stop training.

    It copies when the options say that files are written, after `writing` them; TensorBoard's file,
    which only grows, is copied with checkpoints only.
    """

    def __init__(
        self,
        mirror: Mirror,
        options: TrainingOptions,
        say: Callable[[str], None],
        writing: Sequence[Background],
    ) -> None:
        super().__init__()
        self.mirror = mirror
        self.options = options
        self.say = say
        self.writing = writing

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        super().on_train_batch_end(batch, logs)
        options = self.options
        events = self.is_last or self.is_due(options.checkpoint_every)
        intervals = (options.log_every, options.sample_every, options.evaluate_every)
        if events or any(self.is_due(every) for every in intervals if every):
            for background in self.writing:
                background.wait()
            try:
                self.mirror.push(events)
            except UserError as error:
                self.say(f"warning: {error}; trying again later")
