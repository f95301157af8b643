"""A split of ``dataset``: what its subsets, shards, readers and fits may be."""

from __future__ import annotations

import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.checks.dataset_check import check_split

SUBSET = {"metadata_key": "natoms", "op": "abs_le", "rhv": 50}
WRONG = [
    ({"shard": "x", "total_shards": 2}, r"d\.shard: got 'x', expected a whole number, at least 0"),
    ({"shard": 0, "total_shards": 0}, r"d\.total_shards: got 0"),
    ({"shard": 3, "total_shards": 2}, r"d\.shard: got 3 of 2 shards, expected from 0 to 1"),
    ({"shard": 1}, r"d\.shard: without total_shards all structures are used"),
    ({"total_shards": 4}, r"d\.total_shards: without shard all structures are used"),
    ({"subset_to": "x"}, r"d\.subset_to: got 'x', expected a list of blocks"),
    ({"subset_to": [5]}, r"d\.subset_to\.0: got 5, expected a block"),
    ({"subset_to": [{**SUBSET, "op": "abs_lt"}]}, r"subset_to\.0\.op: got 'abs_lt'.*Did you mean 'abs_le'"),
    ({"subset_to": [{**SUBSET, "rhs": 5}]}, r"unknown key 'rhs'.*Did you mean 'rhv'"),
    ({"subset_to": [{"op": "in", "rhv": [1]}]}, r"subset_to\.0\.metadata_key: missing"),
    ({"subset_to": [{**SUBSET, "metadata_key": 5}]}, r"metadata_key: got 5"),
    ({"metadata_path": 5}, r"d\.metadata_path: got 5, expected the path of a file"),
    ({"a2g_args": 5}, r"d\.a2g_args: got 5, expected a block of arguments"),
    ({"splits": "train"}, r"d\.splits: got 'train', expected a block"),
    ({"pattern": 5}, r"d\.pattern: got 5, expected text"),
    ({"src": ["a", "b"]}, r"d\.src: got 2 paths, and format lmdb reads one"),
    ({"transforms": {"normalizer": {"fit": 5}}}, r"normalizer\.fit: got 5, expected a block such as"),
    ({"transforms": {"normalizer": {"fit": {"targets": 5}}}}, r"normalizer\.fit: got \{'targets': 5\}"),
    ({"transforms": {"normalizer": {"fit": {"targets": ["energy"]}}}}, r"normalizer\.fit\.batch_size: missing"),
    (
        {"transforms": {"element_references": {"fit": {"targets": ["energy"], "batchsize": 2}}}},
        r"element_references\.fit: unknown key 'batchsize'.*Did you mean 'batch_size'",
    ),
    (
        {"transforms": {"element_references": {"energy": {"file": "x.txt"}}}},
        r"element_references\.energy\.file: got 'x\.txt', expected a file name that ends in \.pt or \.npz",
    ),
]
RIGHT = [
    {"shard": 1, "total_shards": 2},
    {"subset_to": [SUBSET, {"metadata_key": "sid", "op": "in", "rhv": "ids.txt"}]},
    {"metadata_path": "far/away.npz", "lin_ref": "linear.npz", "oc20_ref": False},
    {"a2g_args": {"r_energy": True}, "ase_read_args": None, "pattern": "*.traj"},
    {"transforms": {"normalizer": {"fit": {"targets": {"forces": {"mean": 0.0}}, "batch_size": 4, "num_batches": 9}}}},
    {"transforms": {"element_references": {"fit": {"targets": ["energy"], "batch_size": 4, "fitted": True}}}},
    {"transforms": {"element_references": {"energy": {"file": "references.npz"}}, "normalizer": {"file": "all.pt"}}},
    {"transforms": None},
]


@pytest.mark.parametrize(("block", "message"), WRONG)
def test_what_is_refused(block, message):
    with pytest.raises(UserError, match=message):
        check_split(block, "d", "lmdb")


@pytest.mark.parametrize("block", RIGHT)
def test_what_is_taken(block):
    check_split(block, "d", "lmdb")


def test_formats_of_several_sources():
    check_split({"src": ["a", "b"]}, "d", "ase_db")
    check_split({"src": ["a"]}, "d", "lmdb_in_memory")
