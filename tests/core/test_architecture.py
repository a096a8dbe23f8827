"""The rules that keep the house clean, enforced: floors, where mathematics lives, small files, light import."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pullback

PACKAGE = Path(pullback.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

# Lower floors first. A module may import from its own floor and from those below it.
FLOORS = [
    ("core",),
    ("mappings",),
    ("transforms",),
    ("tensor", "interop", "control"),
    ("create", "dtypes"),
    ("distributions", "random", "threads", "user"),
    ("compile",),
    ("data", "metrics", "nn", "saving"),
    ("optim",),
    ("train", "testing", "glass", "keras", "sklearn"),
    ("cli",),
]


def floor(module: str) -> int | None:
    return next((i for i, names in enumerate(FLOORS) if module in names), None)


def imports(path: Path):
    """Yield the (absolute, top-level) module names below pullback that a file imports when it is loaded."""
    package = ["pullback", *path.relative_to(PACKAGE).with_suffix("").parts][:-1]
    for node in ast.parse(path.read_text(encoding="utf8")).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            if node.module:
                yield [*base, *node.module.split(".")]
            else:
                yield from ([*base, alias.name] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("pullback"):
            yield node.module.split(".")
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".") for a in node.names if a.name.startswith("pullback"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down_only(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own in ("__init__", "__main__"):
        return
    assert floor(own) is not None, f"{own} is on no floor: give it one in this test"
    for target in imports(path):
        other = target[1] if len(target) > 1 else "pullback"
        if other == "pullback":
            assert floor(own) >= floor("train"), f"{path.name} imports the face of the package, which is above it"
            continue
        assert floor(other) is not None, f"{other} is on no floor"
        assert floor(other) <= floor(own), f"{path.name} (floor {own}) imports {other}, which is above it"


@pytest.mark.parametrize("floor_name", ["transforms", "compile", "glass"])
def test_no_mapping_is_named_above_the_catalogue(floor_name):
    for path in (PACKAGE / floor_name).glob("*.py") if (PACKAGE / floor_name).exists() else ():
        assert not any("mappings" in target for target in imports(path)), f"{path.name} names a mapping"


def test_no_file_holds_two_ideas_and_none_has_a_name_that_says_nothing():
    for path in FILES:
        assert path.name not in {"utils.py", "util.py", "helpers.py", "common.py", "misc.py"}
        lines = len(path.read_text(encoding="utf8").splitlines())
        assert lines <= 450, f"{path.relative_to(PACKAGE)} has {lines} lines"


def test_nothing_unpickles_or_evaluates_text():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"eval", "exec", "__import__"}, path
            if isinstance(node, ast.Import):
                assert not {a.name for a in node.names} & {"pickle", "marshal", "shelve", "dill"}, path


def test_importing_pullback_imports_numpy_and_nothing_heavy():
    code = "import sys, pullback; print(' '.join(sorted(m.split('.')[0] for m in sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(result.stdout.split())
    heavy = {"llvmlite", "rich", "click", "matplotlib", "scipy", "safetensors", "torch", "jax", "sklearn", "pandas"}
    assert not loaded & heavy


def test_the_repository_names_no_machine():
    root = PACKAGE.parents[1]
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout, so what is tracked is not known")
    for name in listed.stdout.split():
        path = root / name
        if path.suffix in {".py", ".md", ".toml", ".txt", ".yml", ".cfg"} and path.name != Path(__file__).name:
            text = path.read_text(encoding="utf8")
            assert not re.search(r"(?<![\w.])/(work|root|farm|home/\w+)/", text), f"{name} names a machine path"
