"""The native GemNet-OC under its wrapper."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import pytest
import torch
from fairchem.core.modules.scaling import ScaleFactor

from ocp_dc.fairchem1.train.fit_scales import fit
from ocp_dc.models.gemnet_oc import GemNetOC

from tests.helpers.every_model import in_float64
from tests.helpers.native_checks import NativeContract, assert_same, outputs_and_gradients
from tests.helpers.native_structures import batch_of, ethanols, structures
from tests.helpers.runs import GEMNET_OC

# four different cutoffs. Inner edges are shorter than those of a metal: on a perfect lattice, quadruplets with three
# atoms on a line make forces a matter of rounding, in both models
ARGUMENTS: dict[str, Any] = {
    **{key: value for key, value in GEMNET_OC.items() if key not in ("name", "use_pbc", "otf_graph")},
    **{"num_blocks": 2, "cutoff": 4.0, "cutoff_qint": 2.3, "cutoff_aeaint": 3.5, "cutoff_aint": 5.0},
}
INTERACTIONS = ("quad_interaction", "atom_edge_interaction", "edge_atom_interaction", "atom_interaction")
NONE = dict.fromkeys(INTERACTIONS, False)
# arguments that change the function, and batches that show it
CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "no interactions but triplets": ("mixed sizes", NONE),
    **{f"only {name}": ("mixed sizes", {**NONE, name: True}) for name in INTERACTIONS},
    **{f"no {name}": ("mixed sizes", {name: False}) for name in INTERACTIONS},
    "one cutoff": ("small cell", dict.fromkeys(("cutoff_qint", "cutoff_aeaint", "cutoff_aint"))),
    "harmonics": ("mixed sizes", {"sbf": {"name": "spherical_harmonics"}, "num_spherical": 4}),
    "gaussians": ("mixed sizes", {"sbf": {"name": "gaussian_outer"}, "cbf": {"name": "gaussian"}}),
    "bernstein": ("mixed sizes", {"rbf": {"name": "bernstein"}, "rbf_spherical": {"name": "spherical_bessel"}}),
    "exponential": ("mixed sizes", {"envelope": {"name": "exponential"}}),
    "trained centers": ("mixed sizes", {"rbf": {"name": "gaussian", "trainable": True}}),
    "scaled bases": ("mixed sizes", {"scale_basis": True}),
    "mean": ("mixed sizes", {"extensive": False, "num_output_afteratom": 0, "output_init": "loggrid"}),
    "equal sizes": ("mixed sizes", {"emb_size_atom": 10, "num_atom_emb_layers": 0, "output_init": "grid"}),
    # with few neighbors many edges lose their reverse, which GemNet completes or drops
    "few neighbors": (
        "triclinic cell",
        {"max_neighbors": 7, "max_neighbors_qint": 4, "max_neighbors_aeaint": 5, "max_neighbors_aint": 20},
    ),
    "few neighbors, with ties": (
        "small cell",
        {
            **{"max_neighbors": 7, "max_neighbors_qint": 3, "max_neighbors_aeaint": 5, "cutoff_qint": 3.5},
            "enforce_max_neighbors_strictly": False,
        },
    ),
    "few neighbors, without atoms": ("triclinic cell", {**NONE, "quad_interaction": True, "max_neighbors": 7}),
    "quadruplets in a metal": ("displaced slabs", {"cutoff_qint": 3.0}),
    "tags": ("displaced slabs", {"cutoff_qint": 3.0, "qint_tags": [1, 2]}),
}


class Contract(NativeContract):
    """The arguments of all tests."""

    stock_name = "gemnet_oc"
    native_class = GemNetOC
    arguments: ClassVar = ARGUMENTS
    # over 200 steps, against float64: up to 1.8e-4 for either path, but for single steps at which an argument of IReLU,
    # whose second derivative jumps at 0, rounds to the other side of 0; the first is step 71
    steps = 60
    lockstep_tolerance = 5e-4

    def compare(self, name: str, **changes: Any) -> None:
        """Compare with the stock model in float64."""
        periodic = name not in ("mixed sizes",)
        stock = self.build("gemnet_oc", periodic, **changes).double()
        ours = self.build("dc_gemnet_oc", periodic, **changes, dc={"accelerate": "native"}).double()
        assert ours.uses_native
        with in_float64():
            found, expected = (outputs_and_gradients(model, batch(name)) for model in (ours, stock))
        assert_same(found, expected)


def batch(name: str) -> Any:
    """Return a batch; displaced slabs have no three atoms on a line."""
    if name != "displaced slabs":
        return batch_of(structures(name))
    slabs = structures("slabs")
    for seed, slab in enumerate(slabs):
        slab.set_constraint()
        slab.rattle(0.02, seed=seed)
    return batch_of(slabs)


class TestNativeGemNetOC(Contract):
    """With fitted scale factors."""

    def setup_model(self, model: torch.nn.Module) -> None:
        generator = torch.Generator().manual_seed(3)
        for name, parameter in model.named_parameters():
            if name.split(".")[-2].startswith("scale_"):
                parameter.data.fill_(0.6 + 0.8 * torch.rand((), generator=generator).item())

    @pytest.mark.parametrize("case", CHANGES)
    def test_arguments(self, case: str) -> None:
        name, changes = CHANGES[case]
        self.compare(name, **changes)

    @pytest.mark.parametrize("case", CHANGES)
    def test_initial_weights_with_other_arguments(self, case: str) -> None:
        contract = TestNativeGemNetOC()
        contract.arguments = {**ARGUMENTS, **CHANGES[case][1]}  # type: ignore[misc]
        contract.test_has_the_initial_weights_of_the_stock_model()

    @pytest.mark.parametrize("case", ["harmonics", "gaussians", "bernstein", "exponential", "trained centers"])
    def test_the_two_forms_agree_with_other_bases(self, case: str) -> None:
        contract = TestNativeGemNetOC()
        contract.arguments = {**ARGUMENTS, **CHANGES[case][1]}  # type: ignore[misc]
        contract.test_the_two_forms_agree("mixed sizes", "stock activation")

    def test_selects_among_the_edges_of_the_data(self) -> None:
        """Edges that come with the data are OC20's, of 6 Å and at most 50 neighbors."""
        batch = batch_of(structures("mixed sizes"))
        wide = self.build("dc_gemnet_oc", False, cutoff_aint=6.0, dc={"accelerate": "native"})
        edges = wide.find_edges(batch)
        batch.edge_index = torch.stack([edges.source, edges.target])
        changes: dict[str, Any] = {"otf_graph": False, "max_neighbors_aint": 6, "max_neighbors": 5}
        models = (
            self.build(name, False, **changes, **dc).double()
            for name, dc in (("dc_gemnet_oc", {"dc": {"accelerate": "native"}}), ("gemnet_oc", {}))
        )
        with in_float64():
            found, expected = (outputs_and_gradients(model, copy.copy(batch)) for model in models)
        assert_same(found, expected)

    def test_a_fit_of_scale_factors_observes_the_host_path(self) -> None:
        """The fit reads what passes through fairchem's modules of the factors."""
        batches = [batch_of(ethanols(2, first), torch.float32) for first in (0, 2)]
        ours, host = (
            self.build("dc_gemnet_oc", False, dc={"activation": "irelu", "accelerate": path})
            for path in ("native", "off")
        )
        assert fit(ours, copy.deepcopy(batches)) == fit(host, copy.deepcopy(batches))
        factor = next(part for part in ours.modules() if isinstance(part, ScaleFactor))
        with factor.fit_context_():
            assert ours.host_only_reason() == "a fit of its scale factors is in progress"
        assert ours.host_only_reason() is None

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"direct_forces": True}, "it predicts direct forces"),
            (
                {"scale_backprop_forces": True},
                "scale_backprop_forces repeats the derivative of the energy until it is finite",
            ),
        ],
    )
    def test_what_takes_the_host_path(self, changes: dict[str, Any], reason: str) -> None:
        model = self.build("dc_gemnet_oc", False, **changes, dc={"accelerate": "native"})
        assert model.host_only_reason() == reason
        assert model(batch_of(structures("mixed sizes"), torch.float32))["forces"].abs().max() > 0


class TestUnfitted(Contract):
    """With scale factors of 0, which mean 1."""

    steps = 20
