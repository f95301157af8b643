"""Every config of a potential that ships loads, passes the checks and builds its model."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.demo import config_path
from ocp_dc.fairchem1 import main as run_main
from ocp_dc.fairchem1.infer import inspect_model
from ocp_dc.fairchem1.infer.inspect_model import inspect_config

ROOT = Path(__file__).parents[1]
inspect = functools.cache(inspect_config)
OTHERS = ("dc", "pinn", "studies", "searches")  # recipes, which are no whole configs, and what has tests of its own
CONFIGS = sorted(
    path
    for path in (ROOT / "configs").rglob("*.yml")
    if not path.name.startswith("_") and path.parent.name not in OTHERS
)


@pytest.fixture(scope="module", autouse=True)
def each_model_once():
    """The published sizes take seconds to build, and several splits of a data set share a model."""
    build = inspect_model.build_model
    built: dict[str, Any] = {}

    def build_once(block):
        key = json.dumps(block, sort_keys=True)
        return built[key] if key in built else built.setdefault(key, build(block))

    inspect_model.build_model = build_once
    yield
    inspect_model.build_model = build


# as fairchem's and the published DimeNet++ are, angles detached; and fairchem's PaiNN, which derives its features
NOT_CONSERVATIVE = (
    "dimenetplusplus-paper",
    "dimenetplusplus-stock-tuned",
    *(f"{model}-{kind}" for model in ("dimenetplusplus", "painn") for kind in ("stock", "2M-stock", "all-stock")),
)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_builds(path):
    text = inspect(str(path))
    assert ("forces are -dE/dx" in text) == (path.stem not in NOT_CONSERVATIVE)
    assert ("forces are not the gradient" in text) == (path.stem in NOT_CONSERVATIVE)
    kind = path.stem.removesuffix("-tuned").rsplit("-", maxsplit=1)[-1]
    assert ("this is the stock model" in text) == (kind == "stock")


def test_the_md17_configs_are_there():
    names = {path.stem for path in CONFIGS if path.parent.name == "md17"}
    published = ("schnet", "dimenetplusplus", "gemnet_t", "cgcnn", "forcenet")
    models = (*published, "gemnet_oc", "painn", "esen")
    assert {f"{model}-{kind}" for model in models for kind in ("stock", "dc")} <= names
    assert {f"{model}-paper" for model in published} <= names
    assert config_path("schnet-dc").is_file()


@pytest.mark.parametrize(("folder", "splits"), [("oc20", ("", "-2M", "-all")), ("oc22", ("",))])
def test_the_catalysis_configs_are_there(folder, splits):
    names = {path.stem for path in CONFIGS if path.parent.name == folder}
    models = ("schnet", "dimenetplusplus", "gemnet_t", "gemnet_oc", "painn", "cgcnn")
    assert {f"{model}{split}-stock" for model in models for split in splits} <= names
    assert {f"{model}-dc" for model in models} <= names


def resolved(folder, name, *recipes):
    return run_main.resolve_training(f"{folder}/{name}", recipes=recipes)


RECIPES = sorted(path.stem for path in (ROOT / "configs" / "dc").glob("*.yml"))


@pytest.mark.parametrize("folder", ["md17", "oc20", "oc22"])
@pytest.mark.parametrize("model", RECIPES)
def test_a_dc_config_is_the_stock_one_with_the_recipe(folder, model, tmp_path, monkeypatch):
    if not (ROOT / "configs" / folder / f"{model}-stock.yml").exists():
        pytest.skip(f"{folder} has no {model}")
    monkeypatch.chdir(tmp_path)
    stock, dc = (resolved(folder, f"{model}-{kind}") for kind in ("stock", "dc"))
    assert resolved(folder, f"{model}-stock", f"dc/{model}") == dc
    assert dc["model"].pop("dc")
    assert dc == stock


def test_recipes_come_one_after_the_other_and_before_overrides(tmp_path):
    (tmp_path / "more.yml").write_text("model: {dc: {region: full}}\noptim: {max_epochs: 3}\n")
    recipes = ["dc/schnet", str(tmp_path / "more.yml")]
    config = run_main.resolve_training("md17/schnet-stock", ["--optim.max_epochs=4"], recipes)
    assert config["model"]["dc"] == {
        "activation": {"name": "irelu", "coefficient": 0.25},
        "region": "full",
        "elsewhere": "mish",
    }
    assert config["optim"]["max_epochs"] == 4
    assert run_main.resolve_training("md17/schnet-stock", recipes=recipes)["optim"]["max_epochs"] == 3


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (
            "dc/schnt",
            r"--with dc/schnt: no such file; expected a recipe such as dc/schnet\..* Did you mean dc/schnet\?",
        ),
        ("studies/extent", "extent.yml: is a study"),
    ],
)
def test_recipes_that_are_none(recipe, message):
    with pytest.raises(UserError, match=message):
        run_main.resolve_training("md17/schnet-stock", recipes=[recipe])


def test_a_config_of_a_user_includes_those_that_ship_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("md17/_schnet.yml", "configs/md17/_schnet.yml"):
        (tmp_path / "mine.yml").write_text(f"includes: [{name}, dc/schnet.yml]\noptim: {{max_epochs: 2}}\n")
        config = run_main.resolve_training("mine.yml")
        assert config["model"]["dc"]["region"] == "output"
        assert config["optim"]["max_epochs"] == 2
    (tmp_path / "mine.yml").write_text("includes: [md17/_shnet.yml]\n")
    with pytest.raises(UserError, match=r"includes: md17/_shnet\.yml: no such file"):
        run_main.resolve_training("mine.yml")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_loader_of_fairchem_reads_the_same(path):
    """The stock `fairchem` command reads these files too."""
    from fairchem.core.common import utils  # after ocp_dc.fairchem1, whose stand-ins it may need

    blocks, _, conflicts = utils.load_config(path)
    assert conflicts == []
    ours = resolved(path.parent.name, path.stem)
    assert {key: ours[key] for key in blocks} == blocks


@pytest.mark.parametrize(
    ("name", "src", "interactions", "batch", "forces", "milestones", "epochs"),
    [
        ("schnet", "200k", 3, 32, 100, [7812, 12500, 15625], 30),
        ("schnet-2M", "2M", 5, 24, 100, [52083, 83333, 104166], 30),
        ("schnet-all", "all", 5, 20, 30, [313907, 523179, 732451], 15),
        ("dimenetplusplus", "200k", None, 12, 50, [5208, 8333, 10416], 30),
        ("dimenetplusplus-2M", "2M", None, 12, 50, [20833, 31250, 41666], 15),
        ("dimenetplusplus-all", "all", None, 8, 50, [130794, 196192, 261589], 7),
        ("gemnet_t-2M", "2M", None, 32, 100, None, 80),
        ("gemnet_t-all", "all", None, 32, 100, None, 80),
        ("gemnet_oc", "200k", None, 16, 100, None, 80),
        ("gemnet_oc-2M", "2M", None, 16, 100, None, 80),
        ("gemnet_oc-all", "all", None, 16, 100, None, 80),
        ("painn", "200k", None, 32, 100, None, 80),
        ("painn-2M", "2M", None, 32, 100, None, 80),
        ("painn-all", "all", None, 32, 100, None, 80),
        ("cgcnn", "200k", None, 32, 10, [23437, 31250], 50),
        ("forcenet", "200k", 5, 8, 100, [15625, 25000, 31250], 20),
        ("cgcnn-2M", "2M", None, 8, 10, [156250, 281250, 437500], 20),
        ("cgcnn-all", "all", None, 24, 10, [523179, 871966, 1220752], 20),
    ],
)
def test_settings_of_oc20(name, src, interactions, batch, forces, milestones, epochs):
    """As published: fairchem's configs/oc20/s2ef. The arms of a pair differ in the model's dc block alone."""
    stock = resolved("oc20", f"{name}-stock")
    dc = resolved("oc20", f"{name}-stock", f"dc/{name.partition('-')[0]}")
    assert stock["dataset"]["train"]["src"] == f"data/s2ef/{src}/train"
    assert stock["model"].get("num_interactions") == interactions
    assert stock["loss_functions"][1]["forces"]["coefficient"] == forces
    optim = stock["optim"]
    assert (optim["batch_size"], optim.get("lr_milestones"), optim["max_epochs"]) == (batch, milestones, epochs)
    assert dc["model"].pop("dc")
    for block in ("model", "dataset", "optim", "loss_functions", "outputs", "evaluation_metrics"):
        assert dc[block] == stock[block], block


@pytest.mark.parametrize(
    ("model", "batch", "rate", "first"),
    [
        ("schnet", 20, 2.5e-4, 52000),
        ("dimenetplusplus", 3, 1e-4, 171000),
        ("gemnet_t", 16, 5e-4, 64000),
        ("gemnet_oc", 16, 5e-4, 64000),
        ("painn", 32, 1e-4, 64000),
        ("cgcnn", 20, 2.5e-4, 52000),
    ],
)
def test_settings_of_oc22(model, batch, rate, first):
    """Total energies through fairchem's own format, centred by element; fairchem's configs/oc22/s2ef."""
    stock, dc = (resolved("oc22", f"{model}-{kind}") for kind in ("stock", "dc"))
    optim = stock["optim"]
    assert (optim["batch_size"], optim["lr_initial"], optim["lr_milestones"][0]) == (batch, rate, first)
    train = stock["dataset"]["train"]
    assert (train["format"], train["transforms"]["label_rescaling"]["center"]) == ("oc22_lmdb", "composition")
    assert dc["model"].pop("dc")
    for block in ("model", "dataset", "optim", "loss_functions", "outputs", "evaluation_metrics"):
        assert dc[block] == stock[block], block


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
