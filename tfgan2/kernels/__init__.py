"""Training steps that XLA runs faster on a CPU; weights are unchanged, results equal to rounding.

`compiled_update` is all that training needs. `FORMS` holds the forms of convolutions that it
chooses among, for benchmarks.
"""

from tfgan2.kernels.rewriting import FORMS, compiled_update

__all__ = ["FORMS", "compiled_update"]
