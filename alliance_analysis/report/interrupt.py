"""Lets one Ctrl-C end a run in order: the first is obeyed, further ones wait for the end of the clearing up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def single_interrupt() -> Iterator[None]:
    """Turn the first SIGINT into KeyboardInterrupt and ignore the rest until the block is left.

    Within another such block it leaves all to that one, whose clearing up is the last. Does nothing outside the main
    thread, where Python gives no way to handle signals.
    """
    outside = threading.current_thread() is not threading.main_thread()
    if outside or signal.getsignal(signal.SIGINT) is _obey_once:
        yield
        return
    earlier = signal.signal(signal.SIGINT, _obey_once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler if earlier is None else earlier)


def _obey_once(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def shielded_start() -> Iterator[None]:
    """Start processes that never see SIGINT, not even while they set themselves up: they would die of it, loudly."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    earlier = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, earlier)
