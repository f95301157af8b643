"""The stock command: what a `.pth` file brings, in processes of their own, as a user's script or spawned ranks are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fairchem.core.common.registry import registry

import ocp_dc
from ocp_dc.fallbacks import finder
from ocp_dc.packaging import LINE

from tests.helpers.runs import MODEL, Run, run_main

ROOT = Path(ocp_dc.__file__).parents[1]
STOCK = "import sys; from fairchem.core._cli import main; main()"


def environment(folder: Path, **changes: str) -> dict[str, str]:
    """Return an environment in which every Python executes the `.pth` line at its start, as it does once installed."""
    (folder / "sitecustomize.py").write_text(LINE)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]), "OCP_DC_AUTOLOAD": "1", **changes}


def python(
    code: str, env: dict[str, str], *arguments: str, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], env=env, cwd=cwd, capture_output=True, text=True)


def test_names_are_those_that_the_plugin_registers():
    for mapping, names in registry.mapping.items():
        for name, member in names.items() if mapping.endswith("_name_mapping") else ():
            module = getattr(member, "__module__", "")
            assert finder.is_plugin_name(name, mapping) == module.startswith("ocp_dc."), (mapping, name, module)
    assert set(finder.NAMES) <= set(registry.mapping)


def test_the_start_is_light_and_can_be_switched_off(tmp_path):
    heavy = "{'typing', 'pathlib', 'numpy', 'torch', 'importlib.metadata', 'ocp_dc.fairchem1'}"
    code = f"import sys; print(sorted({heavy} & set(sys.modules)), type(sys.meta_path[0]).__name__)"
    bare = python(code, {**environment(tmp_path), "OCP_DC_AUTOLOAD": "0"}).stdout
    assert "HostFinder" not in bare
    assert python(code, environment(tmp_path)).stdout == bare[: bare.index("]") + 1] + " HostFinder\n"


def test_a_package_that_is_gone_is_no_error(tmp_path):
    env = {**environment(tmp_path), "PYTHONPATH": str(tmp_path)}
    (tmp_path / "ocp_dc").mkdir()  # an empty folder is importable, and has no finder
    done = python("print('ready')", env)
    assert (done.stdout, done.stderr) == ("ready\n", "")


@pytest.mark.slow
def test_importing_fairchem_loads_the_plugin_when_a_name_of_ours_is_asked_for(tmp_path):
    code = """
import sys
import fairchem.core, torch_scatter
from fairchem.core.common.registry import registry
from fairchem.core.datasets.base_dataset import BaseDataset
import fairchem.core.modules.transforms as transforms
assert "ocp_dc.fairchem1" not in sys.modules
assert BaseDataset.__module__ == "fairchem.core.datasets.base_dataset"
assert sys.modules["fairchem.core.datasets.base_dataset"].np.__name__ == "numpy", "no hook is in force"
try:
    registry.get_model_class("dc-schnet")
except RuntimeError:
    pass
assert "ocp_dc.fairchem1" not in sys.modules
lazy = transforms.label_rescaling
assert registry.get_dataset_class("lmdb_in_memory").__module__.startswith("ocp_dc.")
assert registry.get_model_class("dc_schnet").__name__ == "DCSchNet"
assert registry.get_trainer_class("dc").__module__ == "ocp_dc.fairchem1.trainer"
assert transforms.label_rescaling is not lazy
print("ready")
"""
    done = python(code, environment(tmp_path))
    assert done.stdout.strip().endswith("ready"), done.stderr


@pytest.mark.slow
def test_real_packages_win_and_names_are_found_with_them(tmp_path):
    (tmp_path / "torch_scatter").mkdir()
    source = "from ocp_dc.fallbacks.scatter import broadcast, scatter, segment_coo, segment_csr\n__version__ = 'real'\n"
    for name in ("__init__", "utils"):
        (tmp_path / "torch_scatter" / f"{name}.py").write_text(source)
    code = """
import fairchem.core, torch_scatter
from fairchem.core.common.registry import registry
assert torch_scatter.__version__ == "real"
print(registry.get_logger_class("none").__module__)
"""
    done = python(code, environment(tmp_path))
    assert done.stdout.strip().startswith("ocp_dc."), done.stderr


@pytest.mark.slow
def test_another_version_of_fairchem_is_left_alone(tmp_path):
    code = """
import importlib.metadata as metadata
real = metadata.version
metadata.version = lambda name: "2.24.0" if name == "fairchem-core" else real(name)
import fairchem.core
"""
    done = python(code, environment(tmp_path))
    assert "No module named 'torch_scatter'" in done.stderr


@pytest.mark.slow
def test_the_stock_command_trains_as_ours_does(ethanol, tmp_path):
    """With registered names, a worker of the loader, and the same numbers to the last bit."""
    config = {
        "includes": [str(ROOT / "configs" / "md17" / "schnet-dc.yml")],
        "model": {key: MODEL[key] for key in ("hidden_channels", "num_filters", "num_interactions", "num_gaussians")},
        "dataset": {split: {"src": str(ethanol / split)} for split in ("train", "val", "test")},
        "optim": {"max_epochs": 1, "num_workers": 1},
    }
    ours = run_main(tmp_path, config, "--seed", "3", name="ours")
    assert ours.status == 0
    arguments = ["--mode", "train", "--config-yml", str(tmp_path / "ours.yml"), "--cpu", "--run-dir", str(tmp_path)]
    options = ["--seed", "3", "--timestamp-id", "stock", "--print-every", "1000"]
    done = python(STOCK, environment(tmp_path, OMP_NUM_THREADS="1"), *arguments, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    stock = Run(done.returncode, tmp_path, "stock")
    weights, expected = stock.load()["state_dict"], ours.load()["state_dict"]
    assert set(weights) == set(expected)
    for name, value in expected.items():
        assert bool((weights[name] == value).all()), name
    measured = ("step_time [s]", "peak_memory [MiB]", "crc32")
    rows = [[{k: v for k, v in row.items() if k not in measured} for row in run.validations()] for run in (stock, ours)]
    assert rows[0] == rows[1]
    assert rows[0]
