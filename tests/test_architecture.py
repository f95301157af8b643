"""The layers of the package, read from its import statements (also those inside functions)."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ocp_dc

ROOT = Path(ocp_dc.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
LONGEST = 260

# What each core layer may import of ocp_dc, beside itself, and of what is not in the standard library.
OURS = {
    "nn": ("ocp_dc.errors", "ocp_dc.options"),
    "surgery": ("ocp_dc.nn", "ocp_dc.errors", "ocp_dc.options"),
    "labels": ("ocp_dc.data.units", "ocp_dc.errors", "ocp_dc.options"),
    "data": (
        *("ocp_dc.errors", "ocp_dc.files", "ocp_dc.options", "ocp_dc.__version__"),
        *("ocp_dc.temporary", "ocp_dc.write_errors"),
    ),
    "pinn": (
        *("ocp_dc.nn", "ocp_dc.surgery", "ocp_dc.errors", "ocp_dc.options", "ocp_dc.__version__", "ocp_dc.yaml_config"),
        *("ocp_dc.files", "ocp_dc.evaluation.plots", "ocp_dc.interrupt", "ocp_dc.locks", "ocp_dc.safe_torch"),
        *("ocp_dc.row_table", "ocp_dc.write_errors"),
    ),
}
THIRD_PARTY = {"nn": {"torch"}, "surgery": {"torch"}, "labels": {"torch", "numpy"}}
ABOVE_FAIRCHEM1 = ("ocp_dc.study", "ocp_dc.pinn", "ocp_dc.cli", "ocp_dc.demo", "ocp_dc.evaluation")


def imports(source: str, package: str) -> Iterator[str]:
    """Yield the dotted name of everything that a module of ``package`` imports: modules and what is taken from them."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                module = importlib.util.resolve_name("." * node.level + module, package)
            yield from (f"{module}.{alias.name}" for alias in node.names)


def imports_of(path: Path) -> list[str]:
    package = ".".join((ROOT.name, *path.relative_to(ROOT).parent.parts))
    return list(imports(path.read_text(encoding="utf-8"), package))


def within(name: str, modules: tuple[str, ...]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def files_of(layer: str) -> list[Path]:
    found = [path for path in FILES if path.relative_to(ROOT).parts[0] == layer]
    assert found, f"no such layer: {layer}"
    return found


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_reading_imports() -> None:
    source = "import a.b, c\nfrom d import e as f\nfrom . import g\nfrom ..h import i\ndef j():\n    from k.l import m"
    assert sorted(imports(source, "p.q")) == ["a.b", "c", "d.e", "k.l.m", "p.h.i", "p.q.g"]


def test_only_fairchem1_imports_fairchem() -> None:
    importers = {path for path in FILES if any(within(name, ("fairchem",)) for name in imports_of(path))}
    assert importers
    assert importers <= set(files_of("fairchem1"))


@pytest.mark.parametrize("layer", sorted(OURS))
def test_what_a_core_layer_imports_of_ours(layer: str) -> None:
    allowed = (f"ocp_dc.{layer}", *OURS[layer])
    wrong = [
        f"{relative(path)}: {name}"
        for path in files_of(layer)
        for name in imports_of(path)
        if within(name, ("ocp_dc",)) and not within(name, allowed)
    ]
    assert wrong == []


@pytest.mark.parametrize("layer", sorted(THIRD_PARTY))
def test_what_a_core_layer_imports_of_others(layer: str) -> None:
    allowed = THIRD_PARTY[layer] | sys.stdlib_module_names | {"ocp_dc"}
    wrong = [
        f"{relative(path)}: {name}"
        for path in files_of(layer)
        for name in imports_of(path)
        if name.partition(".")[0] not in allowed
    ]
    assert wrong == []


def test_only_one_file_imports_deepxde() -> None:
    importers = {relative(path) for path in FILES if any(within(name, ("deepxde",)) for name in imports_of(path))}
    assert importers == {"pinn/backend.py"}


def test_fairchem1_knows_nothing_of_what_sits_on_top() -> None:
    wrong = [
        f"{relative(path)}: {name}"
        for path in files_of("fairchem1")
        for name in imports_of(path)
        if within(name, ABOVE_FAIRCHEM1)
        and not (relative(path) == "fairchem1/evaluate.py" and within(name, ("ocp_dc.evaluation.predictions",)))
    ]
    assert wrong == []


def test_studies_sit_on_top() -> None:
    importers = {relative(path) for path in FILES if any(within(n, ("ocp_dc.study",)) for n in imports_of(path))}
    assert {name for name in importers if not name.startswith("study/")} == {"cli.py"}


def test_a_light_import() -> None:
    heavy = "{'torch', 'fairchem', 'torch_geometric', 'numpy', 'ase', 'ocp_dc.fairchem1'}"
    code = f"import sys, ocp_dc; print(sorted({heavy} & set(sys.modules)))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT.parent, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_files_are_short() -> None:
    lengths = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}
