"""The list of models of fairchem 2 against the backbones of the configs that ship."""

from __future__ import annotations

import re

import pytest
from fairchem.core.common.registry import registry

from ocp_dc.catalog import DIRECT, MODELS
from ocp_dc.cli import main
from ocp_dc.core.config_names import configs_folder
from ocp_dc.fairchem2 import regions
from ocp_dc.fairchem2.backbones.native import NativeBackbone
from ocp_dc.surgery import RegionTable

ENTRIES = MODELS["fairchem2"]


def table_of(backbone: type) -> RegionTable:
    own: RegionTable | None = getattr(backbone, "dc_regions", None)
    return own or next(table for kind, table in regions._TABLES if issubclass(backbone, kind))


def test_the_models_are_those_of_the_configs() -> None:
    texts = [path.read_text() for path in (configs_folder() / "fairchem2").glob("*-stock.yaml")]
    named = {found[1] for text in texts if (found := re.search(r"\n    model: (\S+)", text))}
    assert {entry.name for entry in ENTRIES} == named


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.title)
def test_a_model_has_these_properties(entry) -> None:
    backbone = registry.get_model_class(entry.name)
    assert entry.native == issubclass(backbone, NativeBackbone)
    table = table_of(backbone)
    assert entry.paper in {key for key in ("output", "full") if table.patterns(key) == table.patterns("paper")}
    assert entry.exact_with == (() if entry.native else (DIRECT,))


def test_the_list_of_models(capsys) -> None:
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [entry.name for entry in ENTRIES]
