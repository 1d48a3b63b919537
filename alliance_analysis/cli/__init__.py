"""The command `alliance`: reports, checks and data from the terminal, with messages that say the next step."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import traceback
from typing import NoReturn

from alliance_analysis.cli.exits import INTERRUPTED, USER_ERROR

try:  # here, too, Ctrl-C is no failure
    # the front door is lazy, and so is the study room: a command loads only what it uses, inside main()
    from alliance_analysis.cli import drafts, known, runs, studies, theses  # noqa: F401  (each registers its commands)
    from alliance_analysis.cli.terminal import app, errors
    from alliance_analysis.errors import AllianceError
except KeyboardInterrupt:
    sys.exit(INTERRUPTED)


def main() -> None:
    """Run the command; an error of the user's is one message and exit code 2, a traceback only with --debug.

    Ctrl-C ends it with exit code 130 and one line, whenever it comes.
    """
    try:
        app(prog_name="alliance")  # the same name in every help, however it was called
    except AllianceError as error:
        if "--debug" in sys.argv:
            traceback.print_exc()
        errors.print(f"alliance: {error}", markup=False)
        sys.exit(USER_ERROR)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:  # typer has caught Ctrl-C
            _end_interrupted()
        raise
    except KeyboardInterrupt:
        _end_interrupted()


def _end_interrupted() -> NoReturn:
    """Say so and leave; a second Ctrl-C leaves at once, without a traceback from half-closed libraries."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # Python's very end drops the line above
    errors.print("alliance: interrupted; earlier reports are as they were.", markup=False)
    sys.exit(INTERRUPTED)
