"""The error of an export that cannot be made or verified."""

from __future__ import annotations

from tfgan2.errors import UserError


class ExportError(UserError):
    """A conversion is impossible, or a file does not compute what Keras computes."""
