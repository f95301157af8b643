"""Tasks whose labels are not those of an energy and its derivatives are refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fairchem.core.modules.normalization.element_references import ElementReferences
from fairchem.core.modules.normalization.normalizer import Normalizer
from fairchem.core.units.mlip_unit.mlip_unit import OutputSpec, Task

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem2.labels.normalizer import Float64Normalizer
from ocp_dc.fairchem2.labels.tasks import check_tasks


def task(name: str, mean: Any = 0.0, rmsd: float = 2.5, data: str = "data", references: bool = False) -> Task:
    kind = name.rpartition("_")[2]
    return Task(
        name=name,
        level="atom" if kind == "forces" else "system",
        property=kind,
        out_spec=OutputSpec([1], "float32"),
        normalizer=Normalizer(mean, rmsd),
        datasets=[data],
        element_references=ElementReferences(torch.zeros(119)) if references else None,
    )


def test_one_number_for_all() -> None:
    energy = task("energy", references=True)
    check_tasks([energy, task("forces"), task("stress")])
    energy.normalizer = Float64Normalizer(-9000.0, 0.954314585599655)  # C in float64, that of the forces in float32
    check_tasks([energy, task("forces", rmsd=0.954314585599655)])
    check_tasks([task("a_energy", data="a"), task("a_forces", data="a"), task("b_energy", rmsd=7.0, data="b")])
    check_tasks([task("energy", rmsd=1.0), task("charge", rmsd=3.0)])  # other properties are not looked at


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        (
            [task("energy"), task("forces", rmsd=2.6)],
            r"tasks of data: got the rmsd energy 2\.5, forces 2\.5999.*dc_scale",
        ),
        ([task("energy"), task("forces"), task("stress", rmsd=1.0)], "stress 1"),
        ([task("energy"), task("forces", mean=0.1)], r"task forces: got a normalizer with mean 0\.1"),
        ([task("energy"), task("forces", references=True)], "element_references belong to the energy"),
    ],
)
def test_refused(tasks: list[Task], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_tasks(tasks)
