"""fairchem 2 reads what prepare writes; with our data set, energies keep float64 up to the loss and the metrics."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase.cell import Cell
from fairchem.core.components.common.dataloader_builder import get_dataloader
from fairchem.core.datasets.mt_concat_dataset import create_concat_dataset
from fairchem.core.datasets.samplers.max_atom_distributed_sampler import MaxAtomDistributedBatchSampler
from fairchem.core.modules.loss import DDPMTLoss, L2NormLoss, MAELoss
from fairchem.core.modules.normalization.element_references import ElementReferences
from fairchem.core.modules.normalization.normalizer import Normalizer
from fairchem.core.units.mlip_unit.mlip_unit import (
    OutputSpec,
    Task,
    compute_loss,
    compute_metrics,
    mt_collater_adapter,
)
from omegaconf import OmegaConf

from ocp_dc.core.errors import UnsafeDataError, UserError
from ocp_dc.data.ase_lmdb.reader import AseLmdbReader
from ocp_dc.data.ase_lmdb.rows import Row
from ocp_dc.data.ase_lmdb.writer import write_aselmdb, write_metadata
from ocp_dc.fairchem2.labels.dataset import Float64Collater, Float64EnergyDataset
from ocp_dc.fairchem2.labels.normalizer import Float64Normalizer
from ocp_dc.fairchem2.labels.resolvers import dc_mean, dc_references, dc_scale

OURS = "ocp_dc.fairchem2.labels.dataset.Float64EnergyDataset"
STOCK = "ase_db"


def concat(kind: str, src: Any, **keys: Any) -> Any:
    """The data set as a config of fairchem 2 makes it."""
    block = {
        "format": kind,
        "splits": {"train": {"src": src}},
        "transforms": {"common_transform": {"dataset_name": "data"}},
        "no_shuffle": True,
        **keys,
    }
    sampling = {"type": "temperature", "temperature": 1.0}
    return create_concat_dataset(OmegaConf.create({"data": block}), {"sampling": sampling})


@pytest.mark.parametrize("kind", [STOCK, OURS])
@pytest.mark.parametrize("sample", ["ethanol", "slabs"])
def test_labels_of_fairchem(request: pytest.FixtureRequest, kind: str, sample: str) -> None:
    folder = request.getfixturevalue(sample)
    assert sorted(path.name for path in (folder / "train").iterdir()) == ["data.aselmdb", "metadata.npz"]
    dataset = concat(kind, str(folder / "train"))
    with AseLmdbReader(folder / "train") as reader:
        assert len(dataset) == len(reader)
        for index, frame in enumerate(reader):
            data = dataset[index]
            assert data.energy.item() == np.float32(frame.energy)
            np.testing.assert_array_equal(data.forces.numpy(), frame.forces.astype(np.float32))
            np.testing.assert_array_equal(data.fixed.numpy(), frame.fixed)
            np.testing.assert_array_equal(data.atomic_numbers.numpy(), frame.numbers)
            np.testing.assert_array_equal(data.pbc[0].numpy(), frame.pbc)
            np.testing.assert_allclose(data.cell[0].numpy(), Cell(frame.cell).complete(), rtol=1e-7)
            np.testing.assert_allclose(data.pos.numpy(), frame.positions, atol=2e-5)
            assert data.sid == [f"{frame.sid}-frame-{frame.fid}"]
            if frame.tags.any():
                np.testing.assert_array_equal(data.tags.numpy(), frame.tags)
        assert dataset.metadata_hasattr("natoms")
        natoms = [frame.natoms for frame in reader]
    largest = 3 * max(natoms)
    sampler = MaxAtomDistributedBatchSampler(dataset, max_atoms=largest, num_replicas=1, rank=0, seed=0)
    batches = list(sampler)
    assert sorted(index for batch in batches for index in batch) == list(range(len(natoms)))
    assert all(sum(natoms[index] for index in batch) <= largest for batch in batches)


def test_stress(tmp_path: Path) -> None:
    stress = np.array([1.0, 2, 3, 4, 5, 6]) * 1e-3
    row = {
        "numbers": [1, 1],
        "positions": np.eye(3)[:2] * 2,
        "cell": np.eye(3) * 8,
        "pbc": [True] * 3,
        "energy": -1.0,
        "forces": np.zeros((2, 3)),
        "stress": stress,
    }
    write_aselmdb(tmp_path / "data.aselmdb", [Row(row, {})])
    xx, yy, zz, yz, xz, xy = stress
    expected = [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]
    np.testing.assert_allclose(concat(OURS, str(tmp_path))[0].stress[0].numpy(), expected, rtol=1e-6)


def heavy(folder: Path, count: int = 24) -> list[float]:
    """Structures with energies of about -1e5 eV, which differ by 0.2 meV."""
    rng = np.random.default_rng(0)
    energies = (-1e5 + 2e-4 * rng.permutation(count)).tolist()
    rows = [
        Row(
            {
                "numbers": [79, 1],
                "positions": np.array([[0.0, 0, 0], [0, 0, 1.5]]),
                "cell": np.zeros((3, 3)),
                "pbc": [False] * 3,
                "energy": energy,
                "forces": rng.normal(size=(2, 3)),
            },
            {},
        )
        for energy in energies
    ]
    folder.mkdir()
    write_metadata(folder, write_aselmdb(folder / "data.aselmdb", rows))
    return energies


def tasks_of(folder: Path, center: str = "composition") -> list[Task]:
    arguments = (str(folder), center, "forces_rms")
    energy = Task(
        name="energy",
        level="system",
        property="energy",
        out_spec=OutputSpec([1], "float32"),
        normalizer=Float64Normalizer(dc_mean(*arguments), dc_scale(*arguments)),
        datasets=["data"],
        loss_fn=DDPMTLoss(MAELoss()),
        element_references=ElementReferences(torch.DoubleTensor(dc_references(*arguments))),
        metrics=["mae"],
    )
    forces = Task(
        name="forces",
        level="atom",
        property="forces",
        out_spec=OutputSpec([3], "float32"),
        normalizer=Normalizer(0.0, dc_scale(*arguments)),
        datasets=["data"],
        loss_fn=DDPMTLoss(L2NormLoss()),
        metrics=["mae"],
    )
    return [energy, forces]


def errors(folder: Path, kind: str, energies: list[float], scaled: torch.Tensor, center: str) -> tuple[float, float]:
    """Errors in eV of a prediction in float32 that is exact to its rounding: of the loss, and of the metric."""
    tasks = tasks_of(folder, center)
    dataset = concat(kind, str(folder))
    collate = Float64Collater(tasks) if kind == OURS else mt_collater_adapter(tasks)
    batch = collate([dataset[index] for index in range(len(energies))])
    batch.batch_full, batch.atomic_numbers_full = batch.batch, batch.atomic_numbers  # set by a model
    batch = batch.to("cpu")
    forces = (batch.forces / tasks[1].normalizer.rmsd).requires_grad_()
    predictions = {"energy": {"energy": scaled.clone().requires_grad_()}, "forces": {"forces": forces}}
    losses = compute_loss(tasks, predictions, batch)
    sum(losses.values()).backward()
    metric = compute_metrics(tasks[0], predictions, batch)["mae"].metric
    return float(losses["energy"].detach()) * float(tasks[0].normalizer.rmsd), float(metric)


@pytest.mark.parametrize("center", ["composition", "mean"])
def test_energies_keep_float64_until_the_center_is_off(tmp_path: Path, center: str) -> None:
    folder = tmp_path / "train"
    energies = heavy(folder)
    arguments = (str(folder), center, "forces_rms")
    references = dc_references(*arguments)
    residuals = np.array(energies) - (references[79] + references[1]) - dc_mean(*arguments)
    scaled = torch.tensor(residuals / dc_scale(*arguments)).float()
    stock, ours = (errors(folder, kind, energies, scaled, center) for kind in (STOCK, OURS))
    assert min(stock) > 1e-3  # eV: float32 has steps of 7.8 meV there
    assert max(ours) < 1e-8


def test_a_data_loader_with_a_worker(tmp_path: Path, ethanol: Path) -> None:
    dataset = concat(OURS, str(ethanol / "train"))
    tasks = tasks_of(ethanol / "train")
    loader = get_dataloader(
        dataset=dataset,
        batch_sampler_fn=lambda dataset, **_: torch.utils.data.BatchSampler(range(len(dataset)), 7, False),
        collate_fn=Float64Collater(tasks),
        num_workers=1,  # torch warns of more than there are cores
    )
    with AseLmdbReader(ethanol / "train") as reader:
        expected = [frame.energy for frame in reader]
    assert torch.cat([batch.energy for batch in loader]).tolist() == expected


def test_kept_in_memory(ethanol: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    read = Float64EnergyDataset.get_atoms

    def counted(self: Any, index: int) -> Any:
        reads.append(index)
        return read(self, index)

    monkeypatch.setattr(Float64EnergyDataset, "get_atoms", counted)
    for keep, expected in ((True, 3), (False, 6)):
        reads.clear()
        dataset = concat(OURS, str(ethanol / "val"), keep_in_memory=keep)
        tasks = tasks_of(ethanol / "train")
        first, second = (Float64Collater(tasks)([dataset[index] for index in range(3)]) for _ in range(2))
        assert len(reads) == expected
        assert torch.equal(first.energy, second.energy)
        assert first.energy.dtype is torch.float64
        first.pos += 1.0  # a batch is a copy
        assert torch.equal(Float64Collater(tasks)([dataset[0]]).pos, second.pos[: int(second.natoms[0])])


def test_other_forms_of_src(ethanol: Path) -> None:
    names = [str(ethanol / name) for name in ("train", "val")]
    assert len(concat(OURS, names)) == 50
    assert len(concat(OURS, str(ethanol / "t*" / "*.aselmdb"))) == 50  # train and test
    assert len(concat(OURS, str(ethanol / "val" / "data.aselmdb"))) == 10


def test_refused(tmp_path: Path, ethanol: Path) -> None:
    with pytest.raises(ValueError, match=r"no such file.*Did you mean 'train'"):
        concat(OURS, str(ethanol / "trian"))
    with pytest.raises(UserError, match="key_mapping"):
        Float64EnergyDataset({"src": str(ethanol / "train"), "key_mapping": {"energy": "e"}})
    heavy(tmp_path / "bad")
    np.savez(tmp_path / "bad" / "metadata.npz", natoms=np.array([Path("x")] * 24, dtype=object))
    assert zipfile.is_zipfile(tmp_path / "bad" / "metadata.npz")
    with pytest.raises(UnsafeDataError, match="a pickle can run"):
        Float64EnergyDataset({"src": str(tmp_path / "bad")})


def test_labels_that_are_not_finite(tmp_path: Path) -> None:
    row = {"numbers": [1], "positions": np.zeros((1, 3)), "cell": np.zeros((3, 3)), "pbc": [False] * 3}
    labels = [(-1.0, 0.0), (np.nan, 0.0), (-1.0, np.inf)]
    rows = [Row({**row, "energy": energy, "forces": np.full((1, 3), force)}, {}) for energy, force in labels]
    write_aselmdb(tmp_path / "data.aselmdb", rows)
    dataset = Float64EnergyDataset({"src": str(tmp_path)})
    assert dataset[0].energy_float64.tolist() == [-1.0]
    for index, name in ((1, "energy"), (2, "forces")):
        with pytest.raises(UserError, match=f"structure {index}: {name}: NaN or infinite"):
            dataset[index]


VALUES = ("numbers", "positions", "cell", "pbc", "tags", "energy", "forces")


def few_rows(folder: Path) -> list[Row]:
    with AseLmdbReader(folder / "train") as reader:
        return [Row({key: reader.row(index)[key] for key in VALUES}, {}) for index in range(3)]


def test_without_metadata_the_atoms_are_counted(
    ethanol: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_aselmdb(tmp_path / "data.aselmdb", few_rows(ethanol))
    dataset = concat(OURS, str(tmp_path))
    assert dataset.metadata_hasattr("natoms")
    assert list(dataset.get_metadata("natoms", [0, 1, 2])) == [9, 9, 9]
    assert "no metadata.npz: the atoms are counted" in caplog.text


def test_a_label_that_some_rows_lack_is_named(ethanol: Path, tmp_path: Path) -> None:
    rows = few_rows(ethanol)
    del rows[1].values["forces"]
    write_aselmdb(tmp_path / "data.aselmdb", rows)
    dataset = concat(OURS, str(tmp_path))
    forces = Task("forces", "atom", "forces", OutputSpec([3], "float32"), Normalizer(), ["data"])
    with pytest.raises(
        UserError,
        match=r"^data set data\.train: a structure of formula C2H6O has no forces, which a task trains on",
    ):
        Float64Collater([forces])([dataset[index] for index in range(3)])
    Float64Collater([forces])([dataset[0], dataset[2]])
