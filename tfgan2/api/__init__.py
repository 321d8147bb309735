"""Training and using runs from Python, as the command line does; docs/python.md has examples.

Imports no TensorFlow until something is trained or a run's model is needed.
"""

from tfgan2.api.distilling import distill
from tfgan2.api.run import Run, Samples, fit, open_run

__all__ = ["Run", "Samples", "distill", "fit", "open_run"]
