"""The lines that a run shows with either host, and a terminal to show them on."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

ERRORS = r"energy \d+\.\d meV, forces \d+\.\d meV/Å"
ROW = r" +[12] +\d+ +\d+\.\d meV +\d+\.\d meV/Å +\d\S* +\d\.\d\de[+-]\d\d +\d:\d\d:\d\d(  best)?"
# of two epochs of a small SchNet with a dc: block, from the first line to the last one
LINES = (
    r"model    \w*SchNet\w*, [\d,]+ parameters",
    r"surgery  1 activations swapped in region 'output', \d elsewhere, 0 norms removed, 0 activations kept",
    r"data     40 training, 10 validation, 10 test structures",
    r"labels   energies minus a reference energy per element; energies and forces divided by C = \d\.\d+ eV",
    r"device   cpu",
    r"run      \S+",
    r"dc\.accelerate: auto: the model is not compiled: the run has fewer than 1,500 steps",
    r" +epoch +step +energy +forces +loss +learning rate +time",
    ROW,
    ROW,
    r"trained to step 8 of 8 in \d+\.\d s",
    rf"best validation: epoch [12], {ERRORS}",
    rf"test split: {ERRORS}",
    r"best checkpoint: (\S+)",
    r"next: ocp-dc evaluate (\S+) \S+/test --out \S+/evaluation",
)


def check_lines(text: str, names: Sequence[str] = LINES) -> None:
    """Check that a text has these lines, and no others."""
    lines = text.splitlines()
    for line, expected in zip(lines, names, strict=False):
        assert re.fullmatch(expected, line), (line, expected)
    assert len(lines) == len(names), text


def on_terminal(command: Sequence[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Run a command on a terminal of 150 columns; return its status and all that it shows."""
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 150))
    process = subprocess.Popen(command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:  # of a terminal without a process
            part = b""
        if not part:
            break
        shown += part
    os.close(ours)
    return process.wait(), shown.decode()
