"""The list of models of fairchem 1.10 against the models themselves, and the commands that list what there is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ocp_dc.catalog import FOLDERS, MODELS, configs_by_host
from ocp_dc.cli import main
from ocp_dc.core.config_names import configs_folder, shipped_configs
from ocp_dc.core.errors import UserError
from ocp_dc.nn import activation_names

from tests.helpers.every_model import CASES, registered, wrapper
from tests.helpers.models_table import conservative_with

MODEL_NAMES = {model.name: model for model in MODELS["fairchem1"]}


def listed(capsys: pytest.CaptureFixture[str], command: str) -> list[str]:
    assert main([command]) == 0
    out, error = capsys.readouterr()
    assert error == ""
    return out.splitlines()


def test_the_models_are_the_registered_ones() -> None:
    assert sorted(MODEL_NAMES) == registered()


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_model_has_these_properties(name: str) -> None:
    entry, model = MODEL_NAMES[name], wrapper(name)
    assert entry.native == model.has_native
    found = conservative_with(name)
    assert entry.exact_with == (None if found is None else tuple(found[0]))
    regions = model.dc_regions
    same = {key for key in ("output", "full") if regions.patterns(key) == regions.patterns("paper")}
    assert entry.paper in same


def test_the_list_of_models(capsys) -> None:
    head, *lines = listed(capsys, "models")
    assert head.split() == ["name", "model", "forces", "native", "region:", "paper", "is"]
    assert [line.split()[0] for line in lines] == list(MODEL_NAMES)
    assert next(line for line in lines if line.startswith("dc_scn ")).split() == [
        "dc_scn",
        "SCN",
        "direct",
        "no",
        "output",
    ]


def test_models_without_a_host(capsys, monkeypatch) -> None:
    def nothing() -> str:
        raise UserError("fairchem-core is not installed; pip install it")

    monkeypatch.setattr("ocp_dc.hosts.installed_name", nothing)
    assert main(["models"]) == 2
    assert "pip install" in capsys.readouterr().err
    headings = [line for line in listed(capsys, "configs") if line.startswith("# ")]
    assert [heading.rpartition("which is ")[2] for heading in headings if "which" in heading] == [
        "not installed here"
    ] * 2


def test_every_folder_of_configs_has_its_host() -> None:
    folders = {path.name for path in configs_folder().iterdir() if path.is_dir()}
    assert folders == {*FOLDERS, "studies", "searches", "pinn"}


@pytest.mark.parametrize("installed", ["fairchem1", "fairchem2"])
def test_configs_of_the_installed_host_come_first(installed: str) -> None:
    groups = configs_by_host(installed)
    first, shared, last = groups.values()
    assert [*groups] == sorted(groups, key=lambda heading: ("not installed" in heading, "every" in heading))
    assert {config.name for config in (*first, *shared, *last)} == {config.name for config in shipped_configs()}
    assert {FOLDERS[config.name.split("/")[0]] for config in first} == {installed}
    assert {config.name.split("/")[0] for config in shared} == {"studies", "searches", "pinn"}


def test_the_list_of_configs(capsys) -> None:
    lines = [line for line in listed(capsys, "configs") if line and not line.startswith("#")]
    assert {line.split()[0] for line in lines} == {config.name for config in shipped_configs()}
    assert any(line.startswith("md17/schnet-dc.yml  ") for line in lines)


def test_the_list_of_studies(capsys) -> None:
    lines = listed(capsys, "studies")
    files = [path for folder in ("studies", "searches") for path in (configs_folder() / folder).glob("[a-z]*.yml")]
    assert {line.split()[0] for line in lines} == {f"{path.parent.name}/{path.name}" for path in files}
    assert any(line.endswith("  Coefficient of IReLU") for line in lines)


def test_the_list_of_activations(capsys) -> None:
    lines = listed(capsys, "activations")
    names = {name for line in lines for name in line[:24].replace(" or ", " ").split()}
    assert names == set(activation_names())
    assert len(lines) == len(names) - 2  # two have another name


def test_the_lists_import_no_fairchem() -> None:
    code = (
        "import sys; from ocp_dc.cli import main; [main([name]) for name in sys.argv[1:]]; "
        "heavy = {'fairchem', 'torch_geometric', 'ocp_dc.fairchem1'} & set(sys.modules); print(sorted(heavy))"
    )
    command = [sys.executable, "-c", code, "configs", "studies", "models", "activations"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    code = "import sys; from ocp_dc.cli import main; [main([n]) for n in sys.argv[1:]]; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, *command[3:-1]], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize(("page", "command"), [("configuration", "activations"), ("editors", "models")])
def test_the_lists_in_the_documentation(page: str, command: str, capsys) -> None:
    text = (Path(__file__).parents[1] / "docs" / f"{page}.md").read_text(encoding="utf-8")
    assert "```text\n" + "\n".join(listed(capsys, command)) + "\n```" in text
