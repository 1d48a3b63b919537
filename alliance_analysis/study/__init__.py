"""From a researcher's file to tidy, trusted sessions; the names the command needs are loaded when first used."""

import importlib
from typing import Any

_HOME = {
    "DATASETS": "datasets",
    "INSTRUMENTS": "instruments",
    "QUESTIONS": "feasibility",
    "check_study": "validate",
    "examine_study": "examine",
    "fetch": "datasets",
    "find_instrument": "instruments",
    "load_study": "studyfile",
    "nearest": "problems",
    "read_own_instruments": "studyfile",
    "registered_studies": "studyfile",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for (PEP 562): pandas takes seconds, and Ctrl-C has to find the command already listening."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
