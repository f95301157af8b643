"""The JSON Schema of a run config."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from fairchem.core.common.registry import registry
from fairchem.core.common.utils import setup_imports

from ocp_dc.core.json_schema import Schema, any_of, blocks, choices, document, nullable, number_schema, options_schema
from ocp_dc.core.log_level import raised_log_level
from ocp_dc.core.numbers import Number, count
from ocp_dc.fairchem1.checks import known_keys, loss_check, value_check
from ocp_dc.fairchem1.checks.dataset_check import BLOCKS, FITS
from ocp_dc.fairchem1.schemas.blocks import block_of, switches
from ocp_dc.fairchem1.schemas.model import model_schema
from ocp_dc.fairchem1.schemas.optim import optim_schema
from ocp_dc.fairchem1.train.resume_with import CHOICES
from ocp_dc.fairchem1.train.transform import TRANSFORM_NAME
from ocp_dc.labels.options import LabelOptions

TEXT: Schema = {"type": "string"}
TEXTS: Schema = {"type": "array", "items": TEXT}
DOTTED: Schema = {"type": "string", "pattern": r"\."}  # the path of a class of the user's
NULL: Schema = {"type": "null"}
INCLUDES = "other configs, whose values those of this file replace: files, or names of configs that ship"


def run_schema() -> Schema:
    """Return the schema of configs such as ``configs/md17/schnet-dc.yml``.

    No key is required, since an included file may have it.
    """
    with raised_log_level(logging.WARNING):  # fairchem logs every import of its models
        setup_imports()
    keys = {"includes": INCLUDES, **known_keys.MAIN_KEYS}
    return document(
        "A run config of ocp_dc with fairchem 1.10",
        block_of(
            keys,
            {
                **_numbers(value_check.TOP),
                **switches(""),
                "includes": TEXTS,
                "trainer": _registered("trainer"),
                "task": nullable(_task()),
                "model": model_schema(),
                "outputs": blocks(_output()),
                "dataset": _dataset(),
                "loss_functions": {"type": "array", "items": {**blocks(_loss()), "minProperties": 1}},
                "evaluation_metrics": nullable(block_of(known_keys.METRIC_KEYS, _metrics())),
                "optim": optim_schema(),
                "logger": any_of(_registered("logger"), NULL, {"type": "object", "required": ["name"]}),
                "slurm": {"type": ["object", "null"]},
                "resume_with": choices([*CHOICES, None]),
                "trust_modules": nullable(TEXTS),
            },
        ),
    )


def _numbers(table: Mapping[str, Number]) -> dict[str, Schema]:
    return {key: number_schema(number) for key, number in table.items()}


def _registered(kind: str) -> Schema:
    """Return the schema of a name: a registered one, or the dotted path of a class."""
    return any_of(choices(sorted(registry.mapping[f"{kind}_name_mapping"])), DOTTED)


def _task() -> Schema:
    schemas = {
        **_numbers(value_check.TASK),
        **switches("task"),
        "dataset": TEXT,
        "prediction_dtype": choices(value_check.DTYPES),
        "relax_opt": nullable(block_of(known_keys.RELAXATION_KEYS, _numbers(value_check.RELAXATION))),
    }
    return block_of({**known_keys.OLD_TASK, **known_keys.TASK_KEYS}, schemas)


def _output() -> Schema:
    schemas = {
        **switches("outputs"),
        "level": choices(value_check.LEVELS),
        "irrep_dim": number_schema(count(0)),
        "property": TEXT,
        "parent": TEXT,
        "prediction_dtype": choices(value_check.DTYPES),
    }
    parts = blocks(block_of(known_keys.OUTPUT_KEYS, schemas))
    return block_of(known_keys.OUTPUT_KEYS, {**schemas, "decomposition": parts})


def _loss() -> Schema:
    schemas = {**_numbers(loss_check.NUMBERS), "fn": _registered("loss"), "reduction": choices(loss_check.REDUCTIONS)}
    return block_of({**known_keys.LOSS_KEYS, **known_keys.OUR_LOSS}, schemas)


def _metrics() -> dict[str, Schema]:
    return {"metrics": nullable(blocks(TEXTS)), "primary_metric": nullable(TEXT)}


def _dataset() -> Schema:
    split = nullable(_split())
    named = block_of(known_keys.SPLITS, dict.fromkeys(known_keys.SPLITS, split))
    return {**named, "type": ["object", "array"], "items": split}  # older configs have a list


def _split() -> Schema:
    numbers = blocks({"type": ["object", "string", "null"]})
    transforms = {
        "type": ["object", "null"],
        "properties": {TRANSFORM_NAME: nullable(options_schema(LabelOptions)), **dict.fromkeys(FITS, numbers)},
    }
    schemas = {
        **{key: {"type": ["object", "null"]} for key in BLOCKS},
        **_numbers(value_check.SPLIT),
        **switches("dataset"),
        "src": any_of(TEXT, {**TEXTS, "minItems": 1}, NULL),
        "format": _registered("dataset"),
        "key_mapping": nullable(blocks(any_of(TEXT, TEXTS))),
        "transforms": transforms,
        "total_shards": number_schema(count()),
        "shard": number_schema(count(0)),
        "subset_to": {"type": "array", "items": {"type": "object"}},
        "pattern": TEXT,
    }
    return block_of({**known_keys.OLD_DATASET, **known_keys.DATASET_KEYS}, schemas)
