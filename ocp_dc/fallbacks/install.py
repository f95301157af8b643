"""Pure-PyTorch replacements for compiled packages that fairchem 1.10 imports, used only where those are missing.

| replaces | module | used by |
|---|---|---|
| torch_scatter (and torch_scatter.utils) | scatter.py | fairchem's utils, relaxation and most models |
| torch_sparse | sparse.py | DimeNet++, GemNet-dT, gp GemNet, GemNet-OC |
| torch_geometric.nn.radius_graph | radius.py | every model with use_pbc False and otf_graph True |
| scipy.special.sph_harm | special.py | models/utils/basis.py |

The import of this module has no effect; :func:`install` installs the replacements.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

from ocp_dc.fallbacks import radius, scatter, sparse, special
from ocp_dc.fallbacks.deferred_compiler import import_torch_geometric

SCATTER = [
    "scatter",
    "scatter_add",
    "scatter_max",
    "scatter_mean",
    "scatter_min",
    "scatter_sum",
    "segment_coo",
    "segment_csr",
]
VERSION = "0+ocp.dc"  # distinguishable from all releases of the real packages


def install() -> tuple[str, ...]:
    """Install replacements for missing packages and functions; a second call has no effect.

    A replacement module has the attribute ``ocp_dc_fallback = True``.

    Returns:
        The names that are replaced, by this or an earlier call.
    """
    # Import PyG before sys.modules holds a replacement: PyG searches for its optional packages once, at import, and
    # would mistake the replacements for them.
    import_torch_geometric()
    import torch_geometric.nn
    import torch_geometric.typing

    replaced = []
    if _is_missing("torch_scatter"):
        utils = _module("torch_scatter.utils", scatter, ["broadcast"])
        _module("torch_scatter", scatter, SCATTER).utils = utils  # type: ignore[attr-defined]
        replaced.append("torch_scatter")
    if _is_missing("torch_sparse"):
        _module("torch_sparse", sparse, ["SparseTensor", "SparseStorage"])
        replaced.append("torch_sparse")
    # The flag of PyG 2.8 and later, or that of older versions.
    found = torch_geometric.typing
    if not getattr(found, "WITH_RADIUS", getattr(found, "WITH_TORCH_CLUSTER", False)):
        _bind_radius_graph(torch_geometric.nn.radius_graph)
        replaced.append("radius_graph")
    if special.install_sph_harm():
        replaced.append("scipy.special.sph_harm")
    return tuple(replaced)


def _is_missing(name: str) -> bool:
    return hasattr(sys.modules.get(name), "ocp_dc_fallback") or importlib.util.find_spec(name) is None


def _module(name: str, source: ModuleType, members: list[str]) -> ModuleType:
    """Return the replacement module ``name`` with members of ``source``; the first call creates it."""
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name, source.__doc__)
    # importlib refuses modules without a spec; a search path makes it a package, so that it can have submodules.
    module.__spec__ = ModuleSpec(name, loader=None, origin=source.__file__, is_package=True)
    module.__file__, module.__path__ = source.__file__, []
    module.__dict__.update({member: getattr(source, member) for member in members})
    module.__dict__.update(__version__=VERSION, __all__=members, ocp_dc_fallback=True)
    sys.modules[name] = module
    return module


def _bind_radius_graph(stock: object) -> None:
    """Replace ``stock`` where PyG (nn, nn.pool, nn.models.schnet and others) or fairchem has bound it by name."""
    for name, module in list(sys.modules.items()):
        is_importer = name.partition(".")[0] in ("torch_geometric", "fairchem") and isinstance(module, ModuleType)
        if is_importer and vars(module).get("radius_graph") is stock:
            module.radius_graph = radius.radius_graph  # type: ignore[attr-defined]
