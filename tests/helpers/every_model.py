"""Every registered model at the small size of the tests, for molecules and periodic structures, in either precision."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Iterator
from typing import Any

import ocp_dc.fairchem1 as _plugin  # isort: skip  # before fairchem: the hooks let it import

import ase.io
import numpy as np
import torch
from ase import Atoms
from fairchem.core.common.registry import registry
from fairchem.core.models import base

from ocp_dc.data.oc20_lmdb.lmdb_io import to_data
from ocp_dc.data.readers.ase_files import atoms_frame
from ocp_dc.data.sample import sample_path, slab_sample_path
from ocp_dc.fairchem1.train.collate import collate

from tests.helpers.runs import (
    CGCNN,
    DIMENETPLUSPLUS,
    EQUIFORMER_V2,
    ESCN,
    ESEN,
    FORCENET,
    GEMNET,
    GEMNET_OC,
    HYDRA,
    MODEL,
    PAINN,
    SCN,
)

assert _plugin  # registers the models

KINDS = ("molecules", "periodic")


@dataclasses.dataclass(frozen=True)
class Case:
    """One model: its name in papers, the arguments of a small one, and what goes with each of its ``dc:`` blocks."""

    title: str
    arguments: dict[str, Any]
    always: dict[str, Any] = dataclasses.field(default_factory=dict)
    stock: tuple[str, dict[str, Any]] | None = None  # where name or arguments of the stock model are other ones


DIRECT = {"allow_direct": True}
CASES = {
    "dc_schnet": Case("SchNet", MODEL),
    "dc_dimenetplusplus": Case("DimeNet++", DIMENETPLUSPLUS),
    "dc_gemnet_t": Case("GemNet-dT", GEMNET),
    "dc_gp_gemnet_t": Case("GemNet-dT, graph-parallel", GEMNET),
    # at 2 Å, as for bonds, a slab may have no inner edge of a quadruplet, where fairchem stops
    "dc_gemnet_oc": Case("GemNet-OC", {**GEMNET_OC, "cutoff_qint": 3.0}),
    "dc_painn": Case("PaiNN", PAINN),
    "dc_cgcnn": Case("CGCNN", CGCNN),
    "dc_forcenet": Case("ForceNet", FORCENET),
    "dc_esen": Case(
        "eSEN",
        ESEN,
        stock=("hydra", {**HYDRA, "backbone": {**ESEN, "model": "esen_backbone"}}),
    ),
    "dc_hydra": Case("hydra: eSEN with gates", HYDRA),
    "dc_scn": Case("SCN", SCN, DIRECT),
    "dc_escn": Case("eSCN", ESCN, DIRECT),
    "dc_equiformer_v2": Case("EquiformerV2", EQUIFORMER_V2, DIRECT),
}


def registered() -> list[str]:
    """Return the names of all registered models with a ``dc:`` block."""
    return sorted(name for name in registry.mapping["model_name_mapping"] if name.startswith("dc_"))


def build(name: str, arguments: dict[str, Any], kind: str = "molecules", **changes: Any) -> Any:
    """Build a model for a kind of data; weights that start at zero, so that energies do, are drawn."""
    arguments = {**copy.deepcopy({key: value for key, value in arguments.items() if key != "name"}), **changes}
    target = arguments.get("backbone", arguments)
    target.pop("name", None)
    target["use_pbc"] = kind == "periodic"
    torch.manual_seed(0)
    model = registry.get_model_class(name)(**arguments)
    for parameter in model.parameters():
        if parameter.dim() > 1 and not parameter.any():
            torch.nn.init.normal_(parameter)
    return model


def wrapper(name: str, kind: str = "molecules", dc: dict[str, Any] | None = None, **changes: Any) -> Any:
    """Build a registered model with a ``dc:`` block."""
    case = CASES[name]
    return build(name, case.arguments, kind, dc=None if dc is None else {**dc, **case.always}, **changes)


def structures(kind: str) -> list[Atoms]:
    """Return two structures of a bundled sample."""
    if kind == "periodic":
        frames = list(ase.io.iread(slab_sample_path(), ":101"))
        return [frames[0], frames[100]]
    with np.load(sample_path()) as sample:
        return [Atoms(sample["nuclear_charges"], sample["coords"][index]) for index in (0, 1000)]


def batch_of(found: list[Atoms]) -> Any:
    """Return a batch without labels; its edges are found by the model."""
    samples = [to_data(atoms_frame(atoms, 0.0, np.zeros((len(atoms), 3))), sid=n) for n, atoms in enumerate(found)]
    return collate(samples, otf_graph=True)


def forward(model: Any, batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return energies and forces; models that draw a frame for each edge draw the same ones each time."""
    torch.manual_seed(1)
    out = model(batch)
    return out["energy"].detach(), out["forces"].detach()


@contextlib.contextmanager
def in_float64() -> Iterator[None]:
    """Let fairchem compute in float64: some models cast to float32, and the periodic graph is found in float32."""
    cast, graph = torch.Tensor.float, base.radius_graph_pbc

    def graph_in_float32(data: Any, *arguments: Any) -> tuple[torch.Tensor, ...]:
        single = copy.copy(data)
        single.pos, single.cell = cast(data.pos.detach()), cast(data.cell)
        torch.set_default_dtype(torch.float32)
        edge_index, offsets, neighbors = graph(single, *arguments)
        torch.set_default_dtype(torch.float64)
        return edge_index, offsets.double(), neighbors  # whole numbers of cells

    tensor: Any = torch.Tensor
    tensor.float = lambda x: x if x.is_floating_point() else x.double()
    base.radius_graph_pbc = graph_in_float32
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        tensor.float, base.radius_graph_pbc = cast, graph
        torch.set_default_dtype(torch.float32)
