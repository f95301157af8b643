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

# What each layer may import of ocp_dc, beside itself, and of what is not in the standard library.
CORE = ("ocp_dc.core", "ocp_dc.__version__")
BELOW = (*CORE, "ocp_dc.nn", "ocp_dc.surgery", "ocp_dc.labels")
MIDDLE = (*BELOW, "ocp_dc.models", "ocp_dc.data", "ocp_dc.training", "ocp_dc.graphs")
OURS = {
    "core": ("ocp_dc.__version__",),
    "nn": CORE,
    "surgery": (*CORE, "ocp_dc.nn"),
    "labels": CORE,
    "models": BELOW,
    "data": BELOW,
    "training": (*BELOW, "ocp_dc.models"),
    "graphs": (*CORE, "ocp_dc.models", "ocp_dc.data"),
    "checkpoints": MIDDLE,
    "interfaces": (*MIDDLE, "ocp_dc.checkpoints"),
    "plotting": CORE,
    "fallbacks": (*CORE, "ocp_dc.graphs"),
    "evaluation": (*MIDDLE, "ocp_dc.plotting"),
    "dynamics": (*CORE, "ocp_dc.data", "ocp_dc.plotting"),
    "hosts.py": (*CORE, "ocp_dc.training", "ocp_dc.evaluation"),
    "catalog.py": (*CORE, "ocp_dc.hosts"),
    "fairchem1": (*MIDDLE, "ocp_dc.plotting", "ocp_dc.evaluation", "ocp_dc.hosts", "ocp_dc.fallbacks"),
    "fairchem2": (
        *MIDDLE,
        "ocp_dc.plotting",
        "ocp_dc.evaluation",
        "ocp_dc.hosts",
        "ocp_dc.catalog",
        "ocp_dc.checkpoints",
    ),
    "api": (*MIDDLE, "ocp_dc.evaluation", "ocp_dc.hosts", "ocp_dc.checkpoints", "ocp_dc.calculator"),
    "pinn": (*MIDDLE, "ocp_dc.plotting", "ocp_dc.evaluation"),
    "testing": (*MIDDLE, "ocp_dc.evaluation", "ocp_dc.fairchem1"),
    "commands": ("ocp_dc",),
    "start": (*MIDDLE, "ocp_dc.hosts"),
    "shell_completion.py": (*CORE, "ocp_dc.hosts", "ocp_dc.catalog"),
    "pages": CORE,
    "run_report": (
        *(*MIDDLE, "ocp_dc.plotting", "ocp_dc.evaluation", "ocp_dc.hosts"),
        *("ocp_dc.dynamics", "ocp_dc.pages"),
    ),
    "study": (*MIDDLE, "ocp_dc.plotting", "ocp_dc.evaluation", "ocp_dc.hosts", "ocp_dc.pinn", "ocp_dc.pages"),
}
THIRD_PARTY = {
    "core": {"numpy", "platformdirs", "yaml"},
    "nn": {"torch"},
    "surgery": {"torch"},
    "labels": {"torch", "numpy"},
    "models": {"torch"},
    "testing": {"torch", "pytest"},
    "training": {"torch", "numpy", "yaml", "tqdm"},
    "graphs": {"torch", "numpy", "vesin"},
    "checkpoints": {"torch"},
    "interfaces": {"torch", "torch_sim", "metatensor", "metatomic"},
    "pages": {"jinja2"},
    "plotting": {"matplotlib", "numpy"},
    "dynamics": {"ase", "matplotlib", "numpy", "rich", "tqdm"},
    "fallbacks": {"torch", "torch_geometric", "scipy"},
}


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


def test_only_the_hosts_import_fairchem() -> None:
    importers = {path for path in FILES if any(within(name, ("fairchem",)) for name in imports_of(path))}
    assert importers
    assert importers <= {*files_of("fairchem1"), *files_of("fairchem2")}


def test_nothing_above_the_hosts_imports_one_of_them() -> None:
    hosts = ("ocp_dc.fairchem1", "ocp_dc.fairchem2")
    importers = {relative(path) for path in FILES if any(within(name, hosts) for name in imports_of(path))}
    assert {name for name in importers if not name.startswith(("fairchem1/", "fairchem2/"))} == {"testing/fairchem1.py"}


@pytest.mark.parametrize("layer", sorted(OURS))
def test_what_a_layer_imports_of_ours(layer: str) -> None:
    allowed = (f"ocp_dc.{layer}", *OURS[layer])
    wrong = [
        f"{relative(path)}: {name}"
        for path in files_of(layer)
        for name in imports_of(path)
        if within(name, ("ocp_dc",)) and not within(name, allowed)
    ]
    assert wrong == []


@pytest.mark.parametrize("layer", sorted(THIRD_PARTY))
def test_what_a_layer_imports_of_others(layer: str) -> None:
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
    assert importers == {"pinn/deepxde/backend.py"}


@pytest.mark.parametrize("room", ["physics", "data"])
def test_physics_and_data_of_pinn_know_no_trainer(room: str) -> None:
    files = sorted((ROOT / "pinn" / room).rglob("*.py"))
    assert files
    trainers = ("ocp_dc.pinn.deepxde", "deepxde")
    assert [relative(path) for path in files if any(within(name, trainers) for name in imports_of(path))] == []


def test_physics_of_pinn_without_deepxde() -> None:
    code = """import sys
sys.modules["deepxde"] = None  # so that importing it fails
from ocp_dc.pinn.data import generate
from ocp_dc.pinn.physics.tasks import task_class, task_names
for name in task_names():
    task = task_class(name)()
    task.check(generate(name, 8, 3))
    print(name, len(task.loss_terms()) == len(task.conditions()) + len(task.fields))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT.parent, capture_output=True, text=True, check=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len(lines) == 5
    assert {words[1] for words in lines} == {"True"}


def test_studies_sit_on_top() -> None:
    importers = {relative(path) for path in FILES if any(within(n, ("ocp_dc.study",)) for n in imports_of(path))}
    assert {name for name in importers if not name.startswith("study/")} == {"commands/study.py", "commands/schema.py"}


def test_a_light_import() -> None:
    heavy = "{'torch', 'fairchem', 'torch_geometric', 'numpy', 'ase', 'ocp_dc.fairchem1'}"
    code = f"import sys, ocp_dc; print(sorted({heavy} & set(sys.modules)))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT.parent, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_files_are_short() -> None:
    lengths = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}
