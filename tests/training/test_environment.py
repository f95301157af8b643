"""What a run ran on."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import numpy as np
import torch

from ocp_dc.training.environment import describe_environment


def test_on_a_cpu():
    record = describe_environment(torch.device("cpu"), ["fairchem-core"])
    assert record["python"] == platform.python_version()
    assert record["torch"] == torch.__version__
    assert record["fairchem-core"] == "1.10.0"
    assert record["numpy"] == np.__version__
    assert (record["device"], record["cuda"], record["world_size"]) == ("cpu", None, 1)
    assert record["threads"] == torch.get_num_threads()


def test_packages_of_the_host_and_ranks():
    record = describe_environment(torch.device("cpu"), ["pyyaml", "numpy"], world_size=3)
    assert record["world_size"] == 3
    assert record["pyyaml"].startswith("6.")
    assert "fairchem-core" not in record


def test_on_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"card {device.index}")
    monkeypatch.setattr(torch.version, "cuda", "12.4")
    record = describe_environment(torch.device("cuda:1"), [])
    assert (record["device"], record["cuda"]) == ("card 1", "12.4")


def test_names_neither_machine_nor_folders():
    text = json.dumps(describe_environment(torch.device("cpu"), ["torch"]))
    assert str(Path.home()) not in text
    assert str(Path.cwd()) not in text
    assert platform.node() not in text or not platform.node()
