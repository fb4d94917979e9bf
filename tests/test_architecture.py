"""The walls of the house, checked by walking the imports."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGES = ("hero_core", "pipeline", "trainer")


def sources(package: str) -> list[Path]:
    return sorted((REPOSITORY / package).rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[str, ast.AST]]:
    """Top-level module of every import in a file, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield (node.module or "").split(".")[0], node


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("hero_core", {"pipeline", "trainer"}),
        ("pipeline", {"trainer"}),
        ("trainer", {"pipeline", "av", "cv2"}),
    ],
)
def test_nobody_imports_a_sibling(package: str, forbidden: set[str]) -> None:
    for path in sources(package):
        found = {name for name, _ in imports(path)} & forbidden
        assert not found, f"{path} imports {found}"


def test_av_is_in_one_package() -> None:
    users = {path.parent for package in PACKAGES for path in sources(package) if "av" in dict(imports(path))}
    assert users == {REPOSITORY / "pipeline" / "decode" / "video"}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def imported_of_ours(path: Path) -> Iterator[str]:
    """Our modules that a file imports from, wherever that stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in PACKAGES:
            yield str(node.module)


def is_at_the_edge(path: Path) -> bool:
    """Whether a file talks to the person who calls a command."""
    return path.stem.endswith("cli") or path.parent.name == "commands"


def test_typer_and_rich_are_at_the_edge() -> None:
    for package in PACKAGES:
        for path in sources(package):
            if {name for name, _ in imports(path)} & {"typer", "rich"}:
                assert is_at_the_edge(path), f"{path} talks to a terminal"


def test_nobody_below_the_edge_reads_argv_or_the_environment() -> None:
    for package in PACKAGES:
        for path in sources(package):
            if is_at_the_edge(path) or path == REPOSITORY / package / "__init__.py":
                continue  # the latter say how OpenMP's threads wait, before torch loads, and why
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                    name = f"{node.value.id}.{node.attr}"
                    assert name not in {"sys.argv", "os.environ", "os.getenv"}, (
                        f"{path}:{node.lineno} reads {name}"
                    )


def test_no_unsafe_loading_and_nothing_swallowed() -> None:
    for package in PACKAGES:
        for path in sources(package):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                where = f"{path}:{getattr(node, 'lineno', 0)}"
                if isinstance(node, ast.ExceptHandler):
                    assert node.type is not None, f"{where}: bare except"
                if isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant):
                    assert (node.arg, node.value.value) not in {
                        ("allow_pickle", True),
                        ("weights_only", False),
                    }, where
                if isinstance(node, ast.Call):
                    _check_call(node, where)
                if isinstance(node, ast.ImportFrom):
                    assert all(alias.name != "*" for alias in node.names), f"{where}: star import"


def _check_call(node: ast.Call, where: str) -> None:
    name = ast.unparse(node.func)
    given = {keyword.arg for keyword in node.keywords}
    assert not name.endswith(("extractall", "pickle.load", "pickle.loads")), f"{where}: {name}"
    if name == "torch.load":
        assert "weights_only" in given, f"{where}: torch.load without weights_only"
    if name == "np.load":
        assert "allow_pickle" in given, f"{where}: np.load without allow_pickle"


def test_the_trainer_works_without_video_libraries() -> None:
    """All its files, and what its commands import when they are called."""
    files = sources("trainer")
    called = {name for path in files if path.parent.name == "commands" for name in imported_of_ours(path)}
    assert {"trainer.eval.measure", "hero_core.view.html"} <= called
    modules = sorted(called | {module_name(path) for path in files})
    lines = ["import sys", "for name in ('av', 'cv2', 'pipeline'): sys.modules[name] = None"]
    code = "\n".join([*lines, *(f"import {name}" for name in modules)])
    environment = {"PYTHONPATH": str(REPOSITORY), "PATH": os.environ.get("PATH", "")}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=REPOSITORY)


def test_the_training_loop_cannot_open_the_test_split() -> None:
    """Outside trainer/eval nothing imports the evaluation, asks for held-out pairs, or names the test split."""
    for path in sources("trainer"):
        if REPOSITORY / "trainer" / "eval" in path.parents:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            where = f"{path}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.ImportFrom):
                assert not f"{node.module}.".startswith("trainer.eval."), f"{where} imports the evaluation"
            if isinstance(node, ast.Import):
                assert not any(f"{a.name}.".startswith("trainer.eval.") for a in node.names), (
                    f"{where} imports the evaluation"
                )
            if isinstance(node, ast.Attribute):
                assert node.attr not in {"held_out", "rows_of"}, f"{where} opens held-out pairs"
            if isinstance(node, ast.Constant):
                assert node.value != "test", f"{where} names the test split"


@pytest.mark.parametrize(
    ("files", "forbidden"),
    [
        ("*.py", ("comparison", "study", "gallery")),
        ("comparison/*.py", ("study", "gallery")),
        ("study/*.py", ("gallery",)),
        ("gallery/*.py", ("comparison", "study")),
    ],
)
def test_the_folders_of_the_evaluation_build_on_its_files(files: str, forbidden: tuple[str, ...]) -> None:
    """What measures one run knows nothing of what compares several, which knows nothing of what trains them."""
    above = tuple(f"trainer.eval.{folder}." for folder in forbidden)
    paths = list((REPOSITORY / "trainer" / "eval").glob(files))
    assert paths
    for path in paths:
        found = [name for name in imported_of_ours(path) if f"{name}.".startswith(above)]
        assert not found, f"{path} imports {found}"


def test_facts_of_the_motion_format_stand_in_one_place() -> None:
    """263 values, and the names of 20 fps and of four frames per token, are written once."""
    for package in PACKAGES:
        for path in sources(package):
            if path == REPOSITORY / "hero_core" / "motion" / "format.py":
                continue
            tree = ast.parse(path.read_text(encoding="utf-8"))
            numbers = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
            assert 263 not in numbers, f"{path} writes 263 itself; use hero_core.motion.format"
            names = {
                target.id
                for node in tree.body
                if isinstance(node, ast.Assign)
                for target in node.targets
                if isinstance(target, ast.Name)
            }
            repeated = names & {
                "FPS",
                "MOTION_FPS",
                "JOINT_COUNT",
                "MOTION_DIM",
                "UNIT_FRAMES",
                "UNIT_LENGTH",
            }
            assert not repeated, f"{path} states {repeated} again"


@pytest.mark.parametrize(
    ("function", "place"),
    [
        ("csv.writer", "hero_core/storage.py"),
        ("csv.DictWriter", "hero_core/storage.py"),
        ("torch.load", "hero_core/models/weights.py"),
        ("torch.cuda.is_available", "hero_core/device.py"),
    ],
)
def test_one_place_for_one_job(function: str, place: str) -> None:
    users = {
        path.relative_to(REPOSITORY).as_posix()
        for package in PACKAGES
        for path in sources(package)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == function
    }
    assert users <= {place}
