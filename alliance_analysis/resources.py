"""Finds the folders that ship with the package: bundled in a wheel, else those of the checkout."""

from __future__ import annotations

from pathlib import Path

from alliance_analysis.errors import AllianceError

_PACKAGE = Path(__file__).parent


def _folder(name: str) -> Path:
    for candidate in (_PACKAGE / "_bundled" / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise AllianceError(f"the package's folder {name}/ is missing; install the package again.")


def data_folder() -> Path:
    """Return the folder with the example study and the published findings."""
    return _folder("data")


def notebooks_folder() -> Path:
    """Return the folder with the notebooks, one per question."""
    return _folder("notebooks")


def checkout() -> Path:
    """Return the root of the checkout this package runs from.

    Raises
    ------
    AllianceError
        When the package is installed without its tests.
    """
    root = _PACKAGE.parent
    if not (root / "tests" / "golden").is_dir():
        raise AllianceError("the golden cases are not installed with the package. Run this from a checkout.")
    return root
