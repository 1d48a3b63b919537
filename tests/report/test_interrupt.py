"""One Ctrl-C is obeyed; an impatient second one does not cut the clearing up short."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from alliance_analysis.report.interrupt import shielded_start, single_interrupt

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_interrupt_is_raised_the_second_ignored_and_the_handler_put_back():
    before = signal.getsignal(signal.SIGINT)
    cleared = []
    with single_interrupt():
        with pytest.raises(KeyboardInterrupt):
            interrupt()
        interrupt()
        cleared.append(True)
    assert cleared == [True]
    assert signal.getsignal(signal.SIGINT) is before


def test_what_clears_up_last_is_shielded_from_the_second_interrupt_too():
    before = signal.getsignal(signal.SIGINT)
    cleared = []
    with single_interrupt():
        with pytest.raises(KeyboardInterrupt), single_interrupt():
            interrupt()
        interrupt()
        cleared.append(True)
    assert cleared == [True]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_process_started_under_the_shield_never_sees_an_interrupt():
    code = "import os, signal; os.kill(os.getpid(), signal.SIGINT); print('alive')"
    with shielded_start():
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "alive\n", "")
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_outside_the_main_thread_nothing_is_changed():
    found = []

    def work():
        with single_interrupt():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGINT)]
