"""Tab completion, in the shells that are on the machine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ocp_dc.cli import COMMANDS, build_parser, main

pytest.importorskip("shtab")

from ocp_dc.core.config_names import shipped_configs
from ocp_dc.core.errors import UserError
from ocp_dc.hosts import installed_host
from ocp_dc.shell_completion import completed_names, completion_script

SHELLS = [shell for shell in ("bash", "fish") if shutil.which(shell) is not None]
# what bash does at a tab: words, the number of the one at the cursor, and a function that fills COMPREPLY
BASH = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); COMPREPLY=()
_shtab_ocp_dc
printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = 'function ocp-dc; end; source $argv[1]; complete -C "$argv[2]"'


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scripts")
    for shell in ("bash", "zsh", "fish"):
        (folder / shell).write_text(completion_script(build_parser(), shell, installed_host()))
    return folder


def completions(shell: str, scripts: Path, words: list[str], folder: Path) -> set[str]:
    """Return what a shell offers for the last of the words, in a folder."""
    if shell == "bash":
        command = ["bash", "--norc", "-c", BASH, "bash", str(scripts / shell), *words]
    else:
        command = ["fish", "--no-config", "-c", FISH, str(scripts / shell), " ".join(words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    assert done.stderr == ""
    return {line.partition("\t")[0].strip() for line in done.stdout.splitlines() if line.strip()}


CASES = [
    ("", {command.name for command in COMMANDS}),
    ("stu", {"study", "studies"}),
    ("study ", {"run", "search", "report"}),
    ("inspect md17/schnet-d", {"md17/schnet-dc", "md17/schnet-dc-published", "md17/schnet-dc-tuned"}),
    ("inspect mi", {"mine.yml"}),
    ("inspect md17/schnet-stock --with dc/s", {"dc/schnet"}),
    ("fit-scales md17/gemnet_t-d", {"md17/gemnet_t-dc", "md17/gemnet_t-dc-published", "md17/gemnet_t-dc-tuned"}),
    ("study run studies/coef", {"studies/coefficient"}),
    ("study run studies/coefficient --models d", {"dimenetplusplus"}),
    ("pinn train pinn/ad", {"pinn/advection"}),
    ("pinn data ad", {"advection"}),
    ("schema ", {"run", "study", "search", "pinn"}),
    ("prepare source out --format ", {"ase", "lmdb", "md17", "rmd17"}),
    ("main --mode ", {"train", "predict", "validate", "run-relaxations"}),
    ("main --config-yml md17/painn-", {"md17/painn-dc", "md17/painn-stock"}),
    ("main --resume-with ", {"config", "checkpoint"}),
]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("line", "expected"), CASES)
def test_completion(shell, line, expected, scripts, tmp_path) -> None:
    (tmp_path / "mine.yml").touch()
    found = completions(shell, scripts, ["ocp-dc", *line.split(" ")], tmp_path)
    assert {word for word in found if not word.startswith("-")} == expected


@pytest.mark.skipif("bash" not in SHELLS, reason="bash is not installed")
def test_several_values_of_an_option_in_bash(scripts, tmp_path) -> None:
    line = "ocp-dc study run studies/coefficient --models schnet d"
    assert completions("bash", scripts, line.split(), tmp_path) == {"dimenetplusplus"}


@pytest.mark.parametrize("shell", SHELLS)
def test_options(shell, scripts, tmp_path) -> None:
    assert "--budget" in completions(shell, scripts, ["ocp-dc", "study", "run", "--b"], tmp_path)
    main_options = completions(shell, scripts, ["ocp-dc", "main", "--"], tmp_path)
    assert main_options >= {"--config-yml", "--with", "--trust-module", "--timestamp-id"}


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_reads_its_script(scripts) -> None:
    subprocess.run(["zsh", "-n", str(scripts / "zsh")], check=True)


def test_names() -> None:
    names = completed_names(None)
    known = {config.name.rpartition(".")[0] for config in shipped_configs()}
    assert {*names["configs"], *names["studies"], *names["searches"], *names["recipes"]} == known
    assert not any(name.startswith("fairchem2/") for name in completed_names(installed_host())["configs"])
    assert {"schnet", "uma", "escaip"} <= set(names["models"])


def test_the_command_without_a_host(capsys, monkeypatch) -> None:
    def nothing() -> None:
        raise UserError("fairchem-core is not installed")

    monkeypatch.setattr("ocp_dc.hosts.installed_host", nothing)
    for shell in ("bash", "zsh", "fish"):
        assert main(["completion", shell]) == 0
        out = capsys.readouterr().out
        assert "md17/schnet-dc" in out
        assert "fairchem2/uma-dc" in out
        assert "--timestamp-id" not in out  # of fairchem's main


def test_an_unknown_shell(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["completion", "csh"])
    assert "csh" in capsys.readouterr().err
