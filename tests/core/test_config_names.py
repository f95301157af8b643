"""Configs that ship: they are found by name from any folder, and what is on disk wins."""

from __future__ import annotations

from pathlib import Path

import pytest

import ocp_dc
from ocp_dc.core.config_names import configs_folder, find_config, shipped_config, shipped_configs
from ocp_dc.core.errors import UserError

EXPECTED = "a config such as configs/md17/schnet-dc.yml"
ROOT = Path(ocp_dc.__file__).parents[1]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["md17/schnet-dc", "md17/schnet-dc.yml", "configs/md17/schnet-dc.yml", "md17/_base"])
def test_by_name(name):
    path = find_config(name, EXPECTED)
    assert path.is_file()
    assert path.parent == configs_folder() / "md17"


def test_a_file_on_disk_wins(tmp_path):
    (tmp_path / "md17").mkdir()
    own = tmp_path / "md17" / "schnet-dc.yml"
    own.write_text("model: {}\n")
    assert find_config("md17/schnet-dc.yml", EXPECTED).resolve() == own
    assert find_config("md17/schnet-dc", EXPECTED).parent == configs_folder() / "md17"
    assert find_config(own, EXPECTED) == own


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("md17/shnet-dc", r"no such file; expected a config such as .* Did you mean md17/schnet-dc "),
        ("schnet-dc.yml", r"Did you mean fairchem2/schnet-dc or md17/schnet-dc or oc20/schnet-dc or oc22/schnet-dc\?"),
        ("studies/coeficient", r"Did you mean studies/coefficient"),
        ("xyz", r"`ocp-dc configs` lists those that ship\.$"),
        ("/md17/schnet-dc.yml", "no such file"),
        ("../md17/schnet-dc.yml", "no such file"),
        ("a/md17/schnet-dc.yml", "no such file"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(UserError, match=message):
        find_config(name, EXPECTED)
    assert shipped_config(name) is None


def test_the_list():
    listed = {config.name: config.summary for config in shipped_configs()}
    # but for the groups of hydra, which are in folders of these
    files = {path.relative_to(ROOT / "configs").as_posix() for path in (ROOT / "configs").glob("*/*.y*ml")}
    assert set(listed) == {name for name in files if not Path(name).name.startswith("_")}
    assert listed["dc/schnet.yml"] == "SchNet, derivative-constrained: Mish inside, IReLU in the output block."
    assert listed["studies/extent.yml"] == "IReLU in the output blocks or in all layers"
    assert all(summary and "\n" not in summary and len(summary) <= 100 for summary in listed.values())
