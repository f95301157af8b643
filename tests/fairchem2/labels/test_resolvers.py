"""The resolvers of label rescaling, compared with numpy on the same labels."""

from __future__ import annotations

import importlib
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import pytest
import torch
from ase.units import kcal, mol
from fairchem.core._cli import get_hydra_config_from_yaml
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf.errors import InterpolationResolutionError

from ocp_dc.core.errors import UserError
from ocp_dc.data.ase_lmdb.rows import Row
from ocp_dc.data.ase_lmdb.writer import write_aselmdb
from ocp_dc.fairchem2.compose import config_errors, without_fits
from ocp_dc.fairchem2.labels import fitted, resolvers
from ocp_dc.fairchem2.labels.resolvers import dc_references, dc_scale, register_resolvers
from ocp_dc.fairchem2.plugin import register
from ocp_dc.labels import LabelOptions


@pytest.fixture(autouse=True)
def _registered() -> None:
    register()


def random_rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for _ in range(count):
        numbers = rng.choice([1, 6, 8, 79], size=rng.integers(2, 6), p=[0.4, 0.3, 0.2, 0.1])
        fixed = rng.random(len(numbers)) < 0.3
        rows.append(
            {
                "numbers": numbers,
                "positions": np.arange(3.0 * len(numbers)).reshape(-1, 3),
                "energy": float(rng.normal(-1e4, 10)),
                "forces": rng.normal(size=(len(numbers), 3)),
                "constraints": [{"name": "FixAtoms", "kwargs": {"indices": np.flatnonzero(fixed).tolist()}}],
                "cell": np.zeros((3, 3)),
                "pbc": [False] * 3,
            }
        )
    return rows


def write(folder: Path, rows: list[dict[str, Any]], name: str = "data") -> Path:
    folder.mkdir(exist_ok=True)
    write_aselmdb(folder / f"{name}.aselmdb", [Row(row, {}) for row in rows])
    return folder


def resolve(text: str, **keys: Any) -> Any:
    config = OmegaConf.create({**keys, "tasks": [{"asked": [text]}]})
    OmegaConf.resolve(config)  # in place, as fairchem does
    resolved: Any = OmegaConf.to_container(config)
    return resolved["tasks"][0]["asked"][0]


def free_forces(rows: list[dict[str, Any]]) -> np.ndarray:
    fixed = [row["constraints"][0]["kwargs"]["indices"] for row in rows]
    return np.concatenate([np.delete(row["forces"], f, axis=0).ravel() for row, f in zip(rows, fixed, strict=True)])


def test_composition_and_forces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = random_rows(40)
    folder = write(tmp_path / "train", rows)
    counts = np.array([[np.sum(row["numbers"] == z) for z in (1, 6, 8, 79)] for row in rows], dtype=float)
    expected = np.linalg.lstsq(counts, [row["energy"] for row in rows], rcond=None)[0]
    fits: list[Any] = []
    fit = fitted.fit

    def counted(*arguments: Any) -> Any:
        fits.append(arguments)
        return fit(*arguments)

    monkeypatch.setattr(fitted, "fit", counted)
    folders = {"data_dir": str(tmp_path), "scale": "forces_rms"}
    for _ in range(3):
        scale = resolve("${dc_scale:${data_dir}/train,composition,${scale}}", **folders)
        references = resolve("${dc_references:${data_dir}/train,composition,${scale}}", **folders)
    assert len(fits) == 1
    assert scale == pytest.approx(np.sqrt(np.mean(free_forces(rows) ** 2)), rel=1e-12)
    assert len(references) == 119
    np.testing.assert_allclose([references[z] for z in (1, 6, 8, 79)], expected, rtol=1e-9)
    assert [z for z in range(119) if not math.isnan(references[z])] == [1, 6, 8, 79]
    assert resolve("${dc_mean:${data_dir}/train,composition,forces_rms}", **folders) == 0.0
    text = OmegaConf.to_yaml(OmegaConf.create({"scale": scale, "references": references}))
    back = OmegaConf.create(text)
    assert back.scale == scale
    np.testing.assert_array_equal(list(back.references), references)
    write_aselmdb(folder / "more.aselmdb", [Row(rows[0], {})])  # other data: another fit
    assert resolve("${dc_scale:${data_dir}/train,composition,forces_rms}", **folders) != scale
    for file in folder.iterdir():
        file.unlink()
    write(folder, random_rows(40, seed=1))  # a file of the same name
    assert resolve("${dc_scale:${data_dir}/train,composition,forces_rms}", **folders) != scale


