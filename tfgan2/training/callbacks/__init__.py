"""What happens while a model trains, as Keras callbacks.

They work with the loop of this package and with plain `model.fit`:

    statistics = Statistics(run_dir, every=50, images_per_step=64)
    callbacks = [statistics, Previews(run_dir, dataset, every=250), Checkpoints(run_dir, every=500)]
    model.fit(dataset.batches(64), steps_per_epoch=1000, callbacks=callbacks)

Order matters: statistics come first, since the others use them, and checkpoints after everything
whose state they save.
"""

from tfgan2.training.callbacks.base import Checkpoints, StepCallback, StopOnDivergence
from tfgan2.training.callbacks.showing import Previews, Progress, Publishing
from tfgan2.training.callbacks.statistics import Statistics

__all__ = ["Checkpoints", "Previews", "Progress", "Publishing"]
__all__ += ["Statistics", "StepCallback", "StopOnDivergence"]
