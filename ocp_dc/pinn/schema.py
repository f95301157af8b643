"""The JSON Schema of the configs of physics-informed tasks."""

from __future__ import annotations

from ocp_dc.core.json_schema import Schema, block, document, options_schema
from ocp_dc.pinn.options import TopLevelOptions


def pinn_schema() -> Schema:
    """Return the schema of configs such as ``configs/pinn/advection.yml``."""
    properties = options_schema(TopLevelOptions)["properties"]
    changes = block({key: schema for key, schema in properties.items() if key != "smoke"})
    smoke = {"description": properties["smoke"]["description"], **changes}
    return document("A physics-informed task of ocp_dc", block({**properties, "smoke": smoke}))
