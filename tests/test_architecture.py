"""Who may import whom: the rooms of the package, its doors to other libraries, and what the front door offers."""

import ast
import tomllib
from pathlib import Path

import pytest
import yaml

import alliance_analysis

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "alliance_analysis"
MODULES = sorted(PACKAGE.rglob("*.py"))

# Everyone may import `errors`, `wording` and `study.vocabulary`. A folder stands for all its modules.
MAY_IMPORT = {
    "errors": set(),
    "wording": set(),
    "resources": set(),
    "result": set(),
    "row_codes": set(),
    "prepare": {"row_codes"},
    "study": {"study", "resources", "row_codes"},
    "mixed": {"mixed", "result"},
    "panel": {"panel", "prepare", "result"},
    "describe": {"mixed", "prepare", "result"},
    "check": {"check", "mixed", "panel", "prepare", "result"},
    "analyses": {
        "analyses",
        "mixed",
        "panel",
        "prepare",
        "result",
        "study.simulate",
    },  # the guard rails use the one generator
    "estimands": set(),
    "published": {"estimands", "result", "resources"},
    "plots": {"plots", "result"},
    "report": {"report", "result", "study", "resources"},
    "draft": {"draft", "study"},
    "validation": {"validation", "analyses", "mixed", "panel", "study.simulate"},
    "cli": {"", "cli", "study", "resources"},  # "" is the lazy front door
}
# One door per library; the lighter ones (numpy, pandas, scipy) are everywhere.
DOORS = {
    "formulae": {"mixed.formula"},
    "matplotlib": {"plots.axes", "plots.sessions", "plots.estimates", "plots.raters", "report.figures"},
    "seaborn": {"plots.sessions"},
    "pingouin": {"describe"},
    "papermill": {"report.execute"},
    "nbclient": {"report.execute"},
    "nbconvert": {"report.html"},
    "nh3": {"report.html"},
    "docx": {"report.word"},
    "IPython": {"report.page"},
    "rdata": {"study.datasets"},
    "pooch": {"study.datasets"},
    "yaml": {"study.yamlfile"},
    "openpyxl": {"study.readers.workbook"},
    "pyarrow": {"study.readers.columnar"},
    "pyreadstat": {"study.readers.isolated"},
    "typer": {"cli.terminal", "cli.theses", "cli.drafts", "cli.runs", "cli.studies", "cli.known"},
    "rich": {"cli.terminal", "cli.known", "cli.drafts", "cli.runs", "cli.studies"},
    "lazy_loader": {""},
}


def name_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def is_module(dotted):
    return dotted.startswith("alliance_analysis.") and ROOT.joinpath(*dotted.split(".")).with_suffix(".py").is_file()


def imports(path):
    """Yield (module, line, inside a function, guarded by TYPE_CHECKING) of every import."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inner = {
        id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef) for n in ast.walk(f)
    }
    typing_only = {
        id(n)
        for i in ast.walk(tree)
        if isinstance(i, ast.If) and "TYPE_CHECKING" in ast.dump(i.test)
        for n in ast.walk(i)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno, id(node) in inner, id(node) in typing_only
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                module = f"{node.module}.{alias.name}" if is_module(f"{node.module}.{alias.name}") else node.module
                yield module, node.lineno, id(node) in inner, id(node) in typing_only


def allowed(room, target):
    if target in ("errors", "wording", "study.vocabulary"):
        return True
    return any(target == fine or (fine and target.startswith(fine + ".")) for fine in MAY_IMPORT[room])


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_one_way(path):
    room = name_of(path).split(".")[0]
    if not room:
        return
    for module, line, inside, typing_only in imports(path):
        if module.split(".")[0] != "alliance_analysis":
            continue
        target = module.removeprefix("alliance_analysis").lstrip(".")
        assert not inside, f"{path}:{line}: own modules are imported at the top of a file"
        assert typing_only or allowed(room, target), (
            f"{path}:{line}: {room} may not import {target or 'the front door'}"
        )


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_each_library_has_one_door(path):
    for module, line, _, typing_only in imports(path):
        doors = DOORS.get(module.split(".")[0])
        assert typing_only or doors is None or name_of(path) in doors, (
            f"{path}:{line}: {module} comes in through {doors}"
        )


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_each_module_says_why_it_exists_and_neither_prints_nor_asserts(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), f"{path} has no sentence"
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Assert), f"{path}:{node.lineno}: assert"
        assert getattr(getattr(node, "func", None), "id", "") != "print", f"{path}: print"
        assert not (isinstance(node, ast.ImportFrom) and node.names[0].name == "*"), f"{path}: star import"


def test_the_front_door_offers_what_it_says():
    offered = set(alliance_analysis.__all__)
    assert {"load_study", "fit_mixed", "open_report", "run_reports", "judge_replication"} <= offered
    for name in offered:
        assert getattr(alliance_analysis, name) is not None
    assert offered <= set(dir(alliance_analysis))


def test_every_public_function_has_a_docstring_with_purpose():
    for name in alliance_analysis.__all__:
        thing = getattr(alliance_analysis, name)
        assert isinstance(thing, str) or (thing.__doc__ or "").strip(), name


def test_environment_yml_asks_for_what_pyproject_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python, pip, packages = conda["dependencies"]
    assert python == f"python{project['requires-python']}"
    assert pip == "pip"
    wanted = (
        project["dependencies"] + project["optional-dependencies"]["lab"] + project["optional-dependencies"]["test"]
    )
    assert sorted(packages["pip"]) == sorted(wanted)


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-test.lock", "requirements-lab.lock"])
def test_locks_carry_hashes_and_no_host(lock):
    text = (ROOT / lock).read_text(encoding="utf-8")
    pinned = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert len(pinned) > 50
    assert all("==" in line for line in pinned)
    assert text.count("--hash=sha256:") > len(pinned)
    assert "://" not in text
    assert "--index" not in text


def test_locks_agree_on_every_version():
    versions = {}
    for lock in ("requirements.lock", "requirements-test.lock", "requirements-lab.lock"):
        for line in (ROOT / lock).read_text(encoding="utf-8").splitlines():
            if "==" in line and not line.startswith((" ", "#")):
                requirement = line.split(";")[0].removesuffix("\\").strip()  # without the marker
                name = requirement.split("==")[0]
                versions.setdefault(name, {}).setdefault(lock, set()).add(requirement)
    core = {name: where["requirements.lock"] for name, where in versions.items() if "requirements.lock" in where}
    for name, requirements in core.items():
        assert all(found == requirements for found in versions[name].values()), name
