"""The vocabulary of trouble: one family of errors whose message is all that a user needs to read."""

from __future__ import annotations


class AllianceError(Exception):
    """Anything the user can mend. The message says where, what, what is allowed and the next step."""


class DataError(AllianceError):
    """A study file or its data cannot be used as they are."""


class ModelError(AllianceError):
    """A model cannot be fitted to these data, or was asked for in words that are not allowed."""


class ReportError(AllianceError):
    """A report cannot be run, written or read."""


class FitWarning(UserWarning):
    """A fit has a property that limits what may be reported from it."""
