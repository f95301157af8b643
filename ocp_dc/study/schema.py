"""The JSON Schemas of studies and of searches."""

from __future__ import annotations

from collections.abc import Sequence

from ocp_dc.core.json_schema import Schema, block, blocks, document, options_schema, with_alternative
from ocp_dc.hosts import IN_WORDS
from ocp_dc.study.options import BUDGET_KINDS, SharedOptions, StudyOptions
from ocp_dc.study.search.options import SearchOptions
from ocp_dc.study.search.space import RangeOptions

INCLUDES: Schema = {
    "description": "other studies, whose keys those of this file replace",
    "type": "array",
    "items": {"type": "string"},
}
HOSTS: Schema = {"type": "object", "anyOf": [{"required": [host]} for host in IN_WORDS]}


def study_schema() -> Schema:
    """Return the schema of studies such as ``configs/studies/coefficient.yml``."""
    return _schema("A study of ocp_dc", StudyOptions, ("budget", "smoke"))


def search_schema() -> Schema:
    """Return the schema of searches such as ``configs/searches/recipe.yml``."""
    values = {**options_schema(RangeOptions), "required": ["low", "high"]}
    several = {"type": "array", "minItems": 2}
    space = blocks({"if": {"type": "array"}, "then": several, "else": values})
    return _schema("A search of ocp_dc", SearchOptions, ("budget",), space)


def _schema(title: str, options: type[SharedOptions], budgets: Sequence[str], space: Schema | None = None) -> Schema:
    properties = options_schema(options)["properties"]
    if space is not None:
        properties["space"] = {"description": properties["space"]["description"], **space}
    one_of_them = [{"type": "object", "required": [kind]} for kind in BUDGET_KINDS]
    for key in budgets:
        properties[key] |= {"oneOf": [*one_of_them, {"type": "null"}]}
    by_host = {key: with_alternative(schema, HOSTS, _by_host) for key, schema in properties.items()}
    return document(title, block({"includes": INCLUDES, **by_host, "host": properties["host"]}))


def _by_host(schema: Schema) -> Schema:
    """Return the schema of a mapping from hosts to values, as in :mod:`ocp_dc.study.host_values`."""
    return {**block(dict.fromkeys(IN_WORDS, schema)), "minProperties": 1}
