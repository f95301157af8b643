from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
from ase.build import molecule
from ase.io import write

from ocp_dc.core.errors import UserError
from ocp_dc.data.readers import declared_sizes
from ocp_dc.data.readers.ase_files import AseSource
from ocp_dc.data.readers.declared_sizes import check_declared_sizes

HUGE = 10**12
PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
ONE = "1\n\nH 0 0 0\n"


@pytest.mark.parametrize("packed", PACK)
@pytest.mark.parametrize("first", ["", ONE, f"{ONE}VEC1 1 0 0\nVEC2 0 1 0\nVEC3 0 0 1\n", 3 * ONE])
def test_a_count_that_the_file_cannot_hold_is_refused_at_once(tmp_path: Path, packed: str, first: str) -> None:
    path = tmp_path / f"a.xyz{packed}"
    path.write_bytes(PACK[packed](f"{first}{HUGE}\n\n".encode()))
    frame = first.count("H")
    with pytest.raises(UserError, match=rf"a\.xyz{packed}: frame {frame} declares {HUGE} atoms, but 1 bytes"):
        AseSource(path)


@pytest.mark.parametrize("count", ["-1", "99"])
def test_counts_that_are_wrong(tmp_path: Path, count: str) -> None:
    (tmp_path / "a.extxyz").write_text(f"{count}\n\nH 0 0 0\n")
    with pytest.raises(UserError, match=f"frame 0 declares {count} atoms"):
        check_declared_sizes(tmp_path / "a.extxyz", "extxyz")


@pytest.mark.parametrize("spelling", ["Properties={}", '"Properties" = "{}"', "energy=1 Properties='{}' pbc=T"])
def test_columns_that_the_file_cannot_hold_are_refused_at_once(tmp_path: Path, spelling: str) -> None:
    properties = spelling.format(f"species:S:1:pos:R:3:x:R:{10**9}")
    (tmp_path / "a.xyz").write_text(f"{ONE}1\n{properties}\nH 0 0 0\n")
    with pytest.raises(UserError, match=rf"frame 1 declares a property of {10**9} columns"):
        AseSource(tmp_path / "a.xyz")


@pytest.mark.parametrize("packed", PACK)
def test_what_is_meant_passes(tmp_path: Path, packed: str) -> None:
    write(tmp_path / "a.xyz", [molecule("H2O"), molecule("CH4")], format="extxyz")
    path = tmp_path / f"b.xyz{packed}"
    path.write_bytes(PACK[packed]((tmp_path / "a.xyz").read_bytes()))
    check_declared_sizes(path, "extxyz")


@pytest.mark.parametrize("packed", [".gz", ".bz2", ".xz"])
def test_what_unpacks_to_far_more_than_it_has_bytes(
    tmp_path: Path, packed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(declared_sizes, "ALWAYS_UNPACKED", 1 << 10)
    monkeypatch.setattr(declared_sizes, "LARGEST_RATIO", 100)
    path = tmp_path / f"a.xyz{packed}"
    path.write_bytes(PACK[packed](bytes(1 << 20)))
    with pytest.raises(UserError, match="bytes unpack to more than"):
        AseSource(path)


def test_damaged_compression(tmp_path: Path) -> None:
    path = tmp_path / "a.xyz.gz"
    path.write_bytes(gzip.compress(ONE.encode() * 100)[:-20])
    with pytest.raises(UserError, match="cannot be unpacked"):
        check_declared_sizes(path, "extxyz")


@pytest.mark.parametrize("name", ["POSCAR", "XDATCAR", "a.cube", "a.lammpstrj"])
def test_formats_without_energies_are_not_read(tmp_path: Path, name: str) -> None:
    texts = {
        "POSCAR": f"x\n1.0\n5 0 0\n0 5 0\n0 0 5\nH\n{HUGE}\nDirect\n0 0 0\n",
        "XDATCAR": f"x\n1.0\n5 0 0\n0 5 0\n0 0 5\nH\n{HUGE}\nDirect configuration=     1\n0 0 0\n",
        "a.cube": f"a\nb\n{HUGE} 0 0 0\n1 1 0 0\n1 0 1 0\n1 0 0 1\n",
        "a.lammpstrj": f"ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n{HUGE}\nITEM: BOX BOUNDS pp pp pp\n",
    }
    (tmp_path / name).write_text(texts[name])
    with pytest.raises(UserError, match=f"{name}: an? .*, which holds no energies"):
        AseSource(tmp_path / name)
