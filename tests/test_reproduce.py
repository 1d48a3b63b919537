"""reproduce.py: what it installs, when it does not, and what it says to a wrong call (nothing is installed here)."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def script(monkeypatch, tmp_path):
    spec = importlib.util.spec_from_file_location("reproduce", ROOT / "reproduce.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    return module


@pytest.fixture
def calls(script, monkeypatch):
    """Record commands instead of running them; making the environment makes only its interpreter's file."""
    made = []

    def run(command, **_):
        made.append([str(word) for word in command])
        if "venv" in made[-1]:
            script.python().parent.mkdir(parents=True)
            script.python().touch()

    def create(folder, **_):
        run(["python", "-m", "venv", str(folder)])

    monkeypatch.setattr(script.subprocess, "run", run)
    monkeypatch.setattr(script.subprocess, "call", lambda command, **_: made.append(list(command)) or 0)
    monkeypatch.setattr(script.venv, "create", create)
    return made


def without_uv(script, monkeypatch):
    monkeypatch.setattr(script.shutil, "which", lambda name: None)


def test_first_the_lock_with_hashes_then_the_package_without_dependencies(script, calls, monkeypatch):
    without_uv(script, monkeypatch)
    assert script.main([]) == 0
    _, lock, package, compiled, last = calls
    assert lock[1:4] == ["-m", "pip", "install"]
    assert ["--require-hashes", "-r", str(ROOT / "requirements.lock")] == lock[-3:]
    assert ["--no-deps", "--no-build-isolation", "-e", str(ROOT)] == package[-4:]
    assert "compileall" in compiled
    assert last[-3:] == ["-m", "alliance_analysis.cli", "reproduce"]


def test_uv_is_used_where_it_is(script, calls, monkeypatch):
    monkeypatch.setattr(script.shutil, "which", lambda name: "uv")
    script.main(["--study", "example"])
    assert [command[0] for command in calls[:3]] == ["uv", "uv", "uv"]
    assert calls[-1][-2:] == ["--study", "example"]


def test_the_second_call_installs_nothing_until_the_lock_changes(script, calls, monkeypatch):
    without_uv(script, monkeypatch)
    script.main([])
    calls.clear()
    script.main([])
    assert len(calls) == 1
    (script.VENV / "requirements.stamp").write_text("another lock")
    script.main([])
    assert any("--require-hashes" in command for command in calls)


def test_wheels_keep_the_installation_offline(script, calls, monkeypatch, tmp_path):
    without_uv(script, monkeypatch)
    (tmp_path / "wheels").mkdir()
    script.main(["--wheels", str(tmp_path / "wheels"), "--only", "01"])
    offline = ["--no-index", "--find-links", str(tmp_path / "wheels")]
    assert all(any(command[k : k + 3] == offline for k in range(len(command))) for command in calls[1:3])
    assert calls[-1][-2:] == ["--only", "01"]


def test_tests_and_lab_have_locks_and_commands_of_their_own(script, calls, monkeypatch):
    without_uv(script, monkeypatch)
    script.main(["test", "-k", "lag"])
    assert str(ROOT / "requirements-test.lock") in calls[1]
    assert calls[-1][2] == "pytest"
    assert calls[-1][-2:] == ["-k", "lag"]
    script.main(["lab"])
    assert any(str(ROOT / "requirements-lab.lock") in command for command in calls)
    assert "jupyterlab" in calls[-1]


def test_every_other_command_runs_without_activating_the_environment(script, calls, monkeypatch):
    without_uv(script, monkeypatch)
    assert script.main(["alliance", "new", "sessions.xlsx"]) == 0
    assert str(ROOT / "requirements.lock") in calls[1]
    assert calls[-1][-4:] == ["-m", "alliance_analysis.cli", "new", "sessions.xlsx"]


def test_an_old_python_is_told_in_one_line(script, monkeypatch, capsys):
    monkeypatch.setattr(script.sys, "version_info", (3, 11, 4))
    monkeypatch.setattr(script.sys, "version", "3.11.4 (main)")
    assert script.main([]) == 2
    assert capsys.readouterr().err == "reproduce.py: Python 3.11.5 or later is needed, this is 3.11.4.\n"


def test_a_folder_of_wheels_that_is_not_there_is_told(script, capsys, tmp_path):
    assert script.main(["--wheels", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == (
        f"reproduce.py: --wheels: no folder {tmp_path / 'none'}. Give the folder that holds the downloaded wheels.\n"
    )


def test_a_failed_installation_leaves_no_stamp(script, calls, monkeypatch, capsys):
    without_uv(script, monkeypatch)
    record = script.subprocess.run

    def fail_on_lock(command, **options):
        record(command, **options)
        if "--require-hashes" in command:
            raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(script.subprocess, "run", fail_on_lock)
    assert script.main([]) == 2
    assert list(script.VENV.glob("*.stamp")) == []
    assert capsys.readouterr().err == (
        "reproduce.py: the installation stopped (exit 1); its messages are above. Mend that and call again.\n"
    )


def test_the_script_needs_only_the_standard_library():
    code = "import sys; sys.path.insert(0, '.'); import reproduce; print(sorted(set(sys.modules) - set(sys.stdlib_module_names)))"
    result = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    outside = [name for name in ("numpy", "pandas", "typer") if name in result.stdout]
    assert outside == []
