"""Every `ocp-dc main -c` of the README and of docs/ has a config and overrides with a place."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from ocp_dc.fairchem2.compose import compose, find_fairchem2_config, hydra_overrides, without_fits

from tests.helpers.documented_commands import with_shipped_configs

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = [page.read_text("utf-8") for page in PAGES]
BLOCKS = [block for text in TEXTS for block in re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)]
LINES = [line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines()]
COMMANDS = sorted({with_shipped_configs(line, TEXTS) for line in LINES if line.startswith("ocp-dc main -c ")})


def test_commands_are_found() -> None:
    assert any("schnet-dc" in line for line in COMMANDS)
    assert any("finetune" in line for line in COMMANDS)


@pytest.mark.parametrize("line", COMMANDS)
def test_it_composes(line: str) -> None:
    words = shlex.split(line, comments=True)
    config = compose(find_fairchem2_config(words[3]), hydra_overrides(words[4:]))
    with without_fits():
        OmegaConf.resolve(config)
    assert config.runner.train_eval_unit.model == config.model
