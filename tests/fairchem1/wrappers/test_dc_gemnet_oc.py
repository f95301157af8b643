"""dc_gemnet_oc: the contract of every wrapper, the modules of each region, and triplets and quadruplets one by one."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from torch_geometric.data import Data

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.train.collate import collate
from ocp_dc.fairchem1.train.fit_scales import fit
from ocp_dc.fairchem1.train.scale_factors import scale_factors
from ocp_dc.fairchem1.wrappers import DCGemNetOC
from ocp_dc.testing.fairchem1 import Fairchem1WrapperContract

from tests.helpers.runs import GEMNET_OC

ARGUMENTS = {key: value for key, value in GEMNET_OC.items() if key != "name"}
BLOCKS = ARGUMENTS["num_blocks"]
# of an output block: a dense layer where atoms and edges differ in size, and residual layers of two each; at the end
# the global ones
OUTPUT = (BLOCKS + 1) * (1 + 2 * ARGUMENTS["num_atom"] + 2 * ARGUMENTS["num_output_afteratom"]) + (
    1 + 2 * ARGUMENTS["num_global_out_layers"]
)
# of an interaction block: the skip connection, triplets, quadruplets, atoms to edges, edges to atoms (not symmetric),
# atoms to atoms, residual layers before and after the skip connection and of the atoms, the update of the atoms, and
# the concatenation with its residual layer
INTERACTION = 1 + 4 + 4 + 4 + 3 + 2 + 2 * (1 + 1 + 1) + (1 + 2) + (1 + 2)
DC = {"activation": "irelu", "region": "output"}


STRUCTURES = 2  # of the fixture of that name


def keep_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    """GemNet-OC casts to float32 before its last layer, where float64 is to go through."""
    cast = torch.Tensor.float
    monkeypatch.setattr(torch.Tensor, "float", lambda x: x if x.is_floating_point() else cast(x))


class TestDCGemNetOC(Fairchem1WrapperContract):
    stock_name = "gemnet_oc"
    arguments = ARGUMENTS
    region_counts: ClassVar = {"output": OUTPUT, "paper": OUTPUT, "full": 1 + BLOCKS * INTERACTION + OUTPUT}

    @pytest.fixture
    def float64(self, monkeypatch):
        keep_dtype(monkeypatch)

    def test_paths(self):
        report = self.build(dc=DC).dc_report
        (first, *_), last = report.swaps, report.swaps[-1]
        assert (first.path, first.aliases) == (
            "out_blocks.0.layers.0._activation",
            ("out_blocks.0.seq_energy_pre.0._activation",),
        )
        assert last.path == "out_mlp_E.1.dense_mlp.1._activation"
        starts = ("out_blocks.0.layers", "out_blocks.0.seq_energy2", "out_blocks.1.layers", "out_blocks.1.seq_energy2")
        assert {swap.path.rsplit(".", 4 if "dense_mlp" in swap.path else 2)[0] for swap in report.swaps} == {
            *starts,
            "out_mlp_E",
        }

    def test_without_layers_after_the_atom_embedding(self):
        report = self.build(num_output_afteratom=0, dc=DC).dc_report
        assert report.swapped == OUTPUT - (BLOCKS + 1) * 2 * ARGUMENTS["num_output_afteratom"]

    @pytest.mark.usefixtures("float64")
    def test_without_quadruplets(self, structures):
        model = self.build(quad_interaction=False, dc={"activation": "irelu", "region": "full"})
        assert model.dc_report.swapped == 1 + BLOCKS * (INTERACTION - 4) + OUTPUT
        assert model.conservative

    def test_direct_forces(self, structures):
        with pytest.raises(UserError, match=r"direct_forces.*not be the derivatives"):
            self.build(direct_forces=True, dc=DC)
        ours, stock = self.build(direct_forces=True), self.build("gemnet_oc", direct_forces=True)
        assert ours.conservative is False
        batch = self.batch(structures)
        assert all(torch.equal(ours(batch)[key], stock(batch)[key]) for key in ("energy", "forces"))

    def test_the_width_of_a_bernstein_basis_is_left_alone(self):
        report = self.build(rbf={"name": "bernstein"}, dc={"activation": "irelu", "region": "full"}).dc_report
        assert report.swapped == self.region_counts["full"]
        assert report.kept
        assert all(path.endswith("rbf.softplus") for path, _ in report.kept)

    def test_scale_factors(self, structures):
        """Fitted by their paths, and none of them after the output region."""
        batch = self.batch(structures)
        stock, ours = self.build(), self.build(dc=DC)
        fitted = {each.name: each.value for each in fit(stock, [batch])}
        assert set(fitted) == set(scale_factors(stock))
        # triplets 2, quadruplets 3, atoms to edges 2, edges to atoms 2, atoms to atoms 1, the update of the atoms 1
        assert len(fitted) == BLOCKS * 11 + BLOCKS + 1
        assert {each.name: each.value for each in fit(ours, [batch])} == fitted
        inside = self.build(dc={**DC, "elsewhere": "mish"})
        assert {each.name: each.value for each in fit(inside, [batch])} != fitted


def test_has_no_choice_of_gradients():
    for key in ("angle_gradients", "force_gradients"):
        with pytest.raises(UserError, match=f"{key}.*remove it"):
            DCGemNetOC(**ARGUMENTS, dc={**DC, key: "exact"})


# ---- what rests on the fallbacks: edges, triplets and quadruplets, one by one ----


@pytest.fixture(scope="module")
def graphs(structures) -> dict[str, Any]:
    """The graphs and indices of two molecules, and the edges of each graph as pairs (source, target)."""
    batch = collate(structures, otf_graph=True)
    names = ("main", "a2a", "a2ee2a", "qint", "swap", "e2e", "a2e", "e2a", "quad")
    found = dict(zip(names, DCGemNetOC(**ARGUMENTS).get_graphs_and_indices(batch), strict=True))
    edges = {key: [tuple(e) for e in found[key]["edge_index"].T.tolist()] for key in ("main", "a2a", "a2ee2a", "qint")}
    return {**found, "batch": batch, "edges": edges}


def pairs(found: dict[str, torch.Tensor]) -> list[tuple[int, int]]:
    return sorted(zip(found["in"].tolist(), found["out"].tolist(), strict=True))


@pytest.mark.parametrize(
    ("graph", "cutoff"),
    [("main", "cutoff"), ("a2a", "cutoff_aint"), ("a2ee2a", "cutoff_aeaint"), ("qint", "cutoff_qint")],
)
def test_edges(graphs, graph, cutoff):
    position, owner = graphs["batch"].pos, graphs["batch"].batch
    atoms = range(len(position))
    expected = [
        (s, t)
        for s in atoms
        for t in atoms
        if s != t and owner[s] == owner[t] and (position[s] - position[t]).norm() <= ARGUMENTS[cutoff]
    ]
    assert sorted(graphs["edges"][graph]) == sorted(expected)
    if graph == "main":
        assert [expected.count(edge[::-1]) for edge in expected] == [1] * len(expected)
        assert all(
            graphs["edges"]["main"][k] == edge[::-1]
            for k, edge in zip(graphs["swap"], graphs["edges"]["main"], strict=True)
        )


@pytest.mark.parametrize(
    ("found", "into", "out"), [("e2e", "main", "main"), ("a2e", "a2ee2a", "main"), ("e2a", "main", "a2ee2a")]
)
def test_triplets(graphs, found, into, out):
    """b -> a for every c -> a, b and c different atoms."""
    ins, outs = graphs["edges"][into], graphs["edges"][out]
    expected = [(i, o) for o, (c, a) in enumerate(outs) for i, (b, target) in enumerate(ins) if target == a and b != c]
    assert pairs(graphs[found]) == sorted(expected)
    inner = graphs[found]["out_agg"].tolist()  # counts the triplets of each output edge
    for edge in range(len(outs)):
        mine = [number for number, o in zip(inner, graphs[found]["out"].tolist(), strict=True) if o == edge]
        assert sorted(mine) == list(range(len(mine)))


def test_quadruplets(graphs):
    """d -> b, b -> a and c -> a with four different atoms, b -> a from the graph of the quadruplets."""
    main, inner, quad = graphs["edges"]["main"], graphs["edges"]["qint"], graphs["quad"]
    expected = [
        (ca, ba, db)
        for ca, (c, a) in enumerate(main)
        for ba, (b, target) in enumerate(inner)
        for db, (d, middle) in enumerate(main)
        if target == a and middle == b and len({a, b, c, d}) == 4
    ]
    into, out = quad["trip_in_to_quad"], quad["trip_out_to_quad"]
    assert torch.equal(quad["triplet_in"]["out"][into], quad["triplet_out"]["in"][out])  # one b -> a
    assert torch.equal(quad["triplet_out"]["out"][out], quad["out"])
    columns = (quad["out"], quad["triplet_in"]["out"][into], quad["triplet_in"]["in"][into])
    assert sorted(zip(*(column.tolist() for column in columns), strict=True)) == sorted(expected)
    assert expected


# ---- geometries on which dihedral angles are not smooth ----


def molecule(numbers: list[int], positions: list[list[float]]) -> Data:
    """A batch of one structure in float64."""
    data = Data(
        pos=torch.tensor(positions, dtype=torch.float64),
        atomic_numbers=torch.tensor(numbers, dtype=torch.float32),
        natoms=len(numbers),
        tags=torch.zeros(len(numbers), dtype=torch.long),
        cell=torch.zeros(1, 3, 3, dtype=torch.float64),
    )
    return collate([data], otf_graph=True)


def formaldehyde(height: float) -> Data:
    """The carbon above the plane of the others, in Å."""
    return molecule([6, 8, 1, 1], [[0, height, 0], [0, 0, 1.2], [0.94, 0, -0.54], [-0.94, 0, -0.54]])


@pytest.mark.parametrize(("basis", "kink"), [("legendre_outer", False), ("spherical_harmonics", True)])
def test_a_planar_molecule(monkeypatch, basis, kink):
    """The force out of the plane goes to zero there, but for fairchem's default basis, in which it jumps."""
    keep_dtype(monkeypatch)
    torch.manual_seed(0)
    model = DCGemNetOC(**{**ARGUMENTS, "sbf": {"name": basis}}, dc=DC).double()
    above, below = (model(formaldehyde(height))["forces"][0, 1].item() for height in (1e-6, -1e-6))
    assert above == pytest.approx(-below, rel=1e-3)
    far = abs(model(formaldehyde(1e-2))["forces"][0, 1].item())
    assert (abs(above) > 1e-3 * far) is kink


def test_four_atoms_on_a_line(monkeypatch):
    """Without quadruplets forces are finite; their dihedral angle has no value there."""
    keep_dtype(monkeypatch)
    torch.manual_seed(0)
    acetylene = molecule([1, 6, 6, 1], [[0, 0, -1.66], [0, 0, -0.6], [0, 0, 0.6], [0, 0, 1.66]])
    model = DCGemNetOC(**{**ARGUMENTS, "quad_interaction": False}, dc=DC).double()
    out = model(acetylene)
    out["forces"].square().sum().backward()
    assert torch.isfinite(out["forces"]).all()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
