"""What hydra's plugin discovery calls in every program that uses hydra, before a config is composed.

The file ``hydra_plugins/ocp_dc_plugin.py``, which the build step writes, imports this module. It is light, and it does
nothing where fairchem 2 is not installed.
"""

from __future__ import annotations

from ocp_dc.fairchem2.labels.resolvers import register_resolvers
from ocp_dc.fairchem2.versions import installed_version, is_supported


def register() -> None:
    """Register the resolvers of this package with OmegaConf, if the installed fairchem is supported."""
    if not is_supported(installed_version()):
        return
    register_resolvers()
