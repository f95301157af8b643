"""Digests: SHA-256, and independent of the layout of a JSON file."""

from __future__ import annotations

import hashlib

from ocp_dc.core.digests import BLOCK, content_digest, file_digest, text_digest


def test_texts():
    assert text_digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2
    assert text_digest("Å") == hashlib.sha256(b"\xc3\x85").hexdigest()


def test_content_in_any_order():
    content = {"b": [1.5, None], "a": {"y": 1, "x": "ü"}}
    assert content_digest(content) == content_digest({"a": {"x": "ü", "y": 1}, "b": [1.5, None]})
    assert content_digest(content) == text_digest('{"a":{"x":"\\u00fc","y":1},"b":[1.5,null]}')
    assert content_digest(content) != content_digest({**content, "b": [None, 1.5]})


def test_files_one_after_another(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(bytes(range(256)) * (BLOCK // 256 + 1))  # more than one block
    second.write_bytes(b"end")
    assert file_digest(first, second) == hashlib.sha256(first.read_bytes() + b"end").hexdigest()
    assert file_digest() == hashlib.sha256().hexdigest()
