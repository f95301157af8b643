"""The plugin file for hydra does nothing where fairchem 2 is not installed."""

from __future__ import annotations

import subprocess
import sys

from ocp_dc.packaging import HYDRA_CODE

LOADED = "\nprint(Plugin, {'torch', 'fairchem', 'hydra', 'omegaconf', 'numpy'} & set(sys.modules))"


def test_it_is_silent_and_cheap() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", HYDRA_CODE + LOADED], capture_output=True, text=True, check=True
    )
    assert done.stdout == "None set()\n"
    assert done.stderr == ""
