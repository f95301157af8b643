"""What hydra's plugin discovery calls in every program that uses hydra, before a config is composed.

The file ``hydra_plugins/ocp_dc_plugin.py``, which the build step writes, imports this module. It is light, and it does
nothing where fairchem 2 is not installed. Only the process that composes a config needs it: ranks, workers of submitit
and resumed runs get the config with plain numbers, and import this package by the dotted paths in it.
"""

from __future__ import annotations

from ocp_dc.fairchem2.labels.resolvers import register_resolvers
from ocp_dc.fairchem2.last_line import repeat_own_errors
from ocp_dc.fairchem2.versions import installed_version, is_supported


def register() -> type | None:
    """Register the resolvers of this package with OmegaConf, if the installed fairchem is supported.

    Returns:
        The plugin by which hydra finds the configs that ship, as hydra looks for it in its plugin modules; None if the
        installed fairchem is not supported.
    """
    if not is_supported(installed_version()):
        return None
    from ocp_dc.fairchem2.search_path import ShippedConfigs

    register_resolvers()
    repeat_own_errors()
    return ShippedConfigs
