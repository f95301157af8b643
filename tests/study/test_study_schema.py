"""The JSON Schema of studies."""

from __future__ import annotations

import dataclasses
import json

import pytest

from ocp_dc.cli import main
from ocp_dc.study.options import BudgetOptions, DataOptions, StudyOptions
from ocp_dc.study.schema import study_schema

from tests.helpers.schemas import content, places, shipped, validator

SCHEMA = validator(study_schema())


@pytest.mark.parametrize("path", shipped("studies"), ids=lambda path: path.stem)
def test_a_study_that_ships(path) -> None:
    assert places(SCHEMA, content(path)) == []


def test_every_option_is_there() -> None:
    properties = study_schema()["properties"]
    assert set(properties) == {"includes", *(field.name for field in dataclasses.fields(StudyOptions))}
    text = json.dumps(study_schema())
    for field in (*dataclasses.fields(DataOptions), *dataclasses.fields(BudgetOptions)):
        assert json.dumps(field.metadata["help"]) in text


@pytest.mark.parametrize(
    ("study", "wrong"),
    [
        ({"budgte": {"epochs": 3}}, [""]),
        ({"budget": {"epoch": 3}}, ["budget"]),
        ({"budget": {"epochs": 3, "steps": 3}}, ["budget"]),
        ({"budget": {"train": 3}}, ["budget"]),
        ({"budget": {"epochs": 0}}, ["budget.epochs"]),
        ({"smoke": {"minutes": 0}}, ["smoke.minutes"]),
        ({"seeds": [0, 0]}, ["seeds"]),
        ({"seeds": [-1]}, ["seeds[0]"]),
        ({"seeds": 3}, ["seeds"]),
        ({"data": {"mine": {"smaple": "ethanol"}}}, ["data.mine"]),
        ({"data": {"mine": {"sample": "ethanl"}}}, ["data.mine.sample"]),
        ({"data": {"mine": {"train": "many"}}}, ["data.mine.train"]),
        ({"data": {"mine": {"train": {"fairchem1": 3, "fairchem2": -3}}}}, ["data.mine.train.fairchem2"]),
        ({"base": {"fairchem1": "a.yml", "fairchem3": "b.yml"}}, ["base"]),
        ({"base": {"fairchem1": 3}}, ["base.fairchem1"]),
        ({"engine": "fairchm"}, ["engine"]),
        ({"axes": {"region": 3}}, ["axes.region"]),
        ({"arms": {"a": 3}}, ["arms.a"]),
        ({"exclude": {"region": "full"}}, ["exclude"]),
        ({"base": "a.yml", "arms": {"a": None, "b": {"base": "c.yml", "model.dc.region": "full"}}}, []),
        ({"base": {"fairchem1": "a.yml"}, "models": {"schnet": None}, "budget": {"fairchem1": {"epochs": 2}}}, []),
        ({"includes": ["_base.yml"], "host": "fairchem1", "may_differ": ["gradients"]}, []),
    ],
)
def test_what_is_refused(study, wrong) -> None:
    assert places(SCHEMA, study) == wrong


def test_the_command(capsys, tmp_path) -> None:
    assert main(["schema", "study"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == study_schema()
    out = tmp_path / "study.json"
    assert main(["schema", "study", "--out", str(out)]) == 0
    assert f"# yaml-language-server: $schema={out}" in capsys.readouterr().out
    assert json.loads(out.read_text("utf-8")) == printed
    out.write_text("mine")
    assert main(["schema", "study", "--out", str(out)]) == 2
    assert "exists, and is not an older schema" in capsys.readouterr().err
    assert out.read_text() == "mine"
