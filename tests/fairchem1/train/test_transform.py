"""The transform ``label_rescaling``: out of place, in float64, under OC20's names as well, and only when armed."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from fairchem.core.datasets.lmdb_dataset import LmdbDataset
from fairchem.core.modules.transforms import DataTransforms
from torch_geometric.data import Data

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.train.transform import attach_rescaling, iterate_labels, unscaled
from ocp_dc.labels import LabelOptions, LabelRescaling, fit

RESCALING = LabelRescaling(scale=2.0, mean=-4000.0)
BLOCK = {"label_rescaling": {"center": "mean", "scale": 2.0}}


@pytest.mark.parametrize(("energy", "forces"), [("y", "force"), ("energy", "forces")])
@pytest.mark.parametrize("as_tensor", [False, True])
def test_by_hand(energy, forces, as_tensor):
    value = -4209.5
    data = Data(atomic_numbers=torch.tensor([6, 1]), pos=torch.rand(2, 3))
    data[energy] = torch.tensor([value], dtype=torch.float64) if as_tensor else value
    data[forces] = torch.tensor([[1.0, 2.0, 3.0], [-4.0, 0.0, 5.0]])
    before = copy.deepcopy(data)
    scaled = DataTransforms({"label_rescaling": RESCALING})(data)
    assert float(scaled[energy]) == -104.75
    assert scaled[forces].tolist() == [[0.5, 1.0, 1.5], [-2.0, 0.0, 2.5]]
    assert data[energy] == before[energy]
    assert torch.equal(data[forces], before[forces])
    assert type(scaled[energy]) is type(before[energy])


def test_centres_before_any_cast():
    """float32 has a spacing of 0.5 meV at -4209 eV; the centered label keeps more."""
    data = Data(atomic_numbers=torch.tensor([1]), pos=torch.rand(1, 3), y=-4209.000012345)
    scaled = DataTransforms({"label_rescaling": LabelRescaling(scale=1.0, mean=-4209.0)})(data)
    assert scaled.y == pytest.approx(-1.2345e-5, rel=1e-6)


def test_refused_where_nobody_undoes_it():
    data = Data(atomic_numbers=torch.tensor([1]), pos=torch.rand(1, 3), y=1.0)
    with pytest.raises(UserError, match="set 'trainer: dc'"):
        DataTransforms(BLOCK)(data)


def test_arming_and_fitting(ethanol):
    """The fit sees labels in eV, also where the data set was armed before; the other transforms stay."""
    dataset = LmdbDataset({"src": str(ethanol / "val"), "transforms": dict(BLOCK)})
    labels = list(iterate_labels(dataset))
    energies = np.array([energy for _, energy, _ in labels])
    rescaling = fit(LabelOptions(center="mean", scale="forces_rms"), labels)
    assert rescaling.mean == pytest.approx(energies.mean(), abs=1e-9)
    attach_rescaling(dataset, rescaling)
    scaled = np.array([dataset[index].y for index in range(len(dataset))])
    np.testing.assert_allclose(scaled * rescaling.scale + rescaling.mean, energies, rtol=0, atol=1e-9)
    np.testing.assert_array_equal([energy for _, energy, _ in iterate_labels(dataset)], energies)
    attach_rescaling(dataset, None)
    assert dataset[0].y == energies[0]


def test_rescaling_comes_back_after_it_was_off(ethanol):
    """Also where the loop inside ends in an error: a training goes on with the same data set."""
    dataset = LmdbDataset({"src": str(ethanol / "val")})
    energy = dataset[0].y
    attach_rescaling(dataset, RESCALING)
    scaled = dataset[0].y
    assert scaled == pytest.approx((energy + 4000.0) / 2)
    list(iterate_labels(dataset))
    assert dataset[0].y == scaled
    with unscaled(dataset):
        assert dataset[0].y == energy
    assert dataset[0].y == scaled

    def fail() -> None:
        with unscaled(dataset):
            raise KeyError("in the loop")

    with pytest.raises(KeyError, match="in the loop"):
        fail()
    assert dataset[0].y == scaled


def test_fixed_atoms_do_not_count_in_the_fit(tmp_path):
    from ocp_dc.data.oc20_lmdb.lmdb_io import write_lmdb

    force = torch.tensor([[1.0, 1.0, 1.0], [100.0, 100.0, 100.0]])
    data = Data(atomic_numbers=torch.tensor([1, 1]), pos=torch.rand(2, 3), natoms=2, y=0.0, force=force)
    data.fixed = torch.tensor([0, 1])
    write_lmdb(tmp_path / "data.lmdb", [data])
    dataset = LmdbDataset({"src": str(tmp_path / "data.lmdb")})
    assert fit(LabelOptions(scale="forces_rms"), iterate_labels(dataset)).scale == pytest.approx(1.0)
