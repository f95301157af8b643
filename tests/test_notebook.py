"""The notebook of the docs: its code runs, its outputs name no machine, and its page has the same code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import ocp_dc

ROOT = Path(ocp_dc.__file__).parents[1]
NOTEBOOK = ROOT / "docs" / "notebooks" / "first-potential.ipynb"
CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
CODE = [cell for cell in CELLS if cell["cell_type"] == "code"]
BUDGET = "EPOCHS, TRAIN, SLABS, STEPS = 20, 400, 120, 100"
SMOKE = "EPOCHS, TRAIN, SLABS, STEPS = 2, 40, 20, 3"
PRIVATE = r"/work/|/tmp/|/opt/|/root/|/home/"


def source(cell: dict) -> str:
    return "".join(cell["source"])


def script() -> str:
    """Return the code of the notebook as a script, with a smoke budget; a cell that writes a file does so."""
    parts = ["from pathlib import Path"]
    for cell in CODE:
        text = source(cell)
        if found := re.match(r"%%writefile (\S+)\n", text):
            text = f"Path({found[1]!r}).write_text({text[found.end() :]!r})"
        parts.append(text)
    whole = "\n\n".join(parts)
    assert whole.count(BUDGET) == 1
    return whole.replace(BUDGET, SMOKE)


def test_the_code_runs(tmp_path: Path) -> None:
    (tmp_path / "notebook.py").write_text(script(), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "notebook.py"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 6, done.stdout


def test_the_outputs() -> None:
    assert [cell["execution_count"] for cell in CODE] == list(range(1, len(CODE) + 1))
    outputs = json.dumps([cell["outputs"] for cell in CODE])
    assert "image/png" in outputs
    assert "error" not in {output["output_type"] for cell in CODE for output in cell["outputs"]}
    assert re.findall(PRIVATE, outputs) == []


def test_the_page_has_the_code() -> None:
    page = NOTEBOOK.with_suffix(".md").read_text(encoding="utf-8")
    assert [cell for cell in CODE if source(cell).strip() not in page] == []
