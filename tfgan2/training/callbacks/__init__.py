"""What happens while a model trains, as Keras callbacks.

They work with the loop of this package and with plain `model.fit`; docs/python.md has an example.
Statistics come first, since the others use them, and checkpoints after everything whose state they
save.
"""

from tfgan2.training.callbacks.base import Checkpoints, StepCallback, StopOnDivergence
from tfgan2.training.callbacks.collapse import CollapseAlarm
from tfgan2.training.callbacks.compiling import Compiling
from tfgan2.training.callbacks.showing import Previews, Progress, Publishing
from tfgan2.training.callbacks.statistics import Statistics
