"""The table of docs/models.md: properties of every registered model, and checks, found by building it.

``python -m tests.helpers.models_table`` writes it anew, and test_models_table.py compares. Models
have the small sizes of the tests; data are two ethanols and two metal slabs of the bundled samples.
"""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms

from ocp_dc.core.errors import UserError
from ocp_dc.testing.tolerances import FINITE_DIFFERENCE

from tests.helpers.every_model import (
    CASES,
    KINDS,
    batch_of,
    build,
    forward,
    in_float64,
    registered,
    structures,
    wrapper,
)

from fairchem.core.common.registry import registry  # isort: skip  # after the hooks, which let it import

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
REGIONS = ("output", "paper", "full")
NORMS = ("batchnorm", "layernorm", "all")
HEAD = [
    f"| model | name | activations: {' / '.join(REGIONS)} | norms: {' / '.join(NORMS)} | forces are -dE/dx | runs on "
    "| is stock, bit for bit, without `dc:` | agrees with finite differences |",
    "|---|---|---|---|---|---|---|---|",
]
STEP = 1e-5  # Å
# nothing, and the keys of the dc: block that can make forces the gradient of the energy
EXACT: tuple[dict[str, Any] | None, ...] = (None, {"angle_gradients": "exact"}, {"force_gradients": "exact"})


def runs(name: str, kind: str) -> bool:
    """Tell whether energies and forces are finite, and not all zero."""
    energy, forces = forward(wrapper(name, kind).eval(), batch_of(structures(kind)))
    return bool(torch.isfinite(energy).all() and torch.isfinite(forces).all() and energy.any() and forces.any())


def is_stock(name: str, kind: str) -> bool:
    """Tell whether without ``dc:`` energies and forces are those of the stock model, bit for bit."""
    stock_name, arguments = CASES[name].stock or (name.removeprefix("dc_"), CASES[name].arguments)
    models = build(stock_name, arguments, kind), wrapper(name, kind)
    stock, ours = (forward(model.eval(), batch_of(structures(kind))) for model in models)
    return all(torch.equal(one, other) for one, other in zip(stock, ours, strict=True))


def follows_the_energy(name: str, kind: str, dc: dict[str, Any], atoms: Atoms | None = None, **changes: Any) -> bool:
    """Tell whether forces are central differences of the energy, in float64, along three coordinates of one structure.

    Of free atoms: fixed ones sit on sites of a perfect lattice, where some energies have kinks.
    """
    relative, absolute = FINITE_DIFFERENCE
    atoms = atoms or structures(kind)[0]
    free = np.flatnonzero(atoms.get_tags() > 0) if kind == "periodic" else np.arange(len(atoms))
    with in_float64():
        model = wrapper(name, kind, dc, **changes).double().eval()
        batch = batch_of([atoms])
        batch.cell, start = batch.cell.double(), batch.pos.double()

        def at(positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            batch.pos = positions
            return forward(model, batch)

        forces = at(start.clone())[1]
        for atom, axis in ((free[0], 0), (free[len(free) // 2], 1), (free[-1], 2)):
            shift = torch.zeros_like(start)
            shift[atom, axis] = STEP
            difference = -(at(start + shift)[0] - at(start - shift)[0]).item() / (2 * STEP)
            if not abs(forces[atom, axis].item() - difference) <= absolute + relative * abs(difference):
                return False
    return bool(forces.any())


def conservative_with(name: str) -> tuple[list[str], dict[str, Any]] | None:
    """Return the keys that make forces the gradient of the energy, and those of the ``dc:`` block; None: none do."""
    keys: list[str] = []
    if "direct_forces" in inspect.signature(registry.get_model_class(name)).parameters:
        assert not wrapper(name, direct_forces=True).conservative
        keys.append("direct_forces: false")
    for dc in EXACT:
        with contextlib.suppress(UserError):  # a key that means nothing for this model
            if wrapper(name, dc=dc).conservative:
                return keys + [f"dc.{key}: {value}" for key, value in (dc or {}).items()], dc or {}
    return None


def row(name: str) -> str:
    """Return the line of one model."""
    regions = [wrapper(name, dc={"activation": "irelu", "region": r}).dc_report.swapped for r in REGIONS]
    removed = [
        len(wrapper(name, dc={"activation": "irelu", "denormalize": which}).dc_report.removals) for which in NORMS
    ]
    found = conservative_with(name)
    conservative, differences = "no", "-"
    if found is not None:
        keys, dc = found
        conservative = "yes" + (f", with {' and '.join(f'`{key}`' for key in keys)}" if keys else "")
        irelu = {"activation": "irelu", "region": "output"}
        differences = kinds(lambda kind: all(follows_the_energy(name, kind, {**dc, **more}) for more in ({}, irelu)))
    cells = [
        CASES[name].title,
        f"`{name}`",
        " / ".join(map(str, regions)),
        " / ".join(map(str, removed)),
        conservative,
        kinds(lambda kind: runs(name, kind)),
        kinds(lambda kind: is_stock(name, kind)),
        differences,
    ]
    return f"| {' | '.join(cells)} |"


def kinds(holds: Callable[[str], bool]) -> str:
    """Return the kinds of data for which something holds."""
    return ", ".join(kind for kind in KINDS if holds(kind)) or "none"


def table() -> str:
    """Return the table; a registered model that is missing in CASES is an error, and so is the other way round."""
    if sorted(CASES) != registered():
        raise UserError(f"the table of models holds {sorted(CASES)}, registered are {registered()}; mend CASES")
    return "\n".join([*HEAD, *(row(name) for name in CASES)])


def replace_table(text: str, new: str) -> str:
    """Return a page with its one table replaced."""
    replaced, count = re.subn(r"(^\|.*\n)+", lambda _: f"{new}\n", text, flags=re.MULTILINE)
    assert count == 1, "the page holds one table"
    return replaced


if __name__ == "__main__":
    torch.set_num_threads(1)
    PAGE.write_text(replace_table(PAGE.read_text(), table()))
