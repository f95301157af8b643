"""Where hydra finds the configs that ship: ``defaults: [/fairchem2/escnmd-dc, _self_]`` works from any folder."""

from __future__ import annotations

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from ocp_dc.core.config_names import configs_folder


class ShippedConfigs(SearchPathPlugin):
    """Adds the folder of the configs that ship after all others, so that a user's files take precedence."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add the folder, of an installed package as of a checkout."""
        search_path.append(provider="ocp_dc", path=f"file://{configs_folder().resolve()}")