def test_mean(tmp_path: Path) -> None:
    rows = random_rows(7)
    folder = write(tmp_path, rows)
    mean = resolve(f"${{dc_mean:{folder},mean,2.5}}")
    assert mean == pytest.approx(np.mean([row["energy"] for row in rows]), rel=1e-14)
    assert resolve(f"${{dc_references:{folder},mean,2.5}}") == [0.0] * 119
    assert resolve(f"${{dc_scale:{folder},mean,2.5}}") == 2.5


def test_numbers_need_no_data() -> None:
    assert resolve("${dc_scale:nowhere,none,1e6 kcal/mol}") == pytest.approx(1e6 * kcal / mol, rel=1e-12)
    assert resolve("${dc_scale:nowhere,none,250}") == 250.0
    assert type(resolve("${dc_scale:nowhere,none,250}")) is float
    assert resolve("${dc_scale:nowhere}") == 1.0
    assert resolve("${dc_mean:nowhere}") == 0.0
    assert resolve("${dc_references:nowhere}") == [0.0] * 119
    assert resolve("${dc_scale:nowhere,${center},${scale}}", center="none", scale="1e6 kcal/mol") > 4e4


@given(scale=st.floats(1e-12, 1e12), unit=st.sampled_from(["", " eV", " meV", " hartree", " kJ/mol"]))
def test_every_scale_arrives(scale: float, unit: str) -> None:
    text = f"{scale!r}{unit}"
    written = resolve("${dc_scale:nowhere,none," + text + "}") if scale * 1e-3 > 1e-12 and scale < 1e10 else None
    if written is not None:
        assert written == LabelOptions.from_block({"scale": text if unit else scale}).fixed_scale()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("{},compositon,forces_rms", r"label_rescaling\.center: got 'compositon'.*Did you mean 'composition'\?"),
        ("{},composition,force_rms", r"label_rescaling\.scale: got 'force_rms'.*Did you mean 'forces_rms'\?"),
        ("{},none,-1", "label_rescaling.*-1"),
        ("{}/tran,composition,forces_rms", r"tran: no such file.*Did you mean 'train'\?"),
        ("{}/empty,composition,forces_rms", "empty: no file of structures in this folder"),
        ("12,composition,forces_rms", "got the folder 12"),
        ("{}/nan,mean,1", "row 2: energy: NaN or infinite"),
        ("{}/unlabeled,mean,1", "row 1: has no energy"),
    ],
)
def test_mistakes(tmp_path: Path, arguments: str, message: str) -> None:
    write(tmp_path / "train", random_rows(2))
    (tmp_path / "empty").mkdir()
    bad = random_rows(2)
    bad[1]["energy"] = math.nan
    write(tmp_path / "nan", bad)
    write(tmp_path / "unlabeled", [{k: v for k, v in row.items() if k != "energy"} for row in random_rows(2)])
    text = "${dc_scale:" + arguments.format(tmp_path) + "}"
    with pytest.raises(InterpolationResolutionError, match=message):
        resolve(text)
    with pytest.raises(UserError, match=message) as error, config_errors(tmp_path):  # as in `ocp-dc main`
        resolve(text)
    assert "\n" not in str(error.value)
    assert "resolving" not in str(error.value)


def test_an_error_inside_an_instantiation_is_one_message(tmp_path: Path) -> None:
    config = {
        "_target_": "ocp_dc.fairchem2.labels.dataset.Float64EnergyDataset",
        "config": {"src": f"{tmp_path}/nowhere"},
    }
    with pytest.raises(UserError, match=f"^{tmp_path}/nowhere: no such file"), config_errors(tmp_path):
        hydra.utils.instantiate(config)


