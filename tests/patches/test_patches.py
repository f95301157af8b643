"""The patches apply to the pristine fairchem, alone and together, and what each is for happens in the patched one."""

from __future__ import annotations

import base64
import compileall
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import ocp_dc
import ocp_dc.fairchem1 as _plugin  # the fallbacks, for the models to compare with
from ocp_dc.testing.tolerances import FINITE_DIFFERENCE, assert_close

from tests.helpers import patched_fairchem

assert _plugin
ROOT = Path(ocp_dc.__file__).parents[1]
PATCHES = sorted((ROOT / "patches").glob("*.patch"))
# What pip makes of fairchem-core's entry point.
CONSOLE_SCRIPT = "import sys\nfrom fairchem.core._cli import main\nsys.exit(main())\n"


def apply(patch: Path, folder: Path, *, dry_run: bool = False) -> None:
    """Apply a patch as patches/README.md says, from the folder that holds ``fairchem``; a hunk must fit exactly."""
    if shutil.which("patch"):
        command = [
            "patch",
            "-p1",
            "--fuzz=0",
            "--batch",
            "--no-backup-if-mismatch",
            *(["--dry-run"] if dry_run else []),
            "-i",
            str(patch),
        ]
    else:
        command = ["git", "apply", *(["--check"] if dry_run else []), str(patch)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed fairchem/core."""
    folder = tmp_path_factory.mktemp("pristine")
    installed = Path(str(distribution("fairchem-core").locate_file("fairchem/core")))
    shutil.copytree(installed, folder / "fairchem" / "core", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def patched(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with fairchem/core and all patches, in their order."""
    folder = tmp_path_factory.mktemp("patched") / "tree"
    shutil.copytree(pristine, folder)
    for patch in PATCHES:
        apply(patch, folder)
    return folder


@pytest.fixture(scope="module")
def run_python(patched: Path) -> Callable[..., None]:
    """Runs Python in a folder with the patched fairchem first; without the plugin's own variables or any other path."""

    def run(folder: Path, *arguments: str, path: tuple[Path, ...] = ()) -> None:
        places = os.pathsep.join(map(str, (patched, *path)))
        environment = {**os.environ, "PYTHONPATH": places, "OMP_NUM_THREADS": "1", "OCP_DC_AUTOLOAD": "0"}
        done = subprocess.run(
            [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr[-4000:]

    return run


@pytest.fixture(scope="module")
def results(run_python: Any, ethanol: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the patched fairchem gave; everything in one process, since its import takes longest."""
    out = tmp_path_factory.mktemp("results")
    run_python(out, str(Path(patched_fairchem.__file__)), str(ethanol), str(out))
    return torch.load(out / "results.pt", weights_only=True)


def test_there_are_patches():
    assert [patch.name[:4] for patch in PATCHES] == [f"{number:04d}" for number in range(1, len(PATCHES) + 1)]
    assert len(PATCHES) >= 3


def test_the_copied_source_is_the_release(pristine):
    recorded = {file.as_posix(): file.hash for file in distribution("fairchem-core").files or ()}
    touched = {name for patch in PATCHES for name in re.findall(r"^--- a/(\S+)", patch.read_text(), re.MULTILINE)}
    assert len(touched) > 20
    for name in touched:
        digest = base64.urlsafe_b64encode(hashlib.sha256((pristine / name).read_bytes()).digest()).rstrip(b"=")
        assert recorded[name].mode == "sha256"
        assert recorded[name].value == digest.decode(), name


def test_the_patches_are_what_the_recipes_make():
    done = subprocess.run(
        [sys.executable, ROOT / "patches" / "generate.py", "--check"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr


def test_a_patched_fairchem_does_not_need_the_plugin():
    for patch in PATCHES:
        assert re.findall(r"^\+\s*(?:from|import) ocp_dc.*", patch.read_text(encoding="utf-8"), re.MULTILINE) == [], (
            patch
        )


def test_the_readme_names_every_patch():
    text = (ROOT / "patches" / "README.md").read_text(encoding="utf-8")
    assert [patch.name for patch in PATCHES if patch.name not in text] == []


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_alone(patch, pristine):
    apply(patch, pristine, dry_run=True)


def test_together(patched):
    assert compileall.compile_dir(patched, quiet=1)
    files = [path.relative_to(patched).as_posix() for path in patched.rglob("*") if path.suffix != ".pyc"]
    assert [name for name in files if name.endswith((".rej", ".orig"))] == []
    compiled = re.compile(r"^\s*(from|import) torch_(scatter|sparse|cluster)", re.MULTILINE)
    importers = [name for name in files if name.endswith(".py") and compiled.search((patched / name).read_text())]
    assert importers == ["fairchem/core/common/graph_ops/__init__.py"]


@pytest.mark.slow
def test_the_patched_one_ran_alone(results, patched):
    assert Path(results["where"]).is_relative_to(patched)
    assert results["foreign"] == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Using torch.cross without specifying the dim:UserWarning")  # the stock DimeNet++
@pytest.mark.parametrize("name", list(patched_fairchem.MODELS))
def test_models_are_those_of_the_stock_fairchem(results, ethanol, name):
    """Energies, forces and parameter gradients, beside the pristine source with the plugin's fallbacks."""
    stock = patched_fairchem.predict(patched_fairchem.build(name), patched_fairchem.molecules(ethanol))
    for key, value in stock.items():
        assert value.abs().max() > 1e-4
        assert_close(results["models"][name][key], value)


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["bent", "linear"])
def test_exact_angle_gradients(results, shape):
    """Also of atoms in line, and also the second derivative, which has a term of its own there."""
    found = results["exact_angles"][shape]
    relative, absolute = FINITE_DIFFERENCE
    for exact, differences in (("forces", "energy differences"), ("change", "force differences")):
        assert found[exact].abs().max() > 1e-3
        torch.testing.assert_close(found[exact], found[differences], rtol=relative, atol=absolute)


@pytest.mark.slow
def test_exactly_three_triplets(results):
    assert_close(results["three_triplets"]["found"], results["three_triplets"]["expected"])


@pytest.mark.slow
def test_named_transforms(results):
    """A name in the module's namespace, a dotted path, and later a registered name; an unknown one is refused."""
    assert results["transforms"]["found"] == {"a": 0, "legacy": 1}
    assert "Failed to find the transform 'jigle'" in results["transforms"]["message"]
    assert "'decompose_tensor'" in results["transforms"]["message"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "message"), [("record", "could run code"), ("length", "could run code"), ("metadata", "allow_pickle")]
)
def test_hostile_files_run_nothing(results, where, message):
    assert message in results["hostile_files"][where]
    assert results["hostile_files"][f"{where} ran"] is False


@pytest.mark.slow
def test_a_relaxation_by_ase(results):
    assert results["relaxation"] < 0.01


@pytest.mark.slow
def test_run_names_differ_within_a_second(results):
    first, second = results["timestamps"]
    assert first < second
    assert re.fullmatch(r"\d{4}(-\d\d){5}-\d{3}-id", first)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["after", "within"])
def test_a_resumed_run_ends_where_the_whole_one_ends(results, name):
    whole, resumed = results["resumed_runs"]["whole"], results["resumed_runs"][name]
    assert whole["step"] == resumed["step"] == 8
    assert whole["best"] == resumed["best"]
    for key, value in whole["state_dict"].items():
        assert torch.equal(resumed["state_dict"][key], value), key


@pytest.mark.slow
def test_the_stock_command_trains_the_plugin(run_python, tmp_path, ethanol):
    """With dotted paths alone; the hooks are installed into the patched fairchem when the trainer is imported."""
    config = patched_fairchem.small_run(ethanol)
    config["trainer"] = "ocp_dc.fairchem1.trainer.DCTrainer"
    config["model"] |= {
        "name": "ocp_dc.fairchem1.wrappers.DCSchNet",
        "dc": {"activation": "irelu", "region": "output"},
    }
    config["dataset"]["train"]["transforms"] = {"label_rescaling": {"center": "composition", "scale": "forces_rms"}}
    (tmp_path / "config.yml").write_text(yaml.safe_dump(config))
    (tmp_path / "command.py").write_text(CONSOLE_SCRIPT)
    arguments = ["--mode", "train", "--config-yml", "config.yml", "--cpu", "--timestamp-id", "run"]
    run_python(tmp_path, "command.py", *arguments, path=(ROOT,))
    checkpoint = torch.load(tmp_path / "checkpoints" / "run" / "checkpoint.pt", weights_only=True)
    assert checkpoint["step"] == 4
    assert checkpoint["config"]["model"]["name"].endswith("DCSchNet")
