"""What is installed: the configs as package data, the `.pth` file, and the requirements of what is imported."""

from __future__ import annotations

import ast
import configparser
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import ocp_dc
from ocp_dc.packaging import HYDRA_CODE, HYDRA_PLUGIN, LINE, PTH

ROOT = Path(ocp_dc.__file__).parents[1]
# Where the name that is imported is not the name of the distribution.
DISTRIBUTIONS = {
    "yaml": "pyyaml",
    "torch_geometric": "torch-geometric",
    "fairchem": "fairchem-core",
    "ase_db_backends": "ase-db-backends",
    "metatensor": "metatensor-torch",
    "metatomic": "metatomic-torch",
    "torch_sim": "torch-sim-atomistic",
}
# Imported where it is needed, with a message that names it; the extras that bring it.
OPTIONAL = {
    "torch_geometric": ("fairchem1",),
    "ase_db_backends": ("fairchem1", "fairchem2"),
    "vesin": ("fairchem1", "fairchem2", "metatomic", "torch-sim"),
    "metatensor": ("metatomic",),
    "metatomic": ("metatomic",),
    "torch_sim": ("torch-sim",),
    "optuna": ("search",),
    "fairchem": ("fairchem1", "fairchem2"),
}
BROUGHT_BY_FAIRCHEM_2 = {"omegaconf", "hydra", "torchtnt"}
SCRIPTS_NEED = {"tblite"}  # what made the bundled samples
BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of what a build reads, since it leaves folders behind."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("ocp_dc", "configs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def build(source: Path, kind: str) -> Path:
    out = source / kind
    command = [sys.executable, "-W", "ignore", "-c", BUILD, kind, str(out)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out / done.stdout.splitlines()[-1]


@pytest.mark.slow
def test_a_wheel_has_the_configs_and_the_files_that_attach_it(source):
    with zipfile.ZipFile(build(source, "build_wheel")) as wheel:
        assert wheel.read(PTH).decode() == LINE
        assert wheel.read(HYDRA_PLUGIN).decode() == HYDRA_CODE
        for path in (ROOT / "configs").rglob("*.y*ml"):
            name = f"ocp_dc/{path.relative_to(ROOT).as_posix()}"
            assert wheel.read(name) == path.read_bytes(), name
        tops = {Path(name).parts[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"ocp_dc", "hydra_plugins", PTH}


@pytest.mark.slow
def test_an_editable_install_has_these_files_and_no_copy_of_the_configs(source):
    with zipfile.ZipFile(build(source, "build_editable")) as wheel:
        assert wheel.read(PTH).decode() == LINE
        assert wheel.read(HYDRA_PLUGIN).decode() == HYDRA_CODE
        assert not any(name.startswith("ocp_dc/") for name in wheel.namelist())
        assert PTH in wheel.read(next(n for n in wheel.namelist() if n.endswith("RECORD"))).decode()
        links = [name for name in wheel.namelist() if name.endswith(".pth")]
    assert sorted(links)[-1] == PTH, "the checkout is importable before our line is executed"


def requirements(text: str) -> set[str]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return {re.split(r"[<>=!~ \[]", line, maxsplit=1)[0].lower() for line in lines if line}


def test_what_is_imported_is_declared():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    base = requirements(setup["options"]["install_requires"])
    extras = {name: requirements(text) for name, text in setup["options.extras_require"].items()}
    imported: dict[str, set[str]] = {}
    for path in (ROOT / "ocp_dc").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            for module in modules:
                imported.setdefault(module.partition(".")[0], set()).add(path.relative_to(ROOT / "ocp_dc").parts[0])
    names = set(imported) - sys.stdlib_module_names - {"ocp_dc", "setuptools", *SCRIPTS_NEED}
    missing = {name for name in names if DISTRIBUTIONS.get(name, name) not in base}
    missing -= {name for name in missing & BROUGHT_BY_FAIRCHEM_2 if imported[name] == {"fairchem2"}}
    for name in missing:  # of one host, of the physics-informed tasks, or of tests alone: an extra of theirs
        owners = OPTIONAL.get(name) or (
            {"fairchem1": ("fairchem1",), "pinn": ("pinn",), "testing": ("dev",)}.get(
                " ".join(sorted(imported[name])), ()
            )
        )
        assert owners, (name, imported[name])
        for owner in owners:
            assert DISTRIBUTIONS.get(name, name) in extras[owner], (name, owner)
    assert not any("fairchem" in name for name in base)
    assert {"fairchem1", "pinn", "dev", "docs"} <= set(extras)
    assert base - {DISTRIBUTIONS.get(name, name) for name in names} == set(), "declared and not imported"
