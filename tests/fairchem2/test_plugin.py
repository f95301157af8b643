"""Hydra finds this package by its plugin file, in every program, and the configs that ship from any folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import hydra
import pytest
from omegaconf import DictConfig

from ocp_dc.core.config_names import configs_folder
from ocp_dc.fairchem2.plugin import register
from ocp_dc.packaging import HYDRA_CODE, HYDRA_PLUGIN

CONFIGS = sorted(path for path in (configs_folder() / "fairchem2").glob("*.yaml"))
COMPOSE = """
import sys, hydra
with hydra.initialize_config_dir(sys.argv[1], version_base="1.3"):
    print(dict(hydra.compose("other")))
"""


def run_other_program(
    tmp_path: Path, plugin: str | None, *modules: tuple[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a program that uses hydra for something else, beside the plugin file and further modules."""
    files = {**dict(modules), "configs/other.yaml": "answer: 42\n"} | ({} if plugin is None else {HYDRA_PLUGIN: plugin})
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    loaded = "print('loaded:', {'torch', 'fairchem', 'numpy'} & set(sys.modules))"
    start = f"import sys; sys.path.insert(0, {str(tmp_path)!r})"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{start}\n{COMPOSE}\n{loaded}", str(tmp_path / "configs")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def compose(path: Path) -> DictConfig:
    """Compose a config as fairchem's command does."""
    with hydra.initialize_config_dir(str(path.parent), version_base="1.3"):
        return hydra.compose(path.name)


def test_another_program_of_hydra_notices_nothing(tmp_path: Path) -> None:
    done = run_other_program(tmp_path, HYDRA_CODE)
    assert done.returncode == 0
    assert done.stdout.splitlines() == ["{'answer': 42}", "loaded: set()"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise RuntimeError('broken')", "not attached to fairchem 2: RuntimeError: broken"),
        ("from ocp_dc.core import nothing", "not attached to fairchem 2: ImportError"),
        ("raise ModuleNotFoundError('gone', name='ocp_dc.fairchem2')", ""),
    ],
)
def test_a_broken_installation_stops_no_other_program(tmp_path: Path, code: str, said: str) -> None:
    plugin = HYDRA_CODE.replace("from ocp_dc.fairchem2.plugin import register", code)
    done = run_other_program(tmp_path, plugin)
    assert done.returncode == 0
    assert "answer" in done.stdout
    assert said in done.stderr
    assert bool(done.stderr) is bool(said)


def test_nothing_is_registered_for_another_fairchem(monkeypatch: pytest.MonkeyPatch) -> None:
    for version in (None, "1.10.0", "2.25.0"):
        monkeypatch.setattr("ocp_dc.fairchem2.plugin.installed_version", lambda version=version: version)
        assert register() is None


def test_a_config_in_any_folder_builds_on_one_that_ships(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("defaults: [/fairchem2/uma-dc, _self_]\nepochs: 7\nmodel: {dc: {region: full}}\n")
    config = compose(path)
    assert config.epochs == 7
    assert config.model.dc == {"activation": {"name": "irelu", "coefficient": 0.25}, "region": "full"}
    assert config.model.backbone.num_experts == 8


def test_a_folder_of_the_user_takes_precedence(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("defaults: [/fairchem2/escnmd-dc, _self_]\n")
    (tmp_path / "fairchem2").mkdir()
    own = "# @package _global_\ndefaults: [escnmd-stock, _self_]\nepochs: 3\n"
    (tmp_path / "fairchem2" / "escnmd-dc.yaml").write_text(own)
    config = compose(path)
    assert config.epochs == 3
    assert "dc" not in config.model


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configs_can_be_included(path: Path) -> None:
    """Without the line, hydra would put the content below a key ``fairchem2``."""
    assert path.read_text().startswith("# @package _global_\n")


@pytest.mark.parametrize("wrapped", [True, False])
def test_the_last_line_of_the_stock_command_is_the_message(tmp_path: Path, wrapped: bool) -> None:
    (tmp_path / "mine.yaml").write_text("defaults: [/fairchem2/schnet-dc, _self_]\njob: {run_dir: runs}\n")
    change = "label_rescaling.scale=forces_rsm" if wrapped else "epohcs=3"
    program = str(Path(sys.executable).parent / "fairchem")
    done = subprocess.run(
        [program, "-c", "mine.yaml", change], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    last = done.stderr.rstrip().splitlines()[-1]
    assert last.startswith("error: label_rescaling.scale: got 'forces_rsm'") is wrapped
    assert "Traceback" in done.stderr
