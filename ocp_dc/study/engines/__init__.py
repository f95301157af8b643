"""The engines that train the runs of a study."""

from __future__ import annotations

from ocp_dc.study.engines.engine import Engine
from ocp_dc.study.engines.pinn_tasks import PinnTasks
from ocp_dc.study.engines.potentials import Potentials


def get_engine(name: str, host: str | None = None) -> Engine:
    """Return the engine of a study by its name in the YAML file; the name was checked when the file was read.

    Args:
        name: the name of the engine.
        host: the host that the study names; None takes the one that is installed.
    """
    engines: dict[str, Engine] = {"fairchem": Potentials(host), "pinn": PinnTasks()}
    return engines[name]
