"""Putting the stand-ins in force. It changes the whole process, so each test runs in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

import ocp_dc

ROOT = Path(ocp_dc.__file__).parents[1]


def run(script: str, folder: Path) -> str:
    """Run a Python script, kept as a file in ``folder``, with packages of ``folder`` importable; return its output."""
    path = folder / "script.py"
    path.write_text(script)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fake_package(folder: Path, name: str, text: str, submodules: dict[str, str] | None = None) -> None:
    for file, content in {"__init__": text, **(submodules or {})}.items():
        path = folder / name / f"{file}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)


# Packages that look installed to importlib and to PyG.
REAL_SCATTER = "__version__ = 'real'\ndef scatter(): ...\nsegment_coo = segment_csr = scatter\n"
REAL_PYG_LIB = (
    "class ops:\n    @staticmethod\n    def radius(): ...\n"
    "class sampler:\n    @staticmethod\n    def neighbor_sample(): ...\n"
)
# Not find_spec: it would answer with a stand-in that is in force in this process.
INSTALLED = [n for n in ("torch_scatter", "torch_sparse", "torch_cluster", "pyg_lib") if PathFinder.find_spec(n)]
missing_here = pytest.mark.skipif(bool(INSTALLED), reason=f"compiled packages are installed here: {INSTALLED}")


@missing_here
@pytest.mark.slow
def test_where_all_is_missing(tmp_path):
    """The stand-ins serve importlib and pickle, PyG works as before, and fairchem imports with every model."""
    run(
        """
import importlib, importlib.util, inspect, pickle, sys
from ocp_dc.fallbacks import radius, scatter, sparse
from ocp_dc.fallbacks.install import install
names = install()
modules = {n: sys.modules[n] for n in ("torch_scatter", "torch_scatter.utils", "torch_sparse")}
assert {"torch_scatter", "torch_sparse", "radius_graph"} <= set(names), names
assert install() == names, "a second call answers the same"
assert all(sys.modules[n] is m for n, m in modules.items()), "and changes nothing"

import torch_scatter.utils, torch_sparse
from torch_scatter import scatter as theirs, segment_coo, segment_csr
assert (theirs, segment_coo, segment_csr) == (scatter.scatter, scatter.segment_coo, scatter.segment_csr)
assert torch_scatter.utils.broadcast is scatter.broadcast and torch_sparse.SparseTensor is sparse.SparseTensor
for name, module in modules.items():
    assert module.ocp_dc_fallback is True and module.__version__ and module.__file__, name
    assert importlib.util.find_spec(name).name == name and importlib.import_module(name) is module
assert importlib.util.find_spec("torch_scatter.composite") is None
for member in (theirs, torch_scatter.utils.broadcast, torch_sparse.SparseTensor):
    assert member.__module__.startswith("ocp_dc.") and pickle.loads(pickle.dumps(member)) is member

import torch, torch_geometric.typing, torch_geometric.utils
from torch_geometric.nn import SchNet, pool, radius_graph
from torch_geometric.nn.models import dimenet, schnet
for module in (pool, schnet, dimenet):
    assert module.radius_graph is radius_graph is radius.radius_graph
assert not torch_geometric.typing.WITH_TORCH_SCATTER and not torch_geometric.typing.WITH_TORCH_SPARSE
assert torch_geometric.typing.SparseTensor is not sparse.SparseTensor

from torch_geometric.data import Batch, Data
graphs = [Data(pos=torch.randn(n, 3), z=torch.ones(n, dtype=torch.int64), y=1.0) for n in (3, 2)]
batch = Batch.from_data_list(graphs)
assert batch.batch.tolist() == [0, 0, 0, 1, 1] and torch.equal(batch[1].pos, graphs[1].pos)
for reduce in ("sum", "mean", "min", "max"):
    ours = scatter.scatter(batch.pos, batch.batch, 0, reduce=reduce)
    torch.testing.assert_close(torch_geometric.utils.scatter(batch.pos, batch.batch, 0, reduce=reduce), ours)
assert SchNet(8, 8, 1, 4)(batch.z, batch.pos, batch.batch).shape == (2, 1)

import fairchem.core
from fairchem.core.common.registry import registry
from fairchem.core.common.utils import setup_imports
setup_imports()
for name in ("schnet", "dimenetplusplus", "gemnet_t", "gp_gemnet_t", "gemnet_oc", "painn", "equiformer_v2"):
    registry.get_model_class(name)
""",
        tmp_path,
    )


@missing_here
@pytest.mark.slow
def test_real_packages_are_left_alone(tmp_path):
    """Each package is judged by itself: two are there, one is missing."""
    fake_package(tmp_path, "torch_scatter", REAL_SCATTER, {"utils": "def broadcast(): ..."})
    fake_package(tmp_path, "pyg_lib", REAL_PYG_LIB)
    run(
        """
from ocp_dc.fallbacks import radius
from ocp_dc.fallbacks.install import install
names = install()
assert "torch_sparse" in names and not {"torch_scatter", "radius_graph"} & set(names), names
import torch_geometric.nn, torch_scatter, torch_sparse
assert torch_scatter.__version__ == "real" and torch_sparse.ocp_dc_fallback
assert torch_geometric.nn.radius_graph is not radius.radius_graph
assert torch_geometric.typing.WITH_TORCH_SCATTER and not torch_geometric.typing.WITH_TORCH_SPARSE
""",
        tmp_path,
    )


@pytest.mark.slow
def test_worker_processes_have_them(tmp_path):
    """Forked and spawned DataLoader workers unpickle the stand-ins and import them by the packages' names."""
    run(
        """
from ocp_dc.fallbacks.install import install
install()
import torch
from torch.utils.data import DataLoader, Dataset
from torch_scatter import scatter
from torch_sparse import SparseTensor

class Rows(Dataset):
    def __init__(self):
        two = torch.tensor([1, 0])
        self.adj, self.scatter = SparseTensor(row=two, col=two, value=torch.tensor([7, 5])), scatter
    def __len__(self):
        return 2
    def __getitem__(self, i):
        import torch_scatter
        assert torch_scatter.scatter is self.scatter
        return self.adj[torch.tensor([i])].sum(dim=1)

if __name__ == "__main__":
    for context in ("fork", "spawn"):
        loader = DataLoader(Rows(), batch_size=2, num_workers=1, multiprocessing_context=context)
        assert next(iter(loader)).tolist() == [[5], [7]], context
""",
        tmp_path,
    )
