"""docs/models.md holds what building and running every registered model gives."""

from __future__ import annotations

import pytest
from ase.build import add_adsorbate, fcc111
from fairchem.core.common.registry import registry

from ocp_dc.core.errors import UserError

from tests.helpers import models_table


@pytest.mark.slow
def test_the_page_is_current():
    """Made by ``python -m tests.helpers.models_table``."""
    page = models_table.PAGE.read_text()
    assert models_table.replace_table(page, models_table.table()) == page


def test_every_model_runs_on_both_kinds_of_data_and_is_stock():
    lines = [line for line in models_table.PAGE.read_text().splitlines() if line.startswith("|")][2:]
    assert len(lines) == len(models_table.registered())
    for line in lines:
        *_, conservative, data, stock, differences = (cell.strip() for cell in line.strip("|").split("|"))
        assert (data, stock) == ("molecules, periodic",) * 2, line
        assert differences == ("-" if conservative == "no" else data), line


def test_a_registered_model_without_a_row(monkeypatch):
    names = {**registry.mapping["model_name_mapping"], "dc_new": object}
    monkeypatch.setitem(registry.mapping, "model_name_mapping", names)
    with pytest.raises(UserError, match=r"registered are .*'dc_new'"):
        models_table.table()


def test_wrong_forces_are_found():
    """Stock DimeNet++, whose angles are detached, and stock PaiNN, which derives its features."""
    for kind in models_table.KINDS:
        assert not models_table.follows_the_energy("dc_dimenetplusplus", kind, {"angle_gradients": "stock"})
        assert not models_table.follows_the_energy("dc_painn", kind, {"force_gradients": "stock"})


@pytest.mark.parametrize(("quadruplets", "rattled"), [(True, False), (True, True), (False, False)])
def test_quadruplets_on_a_perfect_lattice(quadruplets, rattled):
    """Three atoms exactly on a line, as in a slab before it relaxes: no dihedral angle, and a wrong gradient."""
    slab = fcc111("Cu", (2, 2, 3), vacuum=6.0)
    add_adsorbate(slab, "O", 1.2, "fcc")
    slab.set_tags(1)
    if rattled:
        slab.rattle(0.02, seed=0)
    follows = models_table.follows_the_energy("dc_gemnet_oc", "periodic", {}, slab, quad_interaction=quadruplets)
    assert follows is (rattled or not quadruplets)
