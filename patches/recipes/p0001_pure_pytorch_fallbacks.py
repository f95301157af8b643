"""Fall back to pure PyTorch if torch_scatter, torch_sparse or PyG's radius_graph is not installed.

torch_scatter and torch_sparse are published as source only. fairchem imports torch_scatter at import time, and every
model in setup_imports: if they cannot be compiled, no model starts, not even SchNet, which needs neither. PyG's
radius_graph needs a compiled package, too. fairchem.core.common.graph_ops provides each of them: the compiled version
if it is installed, otherwise a version in plain PyTorch with the same results, which is twice differentiable.

Without PBC, PyG's SchNet builds its graph itself. The function for this is an argument, and is now the one above.
"""

from __future__ import annotations

import re

import plugin_source
from tree import Tree

PACKAGE = "common/graph_ops"
MODULE = "fairchem.core.common.graph_ops"
NEAREST = "from ocp_dc.graphs.limits import nearest\n\n"
IMPORT = re.compile(r"^from torch_(?:scatter|sparse)(?:\.utils)? import (.+)\n", re.MULTILINE)

INIT = '''"""
Reductions over segments, sparse matrices and radius graphs, from the compiled packages if
they are installed, and otherwise in pure PyTorch.
"""

from __future__ import annotations

import torch_geometric.typing

try:
    from torch_scatter import scatter, segment_coo, segment_csr
    from torch_scatter.utils import broadcast
except ModuleNotFoundError:
    from ._scatter import broadcast, scatter, segment_coo, segment_csr

try:
    from torch_sparse import SparseTensor
except ModuleNotFoundError:
    from ._sparse import SparseTensor

# the flag of PyG 2.8 and later, or that of older versions
if getattr(
    torch_geometric.typing,
    "WITH_RADIUS",
    getattr(torch_geometric.typing, "WITH_TORCH_CLUSTER", False),
):
    from torch_geometric.nn import radius_graph
else:
    from ._radius import radius_graph

__all__ = [
    "SparseTensor",
    "broadcast",
    "radius_graph",
    "scatter",
    "segment_coo",
    "segment_csr",
]
'''

INTERACTION_GRAPH = '''def interaction_graph(
    pos: torch.Tensor, batch: torch.Tensor, cutoff: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the edges of a molecule and their lengths, in the form that PyG's SchNet expects"""
    edge_index = radius_graph(pos, r=cutoff, batch=batch, max_num_neighbors=32)
    row, col = edge_index
    return edge_index, (pos[row] - pos[col]).norm(dim=-1)


'''


def edit(tree: Tree) -> None:
    """Add the module, and import from it everywhere."""
    tree.write(f"{PACKAGE}/__init__.py", INIT)
    for name in ("scatter", "sparse", "radius"):
        source = plugin_source.text(f"fallbacks/{name}.py")
        if NEAREST in source:  # a function that the plugin shares with its other searches
            function = plugin_source.function("graphs/limits.py", "nearest")
            source = f"{source.replace(NEAREST, '')}\n\n{function}\n"
        tree.write(
            f"{PACKAGE}/_{name}.py",
            source.replace("ocp_dc.fallbacks.scatter", f"{MODULE}._scatter"),
        )
    for path in tree.python_files():
        if IMPORT.search(tree.text(path)):
            tree.write(path, redirect(tree.text(path)))
    tree.replace("models/base.py", "from torch_geometric.nn import radius_graph\n", "")
    registry = "from fairchem.core.common.registry import registry\n"
    tree.replace("models/base.py", registry, f"from {MODULE} import radius_graph\n{registry}")
    _schnet(tree)


def redirect(source: str) -> str:
    """Return a module that imports from graph_ops instead of the compiled packages, with sorted imports."""
    names = [name.strip() for found in IMPORT.findall(source) for name in found.split(",")]
    # classes before functions, as isort sorts them
    line = f"from {MODULE} import {', '.join(sorted(names, key=lambda name: (name.islower(), name)))}\n"
    place = next((m for m in re.finditer(r"^from (fairchem\.\S+)", source, re.MULTILINE) if m[1] > MODULE), None)
    if place is None:  # fairchem's imports are a separate group after those of third parties
        last = list(IMPORT.finditer(source))[-1]
        source = f"{source[: last.end()]}\n{line}{source[last.end() :]}"
    else:
        source = source[: place.start()] + line + source[place.start() :]
    return IMPORT.sub("", source)


def _schnet(tree: Tree) -> None:
    path = "models/schnet.py"
    tree.replace(
        path,
        "import torch\nfrom torch_geometric",
        "from functools import partial\n\nimport torch\nfrom torch_geometric",
    )
    registry = "from fairchem.core.common.registry import registry\n"
    tree.replace(path, registry, f"from {MODULE} import radius_graph\n{registry}")
    head = '@registry.register_model("schnet")\n'
    tree.replace(path, head, INTERACTION_GRAPH + head)
    readout = "            readout=readout,\n"
    tree.replace(path, readout, f"            interaction_graph=partial(interaction_graph, cutoff=cutoff),\n{readout}")
