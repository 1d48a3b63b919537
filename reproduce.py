"""Set up everything and run: `python reproduce.py` makes the reports, `alliance ...` runs one of its other commands.

Standard library only. The first call makes `.venv`, installs the hash-pinned lock (with uv where it is installed, else
with pip) and this package; later calls start at once, until a lock changes.

  python reproduce.py                          every notebook on the simulated example study
  python reproduce.py --study my/study.yml     your own data (every option of `alliance reproduce`)
  python reproduce.py alliance new FILE ...    any command of `alliance`, without activating `.venv`
  python reproduce.py test [pytest options]    the whole test suite
  python reproduce.py lab                      JupyterLab on the notebooks
  python reproduce.py --wheels DIR ...         install from a folder of wheels, for machines without internet
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
OLDEST = (3, 11, 5)
LOCKS = {
    "run": "requirements.lock",
    "alliance": "requirements.lock",
    "test": "requirements-test.lock",
    "lab": "requirements-lab.lock",
}
USER_ERROR = 2


def main(arguments: list[str]) -> int:
    """Install what the command needs, run it, and return its exit code."""
    if sys.version_info[:3] < OLDEST:
        return fail(f"Python {'.'.join(map(str, OLDEST))} or later is needed, this is {sys.version.split()[0]}.")
    wheels, arguments = take_wheels(arguments)
    if wheels is not None and not wheels.is_dir():
        return fail(f"--wheels: no folder {wheels}. Give the folder that holds the downloaded wheels.")
    command = arguments[0] if arguments[:1] in (["test"], ["lab"], ["alliance"]) else "run"
    try:
        install(LOCKS[command], wheels)
    except subprocess.CalledProcessError as error:
        return fail(
            f"the installation stopped (exit {error.returncode}); its messages are above. Mend that and call again."
        )
    try:
        folder = ROOT if command == "test" else None  # the tests' own folder; else where the user stands
        return subprocess.call(command_line(command, arguments), env=environment(), cwd=folder)
    except KeyboardInterrupt:  # the child has had the same Ctrl-C and said its own last word
        return 130


def fail(message: str) -> int:
    """Print one line for the user and return the exit code for a wrong input."""
    print(f"reproduce.py: {message}", file=sys.stderr)
    return USER_ERROR


def take_wheels(arguments: list[str]) -> tuple[Path | None, list[str]]:
    """Return the folder after `--wheels` (made absolute) and the other arguments."""
    if "--wheels" not in arguments:
        return None, arguments
    at = arguments.index("--wheels")
    folder = arguments[at + 1] if at + 1 < len(arguments) else ""
    return Path(folder or "(nothing)").absolute(), arguments[:at] + arguments[at + 2 :]


def install(lock: str, wheels: Path | None) -> None:
    """Make `.venv` match a lock; do nothing where the stamp says that it already does."""
    stamp = VENV / f"{Path(lock).stem}.stamp"
    wanted = fingerprint(lock)
    if python().exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"Installing from {lock} into .venv (once; about 800 MB) ...", flush=True)
    if not python().exists():
        make_venv()
    for part in (["--require-hashes", "-r", str(ROOT / lock)], ["--no-deps", "--no-build-isolation", "-e", str(ROOT)]):
        subprocess.run([*installer(), *where_from(wheels), *part], check=True)
    subprocess.run([python(), "-m", "compileall", "-q", str(ROOT / "alliance_analysis")], check=True)
    stamp.write_text(wanted)


def fingerprint(lock: str) -> str:
    """Return a hash of what the environment is made from: the lock, the package's metadata, this Python."""
    digest = hashlib.sha256(sys.version.encode())
    for name in (lock, "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def make_venv() -> None:
    """Make an empty environment; uv needs no pip in it."""
    if shutil.which("uv"):
        subprocess.run(["uv", "venv", "--quiet", "--clear", "--python", sys.executable, str(VENV)], check=True)
    else:
        venv.create(VENV, with_pip=True, clear=True)


def installer() -> list[str]:
    """Return the start of an install command: uv's where it is there, else that of the environment's own pip."""
    if shutil.which("uv"):
        return ["uv", "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python())]
    return [str(python()), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def where_from(wheels: Path | None) -> list[str]:
    """Return the options that keep an installation inside a folder of wheels."""
    return [] if wheels is None else ["--no-index", "--find-links", str(wheels)]


def python() -> Path:
    """Return the environment's interpreter."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def command_line(command: str, arguments: list[str]) -> list[str]:
    """Return what to run inside the environment."""
    module = [str(python()), "-m"]
    if command == "test":
        return [*module, "pytest", "-n", "2", "--dist", "loadfile", *arguments[1:]]
    if command == "lab":
        return [*module, "jupyterlab", f"--notebook-dir={ROOT / 'notebooks'}", *arguments[1:]]
    if command == "alliance":
        return [*module, "alliance_analysis.cli", *arguments[1:]]
    return [*module, "alliance_analysis.cli", "reproduce", *arguments]


def environment() -> dict[str, str]:
    """Return the caller's environment with the scripts of `.venv` first, so that kernels start from it."""
    return {**os.environ, "PATH": os.pathsep.join([str(python().parent), os.environ.get("PATH", "")])}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
