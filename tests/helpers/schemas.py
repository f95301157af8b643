"""What a JSON Schema refuses in a config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ocp_dc.core.config_names import configs_folder
from ocp_dc.core.yaml_config import read_yaml

jsonschema = pytest.importorskip("jsonschema")


def validator(schema: Mapping[str, Any]) -> Any:
    """Return a validator, after a check of the schema itself."""
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def places(schema_validator: Any, config: Any) -> list[str]:
    """Return the places of the mistakes in a config, such as ``model.dc``; an empty text for the whole."""
    return sorted({error.json_path.removeprefix("$").lstrip(".") for error in schema_validator.iter_errors(config)})


def shipped(*folders: str) -> list[Path]:
    """Return the configs in folders of those that ship, also the ones for inclusion."""
    return sorted(path for folder in folders for path in (configs_folder() / folder).glob("*.y*ml"))


def content(path: Path) -> dict[str, Any]:
    """Return the content of a config as it is written."""
    return read_yaml(path, "a config")


def property_schemas(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every key of every block in a schema, with the schema of its value."""

    def parts(schema: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
        if isinstance(schema, Mapping) and isinstance(schema.get("properties"), Mapping):
            for key, part in schema["properties"].items():
                name = part.get("$ref", "").rpartition("/")[2]
                yield key, document["definitions"][name] if name else part
        for part in schema.values() if isinstance(schema, Mapping) else schema if isinstance(schema, list) else ():
            yield from parts(part)

    return parts(document)