def test_as_fairchem_takes_them(tmp_path: Path) -> None:
    """Float64 in both directions: the normalizer and the references made from a config of plain numbers."""
    rows = random_rows(30)
    folder = write(tmp_path, rows)
    modules = "fairchem.core.modules.normalization"
    config = {
        "normalizer": {
            "_target_": "ocp_dc.fairchem2.labels.normalizer.Float64Normalizer",
            "mean": f"${{dc_mean:{folder},mean,forces_rms}}",
            "rmsd": f"${{dc_scale:{folder},mean,forces_rms}}",
        },
        "references": {
            "_target_": f"{modules}.element_references.ElementReferences",
            "element_references": {
                "_target_": "torch.DoubleTensor",
                "_args_": [f"${{dc_references:{folder},composition,forces_rms}}"],
            },
        },
    }
    plain = OmegaConf.create(OmegaConf.to_yaml(OmegaConf.create(config), resolve=True))  # as in resume.yaml
    made = hydra.utils.instantiate(plain)
    energies = torch.tensor([row["energy"] for row in rows], dtype=torch.float64)
    normed = made.normalizer.norm(energies)
    expected = (energies.numpy() - np.mean(energies.numpy())) / float(made.normalizer.rmsd)
    np.testing.assert_allclose(normed.numpy(), expected, rtol=0, atol=1e-11)
    assert made.normalizer.denorm(normed.float()).dtype is torch.float64
    np.testing.assert_allclose(made.normalizer.denorm(normed.float()).numpy(), energies.numpy(), atol=1e-5)
    assert made.normalizer.mean.dim() == made.normalizer.rmsd.dim() == 0  # valid with tensors on any device
    meta = made.normalizer.denorm(torch.zeros(3, device="meta"))
    assert (meta.device.type, meta.dtype) == ("meta", torch.float64)

    class Batch:
        natoms = torch.tensor([len(row["numbers"]) for row in rows])
        batch_full = torch.repeat_interleave(torch.arange(len(rows)), natoms)
        atomic_numbers_full = torch.cat([torch.tensor(row["numbers"]) for row in rows])

    residual = made.references.apply_refs(Batch, energies)
    assert residual.dtype is torch.float64
    references = dc_references(str(folder), "composition", "forces_rms")
    brute = [row["energy"] - sum(references[z] for z in row["numbers"]) for row in rows]
    np.testing.assert_allclose(residual.numpy(), brute, atol=1e-8)
    Batch.atomic_numbers_full[Batch.batch_full == 3] = 26  # iron, which was not in the fit
    unseen = made.references.undo_refs(Batch, torch.zeros(len(rows)))
    assert unseen.isnan().nonzero().flatten().tolist() == [3]


def test_hydra_stays_light() -> None:
    code = (
        "import sys, ocp_dc.fairchem2.plugin as p; p.register(); "
        "print(sorted({'torch', 'fairchem', 'numpy', 'ase', 'lmdb'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_check_of_a_config_fits_nothing() -> None:
    with without_fits() as asked:
        assert resolve("${dc_scale:nowhere,composition,forces_rms}") == 1.0
        assert resolve("${dc_references:nowhere,composition,forces_rms}") == [0.0]
        assert resolve("${dc_mean:nowhere,mean,2.0}") == 0.0
    assert asked[2] == {"center": "mean", "scale": 2.0}
    assert resolve("${dc_mean:nowhere}") == 0.0  # the resolvers are back
    assert resolve("${dc_references:nowhere}") == [0.0] * 119


def test_registered_twice_and_by_name() -> None:
    importlib.reload(resolvers)
    register()
    assert all(OmegaConf.has_resolver(name) for name in ("dc_scale", "dc_mean", "dc_references"))
    with pytest.raises(UserError, match="center"):
        dc_scale("nowhere", "none ", 1)


# fairchem makes a temporary folder and drops it
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_config_of_a_run_holds_numbers(tmp_path: Path) -> None:
    """As the stock command composes it, with overrides, and as a run is resumed from it."""
    folder = write(tmp_path / "train", random_rows(20))
    arguments = "${data_dir}/train,${center},${scale}"
    (tmp_path / "run.yaml").write_text(
        f"""
data_dir: nowhere
center: none
scale: 1.0
job: {{device_type: CPU, run_dir: {tmp_path}/runs, scheduler: {{mode: LOCAL}}}}
runner:
  mean: ${{dc_mean:{arguments}}}
  rmsd: ${{dc_scale:{arguments}}}
  again: ${{runner.rmsd}}
  references: ["${{dc_references:{arguments}}}"]
"""
    )
    overrides = [f"data_dir={tmp_path}", "center=composition", "scale=forces_rms"]
    config = get_hydra_config_from_yaml(str(tmp_path / "run.yaml"), overrides)
    OmegaConf.save(config, tmp_path / "resume.yaml")
    text = (tmp_path / "resume.yaml").read_text()
    assert "dc_" not in text
    write_aselmdb(folder / "more.aselmdb", [Row(random_rows(1)[0], {})])  # not read again
    resumed = get_hydra_config_from_yaml(str(tmp_path / "resume.yaml"), []).runner
    expected = fitted.fitted_labels(str(folder / "data.aselmdb"), "composition", "forces_rms")
    assert resumed.rmsd == resumed.again == expected.scale
    assert resumed.mean == 0.0
    assert expected.references is not None
    np.testing.assert_array_equal(resumed.references[0][: len(expected.references)], expected.references.numpy())


def test_a_misspelt_key_of_the_block() -> None:
    register_resolvers()
    block = {"center": "none", "scale": 2.0, "scal": 3.0}
    config = OmegaConf.create({"label_rescaling": block, "rmsd": "${dc_scale:data,${label_rescaling.center},2.0}"})
    with pytest.raises(InterpolationResolutionError, match=r"unknown key 'scal'; .*Did you mean 'scale'\?"):
        OmegaConf.resolve(config)
