from __future__ import annotations

import json

import pytest

from ocp_dc.errors import UserError
from ocp_dc.evaluation.same_start import InitialWeights, differing_parameters, read_initial_weights


def weights(**parameters: str) -> InitialWeights:
    return InitialWeights("00", len(parameters), parameters)


def test_only_what_both_have_is_compared():
    stock = weights(a="11", b="22", norm="33")
    assert differing_parameters(stock, stock) == []
    assert differing_parameters(stock, weights(a="11", b="22")) == []
    assert differing_parameters(stock, weights(a="11", b="23", norm="34", other="55")) == ["b", "norm"]


def test_nothing_in_common():
    with pytest.raises(UserError, match="share no parameter"):
        differing_parameters(weights(a="11"), weights(b="11"))


def test_reading(tmp_path):
    path = tmp_path / "initial_weights.json"
    path.write_text(json.dumps({"sha256": "abcd", "numbers": 7, "parameters": {"a": "11"}}), encoding="utf-8")
    assert read_initial_weights(path) == InitialWeights("abcd", 7, {"a": "11"})


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": "abcd", "numbers": null, "parameters": {}}', "\xff"])
def test_other_files(tmp_path, text):
    path = tmp_path / "initial_weights.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"initial_weights\.json: got no record of initial weights"):
        read_initial_weights(path)


def test_no_file(tmp_path):
    with pytest.raises(UserError, match="got no such file, expected the initial_weights"):
        read_initial_weights(tmp_path / "initial_weights.json")
