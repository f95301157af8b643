"""Predictions of files, ensembles and selections, as a user asks for them; each host runs these tests."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

import ocp_dc
from ocp_dc.cli import main
from ocp_dc.core.errors import UserError
from ocp_dc.core.units import energy_in_ev
from ocp_dc.data.structures import open_structures
from ocp_dc.evaluation.predict import frame_atoms
from ocp_dc.evaluation.predict_file import predict_file
from ocp_dc.hosts import load_predictor
from ocp_dc.testing.tolerances import FLOAT32_LABEL

from tests.helpers.predictions import predict_labels

KCAL = energy_in_ev("kcal/mol")


class PredictionContract:
    """The tests. Fixtures: ``ethanol``, the data sets of the host, and ``members``, two checkpoints."""

    @pytest.fixture(scope="class")
    @classmethod
    def frames(cls, ethanol: Path) -> list[Atoms]:
        """The test set with its labels."""
        made = []
        with closing(open_structures(ethanol / "test")) as source:
            for index in range(len(source)):
                frame = source[index]
                atoms = frame_atoms(frame)
                atoms.calc = SinglePointCalculator(atoms, energy=frame.energy, forces=frame.forces)
                made.append(atoms)
        return made

    @pytest.fixture(scope="class")
    @classmethod
    def alone(cls, members: list[Path], frames: list[Atoms]) -> list[dict[str, np.ndarray]]:
        """Energies [B] and forces [N, 3] of each member's calculator, one structure at a time."""
        found = []
        for member in members:
            calculator = ocp_dc.calculator(member, cpu=True)
            energies, forces = [], []
            for atoms in frames:
                copy = atoms.copy()
                copy.calc = calculator
                energies.append(copy.get_potential_energy())
                forces.append(copy.get_forces())
            found.append({"energy": np.array(energies), "forces": np.concatenate(forces)})
        return found

    def test_predictions_of_a_file_are_those_of_the_calculator(self, members, frames, alone, tmp_path):
        ase.io.write(tmp_path / "in.xyz", frames)
        arguments = ["predict", str(members[0]), str(tmp_path / "in.xyz"), "--out", str(tmp_path / "out.xyz")]
        assert main([*arguments, "--cpu", "--batch-size", "4"]) == 0
        found = ase.io.read(tmp_path / "out.xyz", ":")
        relative, absolute = FLOAT32_LABEL
        energies = [atoms.get_potential_energy() for atoms in found]
        forces = np.concatenate([atoms.get_forces() for atoms in found])
        np.testing.assert_allclose(energies, alone[0]["energy"], rtol=relative, atol=absolute)
        np.testing.assert_allclose(forces, alone[0]["forces"], rtol=10 * relative, atol=absolute)
        labels = [atoms.get_potential_energy() for atoms in frames]
        assert [atoms.info["source_energy"] for atoms in found] == pytest.approx(labels, abs=1e-7)
        assert main([*arguments, "--cpu"]) == 2  # it exists

    def test_an_interrupted_prediction_continues_byte_for_byte(self, members, frames, tmp_path, monkeypatch):
        src, whole, out = (tmp_path / name for name in ("in.xyz", "whole.xyz", "out.xyz"))
        ase.io.write(src, frames)
        predictor = load_predictor(members, cpu=True)
        predict_file(predictor, members, src, whole, batch_size=3, progress=False)
        predict, calls = predictor.predict, []

        def interrupted(structures, energies):
            calls.append(len(structures))
            if len(calls) == 3:
                raise KeyboardInterrupt
            return predict(structures, energies)

        with monkeypatch.context() as patch:
            patch.setattr(predictor, "predict", interrupted)
            with pytest.raises(KeyboardInterrupt):
                predict_file(predictor, members, src, out, batch_size=3, progress=False)
        assert predict_file(predictor, members, src, out, batch_size=3, progress=False).continued == 3
        assert out.read_bytes() == whole.read_bytes()

    def test_the_first_structures(self, members, ethanol):
        whole = predict_labels(members[0], ethanol / "test", batch_size=4)
        some = predict_labels(members[0], ethanol / "test", batch_size=4, first_n=6)
        assert len(whole.ids) == 10
        assert some.ids == whole.ids[:6]
        relative, absolute = FLOAT32_LABEL
        np.testing.assert_array_equal(some.forces_true, whole.forces_true[:54])
        np.testing.assert_allclose(some.energy_pred, whole.energy_pred[:6], rtol=relative, atol=absolute)
        np.testing.assert_allclose(some.forces_pred, whole.forces_pred[:54], rtol=10 * relative, atol=absolute)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            *(
                ({"batch_size": size}, r"batch_size: got .*, expected a whole number, at least 1")
                for size in (0, 2.5, None)
            ),
            *(({"first_n": n}, f"first_n: got {n}, expected 1 to 10, the structures of ") for n in (0, -1, 11)),
            ({"first_n": 2.5}, r"first_n: got 2\.5, expected a whole number"),
            ({"cpu": "yes"}, "cpu: got 'yes', expected True or False"),
        ],
    )
    def test_wrong_arguments(self, members, ethanol, change, words):
        with pytest.raises(UserError, match=words):
            predict_labels(members[0], ethanol / "test", **change)

    def test_an_ensemble_is_the_mean_of_its_members(self, members, frames, alone):
        calculator = ocp_dc.calculator(members, cpu=True)
        relative, absolute = FLOAT32_LABEL
        for index, atoms in enumerate(frames):
            copy = atoms.copy()
            copy.calc = calculator
            energies = np.array([each["energy"][index] for each in alone])
            forces = np.array([each["forces"][9 * index : 9 * index + 9] for each in alone])  # [M, 9, 3]
            assert copy.get_potential_energy() == pytest.approx(energies.mean(), rel=relative, abs=absolute)
            np.testing.assert_allclose(copy.get_forces(), forces.mean(axis=0), rtol=10 * relative, atol=absolute)
            assert calculator.results["energy_std"] == pytest.approx(np.std(energies), rel=1e-4)
            lengths = np.linalg.norm(forces - forces.mean(axis=0), axis=2)  # [M, 9]
            np.testing.assert_allclose(
                calculator.results["forces_std"], np.sqrt(np.mean(lengths**2, axis=0)), rtol=1e-3
            )

    def test_the_evaluation_of_an_ensemble(self, members, ethanol, alone, tmp_path, capsys):
        out = tmp_path / "evaluation"
        assert main(["evaluate", *map(str, members), str(ethanol / "test"), "--out", str(out), "--cpu"]) == 0
        printed = capsys.readouterr().out
        assert "rank correlation" in printed
        found = json.loads((out / "evaluation.json").read_text())
        with closing(open_structures(ethanol / "test")) as source:
            true = np.array([source[index].energy for index in range(len(source))])
        energies = np.array([each["energy"] for each in alone])  # [M, B]
        error = energies.mean(axis=0) - true
        assert found["energy_mae"] == pytest.approx(np.abs(error).mean(), rel=1e-4)
        ratio = np.sqrt(np.mean(error**2) / np.mean(energies.std(axis=0) ** 2))
        assert found["calibration"]["energy"]["rmse_over_spread"] == pytest.approx(ratio, rel=1e-3)
        assert {"calibration.png", "largest_spread.csv", "parity.png"} <= {path.name for path in out.iterdir()}

    @pytest.mark.parametrize("suffix", ["xyz", "traj", "db", "npz"])
    def test_any_file_has_the_errors_of_the_data_set(self, members, ethanol, frames, tmp_path, suffix, capsys):
        src, options = tmp_path / f"in.{suffix}", []
        if suffix == "npz":
            labels = {"E": np.array([a.get_potential_energy() for a in frames]) / KCAL}
            labels["F"] = np.array([a.get_forces() for a in frames]) / KCAL
            np.savez(src, z=frames[0].numbers, R=[atoms.positions for atoms in frames], **labels)
            options = ["--units", "kcal/mol"]
        else:
            ase.io.write(src, frames)
        for data, out, more in ((ethanol / "test", "a", []), (src, "b", options)):
            arguments = ["evaluate", str(members[0]), str(data), "--out", str(tmp_path / out), "--cpu", *more]
            assert main(arguments) == 0
        first, second = (json.loads((tmp_path / out / "evaluation.json").read_text()) for out in "ab")
        for name in ("energy_mae", "forces_mae", "forces_rmse", "forces_cosine"):
            assert second[name] == pytest.approx(first[name], rel=1e-4)

    def test_a_file_without_labels(self, members, frames, alone, tmp_path, capsys):
        bare = [atoms.copy() for atoms in frames]
        for atoms in bare:
            atoms.info["REF_energy"] = 1.0
        ase.io.write(tmp_path / "in.xyz", bare)
        arguments = ["evaluate", str(members[0]), str(tmp_path / "in.xyz"), "--out", str(tmp_path / "e"), "--cpu"]
        assert main(arguments) == 0
        printed = " ".join(capsys.readouterr().out.split())
        assert "The structures have no labels" in printed
        assert "REF_energy" in printed  # the name that could be meant
        found = json.loads((tmp_path / "e" / "evaluation.json").read_text())
        assert found["energy_mae"] is None
        assert found["n_structures"] == 10
        lowest = found["ranges"]["energy_pred [eV]"]["lowest"]
        assert lowest == pytest.approx(alone[0]["energy"].min(), abs=1e-3)
        assert len((tmp_path / "e" / "predictions.csv").read_text().splitlines()) == 11

    def test_energies_without_forces(self, members, frames, tmp_path):
        for atoms in (bare := [atoms.copy() for atoms in frames]):
            atoms.info["REF_energy"] = frames[0].get_potential_energy()
        ase.io.write(tmp_path / "in.xyz", bare)
        arguments = ["evaluate", str(members[0]), str(tmp_path / "in.xyz"), "--out", str(tmp_path / "e"), "--cpu"]
        assert main([*arguments, "--energy-key", "REF_energy"]) == 0
        found = json.loads((tmp_path / "e" / "evaluation.json").read_text())
        assert found["energy_mae"] > 0
        assert found["forces_mae"] is found["efwt"] is None

    def test_labels_of_some_structures_only(self, members, frames, tmp_path, capsys):
        mixed = [atoms.copy() if index == 3 else atoms for index, atoms in enumerate(frames)]
        ase.io.write(tmp_path / "in.xyz", mixed)
        arguments = ["evaluate", str(members[0]), str(tmp_path / "in.xyz"), "--out", str(tmp_path / "e"), "--cpu"]
        assert main(arguments) == 2
        assert "energy_true: got NaN or infinite labels, first for structure 3" in capsys.readouterr().err

    def test_a_run_is_named_by_its_folder(self, members, frames):
        folder = members[0].parent
        atoms = frames[0].copy()
        energies = []
        for name in (members[0], folder):
            atoms.calc = ocp_dc.calculator(name, cpu=True)
            energies.append(atoms.get_potential_energy())
        assert energies[0] == energies[1]

    def test_the_most_uncertain_structures(self, members, frames, alone, tmp_path):
        ase.io.write(tmp_path / "in.traj", frames)
        arguments = ["select", *map(str, members), str(tmp_path / "in.traj"), "--n", "3", "--by", "uncertainty"]
        assert main([*arguments, "--out", str(tmp_path / "out.xyz"), "--cpu"]) == 0
        forces = np.array([each["forces"].reshape(10, 9, 3) for each in alone])  # [M, B, 9, 3]
        lengths = np.linalg.norm(forces - forces.mean(axis=0), axis=3)
        scores = np.sqrt(np.mean(lengths**2, axis=0)).max(axis=1)  # [B]
        picked = ase.io.read(tmp_path / "out.xyz", ":")
        assert [atoms.info["source_index"] for atoms in picked] == np.argsort(-scores)[:3].tolist()
        assert [atoms.info["uncertainty"] for atoms in picked] == pytest.approx(np.sort(scores)[::-1][:3], rel=1e-3)

    def test_the_most_diverse_structures_need_no_checkpoint(self, members, frames, tmp_path, capsys):
        ase.io.write(tmp_path / "in.xyz", frames)
        arguments = [str(tmp_path / "in.xyz"), "--n", "3", "--by", "diversity", "--out", str(tmp_path / "out.xyz")]
        assert main(["select", *arguments]) == 0
        assert len(ase.io.read(tmp_path / "out.xyz", ":")) == 3
        assert main(["select", str(members[0]), *arguments, "--overwrite"]) == 2
        assert "it needs no checkpoint" in capsys.readouterr().err
        assert main(["select", *arguments[:-1], str(tmp_path / "b.xyz"), "--by", "uncertainty"]) == 2
        assert "got no checkpoint" in capsys.readouterr().err
