"""Every config that ships loads, passes the checks and builds its model."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from ocp_dc.demo import config_path
from ocp_dc.fairchem1.inspect_model import inspect_config

ROOT = Path(__file__).parents[1]
inspect = functools.cache(inspect_config)  # the published sizes take seconds to build
CONFIGS = sorted(path for path in (ROOT / "configs").rglob("*.yml") if not path.name.startswith("_"))


# as fairchem's and the published DimeNet++ are, angles detached; and fairchem's PaiNN, which derives its features
NOT_CONSERVATIVE = ("dimenetplusplus-stock", "dimenetplusplus-paper", "painn-stock")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_builds(path):
    text = inspect(str(path))
    assert ("forces are -dE/dx" in text) == (path.stem not in NOT_CONSERVATIVE)
    assert ("forces are not the gradient" in text) == (path.stem in NOT_CONSERVATIVE)
    kind = path.stem.rsplit("-", maxsplit=1)[-1]
    assert ("this is the stock model" in text) == (kind == "stock")


def test_the_md17_configs_are_there():
    names = {path.stem for path in CONFIGS if path.parent.name == "md17"}
    published = ("schnet", "dimenetplusplus", "gemnet_t", "cgcnn", "forcenet")
    models = (*published, "gemnet_oc", "painn", "esen")
    assert {f"{model}-{kind}" for model in models for kind in ("stock", "dc")} <= names
    assert {f"{model}-paper" for model in published} <= names
    assert config_path("schnet-dc").is_file()


@pytest.mark.parametrize(
    ("model", "swapped"),
    [
        ("schnet", 5 * 2 + 1),  # 5 interactions with 2 each, and the output's
        ("dimenetplusplus", 3 + 1),  # an output block after each of 3 blocks, and one before
        ("gemnet_t", (3 + 1) * (1 + 2 * 3)),  # 4 output blocks of a dense layer and 3 residual ones with 2 each
        ("cgcnn", 3),  # the fully connected layers
        ("forcenet", 5 * (2 + 1) + 1),  # 5 interactions with 2 in the filter's network and 1 after, and the output's
    ],
)
def test_paper_settings(model, swapped):
    """As published: arXiv 2310.01649, sections 4 and 5."""
    text = inspect(str(ROOT / "configs" / "md17" / f"{model}-paper.yml"))
    assert "center: none, scale: 1e6 kcal/mol" in text
    assert f"{swapped} activations swapped in region 'paper'" in text
    norms = {"cgcnn": 3, "forcenet": 5}.get(model, 0)  # a BatchNorm in each convolution
    assert f"{norms} norms removed" in text
    if model == "dimenetplusplus":
        assert "angle gradients: stock" in text  # no gradient flows through them in the published runs
