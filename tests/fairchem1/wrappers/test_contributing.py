"""The wrapper that CONTRIBUTING.md shows, and its test: both code blocks as they are in the page."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from fairchem.core.common.registry import registry
from fairchem.core.datasets.lmdb_dataset import LmdbDataset

import ocp_dc.fairchem1 as _plugin
from ocp_dc.core.errors import UserError

from tests.helpers import pair_net

assert _plugin

PAGE = Path(__file__).parents[3] / "CONTRIBUTING.md"
WRAPPER, CONTRACT = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)

# run as a module would be: names and tests are this module's
sys.modules.setdefault("pair_net", pair_net)
exec(compile(WRAPPER, str(PAGE), "exec"))
exec(compile(CONTRACT, str(PAGE), "exec"))
del sys.modules["pair_net"]
# other tests list the registered models when they are collected
MODELS = registry.mapping["model_name_mapping"]
OURS = {name: MODELS.pop(name) for name in ("pair_net", "dc_pair_net")}


@pytest.fixture(scope="module", autouse=True)
def _registered():
    MODELS.update(OURS)
    yield
    for name in OURS:
        MODELS.pop(name)


@pytest.fixture
def ethanol_structures(ethanol):
    data = LmdbDataset({"src": str(ethanol / "val")})
    return [data[0], data[1]]


def test_the_blocks_are_short():
    assert len(WRAPPER.splitlines()) <= 20
    assert len(CONTRACT.splitlines()) <= 15


def test_the_wrapper_is_found_and_refuses_what_others_refuse():
    wrapper = registry.get_model_class("dc_pair_net")
    assert wrapper.stock_class is pair_net.PairNet
    arguments = {"features": 8, "otf_graph": True, "use_pbc": False}
    assert wrapper(**arguments).conservative is True
    assert wrapper(**arguments, regress_forces=False).conservative is False
    model = wrapper(**arguments, dc={"activation": "irelu", "region": "full"})
    assert [swap.path for swap in model.dc_report.swaps] == ["filter.1", "readout.1"]
    with pytest.raises(UserError, match="'gate' matches no activation"):
        wrapper(**arguments, dc={"activation": "irelu", "region": ["gate"]})
