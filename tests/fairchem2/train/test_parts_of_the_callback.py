"""The parts of the callback that need no run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import chemical_symbols
from ase.db import connect
from fairchem.core.modules.loss import DDPMTLoss, MAELoss
from fairchem.core.units.mlip_unit._metrics import Metrics

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem2.train.label_check import check_elements, check_labels
from ocp_dc.fairchem2.train.loss_taps import LossTaps
from ocp_dc.fairchem2.train.validation_metrics import check_primary, metric_names, validation_metrics

from tests.helpers.fairchem2_toys import cluster


def task(name: str, level: str, datasets: list[str], **others: Any) -> SimpleNamespace:
    quantity = name.rpartition("_")[2]
    return SimpleNamespace(name=name, property=quantity, level=level, datasets=datasets, metrics=["mae"], **others)


TASKS = [
    task("oc20_energy", "system", ["oc20"]),
    task("omat_energy", "system", ["omat"]),
    task("forces", "atom", ["oc20", "omat"]),
]
SETS = ["oc20.val", "omat.val"]


def test_metrics_of_several_sets_are_pooled_by_property() -> None:
    unit = SimpleNamespace(
        tasks=TASKS,
        total_loss_metrics=Metrics(total=torch.tensor(6.0), numel=2),
        running_metrics={
            "oc20_energy": {"oc20.val": {"mae": Metrics(total=4.0, numel=4)}},
            "omat_energy": {"omat.val": {"mae": Metrics(total=6.0, numel=1)}},
            "forces": {"oc20.val": {"mae": Metrics(total=1.0, numel=2)}, "omat.val": {"mae": Metrics()}},
        },
    )
    found = validation_metrics(unit)
    assert np.isnan(found.pop("omat.forces_mae"))  # no labels there
    assert found == {
        "loss": 3.0,
        "energy_mae": 2.0,
        "oc20.energy_mae": 1.0,
        "omat.energy_mae": 6.0,
        "forces_mae": 0.5,
        "oc20.forces_mae": 0.5,
    }
    assert all(type(value) is float for value in found.values())
    assert set(metric_names(TASKS, SETS)) == {*found, "omat.forces_mae"}


def test_names_of_one_set_have_no_prefix() -> None:
    assert metric_names(TASKS, ["oc20.val"]) == ["loss", "energy_mae", "forces_mae"]
    check_primary("energy_mae", TASKS, ["oc20.val"])
    with pytest.raises(UserError, match=r"unknown primary_metric 'energy_mea'.*Did you mean 'energy_mae'"):
        check_primary("energy_mea", TASKS, ["oc20.val"])


def loss_task() -> SimpleNamespace:
    return task("energy", "system", ["data"], loss_fn=DDPMTLoss(MAELoss(), coefficient=2.0))


def loss_of(one: SimpleNamespace, predicted: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = one.loss_fn(
        predicted, torch.zeros(2), mult_mask=torch.ones(2, dtype=torch.bool), natoms=torch.tensor([3, 3])
    )
    return found


def not_finite(taps: LossTaps) -> list[str]:
    found = taps.take_flags()
    assert found is not None
    return [name for name, finite in zip(found[0], found[1].tolist(), strict=True) if not finite]


def test_a_hidden_loss_becomes_visible_to_the_gradient() -> None:
    one = loss_task()
    predicted = torch.tensor([[1.0], [torch.nan]], requires_grad=True)
    hidden = loss_of(one, predicted)
    assert hidden == 0  # what fairchem makes of it
    taps = LossTaps([one])
    visible = loss_of(one, predicted)
    assert visible.isnan()
    visible.backward()
    assert predicted.grad.isnan().all()
    assert not_finite(taps) == ["the predicted energy"]
    taps.remove()
    assert loss_of(one, predicted) == 0


def test_an_overflow_of_the_loss_is_named() -> None:
    one = loss_task()
    taps = LossTaps([one])
    loss_of(one, torch.full((2, 1), 3e38))
    assert not_finite(taps) == ["the energy loss"]


def test_losses_of_a_step() -> None:
    one = loss_task()
    taps = LossTaps([one])
    finite = loss_of(one, torch.tensor([[1.0], [3.0]]))
    assert {name: float(value) for name, value in taps.take_losses().items()} == {"loss": 4.0, "loss_energy": 4.0}
    assert finite == 4.0
    taps.training = False
    loss_of(one, torch.tensor([[1.0], [3.0]]))
    assert float(taps.take_losses()["loss"]) == 0  # of a validation


def loader_of(folder: Path, spoil: dict[int, str]) -> SimpleNamespace:
    from fairchem.core.datasets import AseDBDataset
    from fairchem.core.datasets.atomic_data import atomicdata_list_to_batch

    rng = np.random.default_rng(0)
    with connect(folder / "data.aselmdb", type="aselmdb") as database:
        for index in range(6):
            frame = cluster(rng)
            labels = {"energy": frame.get_potential_energy(), "forces": frame.get_forces()}
            if spoil.get(index) == "energy":
                labels["energy"] = np.nan
            if spoil.get(index) == "forces":
                labels["forces"][0, 1] = np.inf
            frame.calc = SinglePointCalculator(frame, **labels)
            database.write(frame)
    dataset = AseDBDataset({"src": str(folder / "data.aselmdb"), "a2g_args": {"r_energy": True, "r_forces": True}})

    def collate(structures: list[Any]) -> Any:
        batch = atomicdata_list_to_batch(structures)
        batch["dataset_name"] = ["data"] * len(structures)
        return batch

    return SimpleNamespace(dataset=dataset, collate_fn=collate)


LABELED = [task("energy", "system", ["data"]), task("forces", "atom", ["data"])]


def test_labels_that_are_not_finite_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    loader = loader_of(tmp_path, {1: "energy", 2: "forces", 4: "forces"})
    check_labels(LABELED, {"train": loader}, logs=True)
    assert "train: 1 of 6 examined structures have no finite energy" in caplog.text
    assert "train: 2 of 6 examined structures have no finite forces" in caplog.text


def test_a_set_without_labels_is_refused(tmp_path: Path) -> None:
    loader = loader_of(tmp_path, dict.fromkeys(range(6), "forces"))
    with pytest.raises(UserError, match="val: 6 of 6 examined structures have no finite forces"):
        check_labels(LABELED, {"val": loader}, logs=True)


def test_an_element_without_a_reference_is_refused(tmp_path: Path) -> None:
    loader = loader_of(tmp_path, {})
    numbers = np.unique(np.concatenate([loader.dataset[index].atomic_numbers for index in range(6)]))
    references = torch.full((119,), torch.nan)
    references[numbers] = -1.0
    whole, lacking = SimpleNamespace(element_references=references), SimpleNamespace(element_references=references + 0)
    lacking.element_references[numbers[0]] = torch.nan

    def tasks(found: Any, datasets: list[str]) -> list[Any]:
        forces = task("forces", "atom", ["data"], element_references=None)
        return [task("energy", "system", datasets, element_references=found), forces]

    check_elements(tasks(whole, ["data"]), {"val": loader})
    check_elements(tasks(lacking, ["other"]), {"val": loader})
    symbol = chemical_symbols[numbers[0]]
    with pytest.raises(UserError, match=rf"^test: has the elements {symbol}, which have no reference energy"):
        check_elements(tasks(lacking, ["data"]), {"test": loader})
