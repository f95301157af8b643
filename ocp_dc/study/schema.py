"""The JSON Schema of studies."""

from __future__ import annotations

from ocp_dc.core.json_schema import Schema, block, document, options_schema, with_alternative
from ocp_dc.hosts import IN_WORDS
from ocp_dc.study.options import BUDGET_KINDS, StudyOptions

INCLUDES: Schema = {
    "description": "other studies, whose keys those of this file replace",
    "type": "array",
    "items": {"type": "string"},
}
HOSTS: Schema = {"type": "object", "anyOf": [{"required": [host]} for host in IN_WORDS]}


def study_schema() -> Schema:
    """Return the schema of studies such as ``configs/studies/coefficient.yml``."""
    properties = options_schema(StudyOptions)["properties"]
    one_of_them = [{"type": "object", "required": [kind]} for kind in BUDGET_KINDS]
    for key in ("budget", "smoke"):
        properties[key] |= {"oneOf": [*one_of_them, {"type": "null"}]}
    by_host = {key: with_alternative(schema, HOSTS, _by_host) for key, schema in properties.items()}
    return document("A study of ocp_dc", block({"includes": INCLUDES, **by_host, "host": properties["host"]}))


def _by_host(schema: Schema) -> Schema:
    """Return the schema of a mapping from hosts to values, as in :mod:`ocp_dc.study.host_values`."""
    return {**block(dict.fromkeys(IN_WORDS, schema)), "minProperties": 1}
