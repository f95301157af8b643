"""Differences between configs, with configs and a host by hand."""

from __future__ import annotations

from typing import Any

import pytest

from ocp_dc.core.config_names import ShippedConfig
from ocp_dc.run_report import config_changes as module
from ocp_dc.run_report.config_changes import config_changes

SHIPPED: dict[str, dict[str, Any]] = {
    "md17/schnet-dc.yml": {"trainer": "dc", "model": {"name": "dc_schnet", "cutoff": 6.0}, "optim": {"lr": 1, "b": 2}},
    "md17/schnet-stock.yml": {"trainer": "dc", "model": {"name": "schnet", "cutoff": 9.0}, "optim": {"lr": 7, "b": 2}},
    "fairchem2/schnet-dc.yaml": {
        "lr": 3,
        "folder": "data",
        "runner": {
            "rate": "${lr}",
            "src": "${folder}/train",
            "fit": "${fit:1}",
            "model": "a.schnet.B",
            "job_config": 1,
        },
    },
}


class Host:
    def __init__(self, name: str) -> None:
        self.name, self.studies = name, self

    def load(self, path: Any) -> dict[str, Any]:
        return SHIPPED["/".join(path.parts[-2:])]


@pytest.fixture(autouse=True)
def shipped(monkeypatch):
    monkeypatch.setattr(module, "shipped_configs", lambda: [ShippedConfig(name, "") for name in SHIPPED])


def test_the_nearest_config_is_compared():
    config = {
        "trainer": "ocp_dc.Trainer",
        "model": {"name": "ocp_dc.schnet.DCSchNet", "cutoff": 6.0, "dc": {"region": "full"}},
        "optim": {"lr": 2},
    }
    found = config_changes(Host("fairchem1"), config)
    assert found.base == "md17/schnet-dc.yml"
    assert found.values == {"optim.lr": ("1", "2"), "optim.b": ("2", "–"), "model.dc.region": ("–", "full")}


def test_references_of_fairchem_2_are_resolved():
    runner = {"rate": 4, "src": "data/train", "fit": 0.5, "model": "a.schnet.B", "job_config": 2, "new": [1, 2]}
    found = config_changes(Host("fairchem2"), {"job": {"seed": 3}, "runner": runner})
    assert found.values == {"runner.rate": ("3", "4"), "runner.new": ("–", "[1, 2]")}


def test_another_model_has_no_nearest_config():
    assert config_changes(Host("fairchem1"), {"model": {"name": "mine"}}) is None
