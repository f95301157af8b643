from __future__ import annotations

import tarfile
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch_geometric.datasets.md17 as pyg

from ocp_dc.core.errors import UserError
from ocp_dc.data.readers.md17_download import NAMES, download_md17, layout_of


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put a server in the place of PyG's download, and return the list of addresses that it was asked for."""
    addresses: list[str] = []

    def serve(url: str, folder: str) -> str:
        addresses.append(url)
        Path(folder).mkdir(parents=True, exist_ok=True)
        if url.endswith(".npz"):
            path = Path(folder, url.rpartition("/")[2])
            np.savez(path, E=np.array([-97_000.123456789]))
            return str(path)
        for molecule in ("ethanol", "benzene"):
            np.savez(Path(folder, f"rmd17_{molecule}.npz"), energies=np.array([-97_000.123456789]))
        path = Path(folder, "file")
        with tarfile.open(path, "w:bz2") as archive:
            for file in sorted(Path(folder).glob("*.npz")):
                archive.add(file, arcname=f"rmd17/npz_data/{file.name}")
                file.unlink()
        return str(path)

    monkeypatch.setattr(pyg, "download_url", serve)
    return addresses


def test_original(tmp_path: Path, asked: list[str]) -> None:
    path = download_md17("ethanol", tmp_path / "new")
    assert path == tmp_path / "new" / "md17_ethanol.npz"
    with np.load(path) as stored:
        assert stored["E"][0] == -97_000.123456789  # as it came, in float64
    assert [p.name for p in path.parent.iterdir()] == ["md17_ethanol.npz"]
    assert download_md17("ethanol", tmp_path / "new") == path
    assert len(asked) == 1


def test_revised_comes_with_the_others(tmp_path: Path, asked: list[str]) -> None:
    assert download_md17("revised ethanol", tmp_path) == tmp_path / "rmd17_ethanol.npz"
    assert download_md17("revised benzene", tmp_path) == tmp_path / "rmd17_benzene.npz"
    assert len(asked) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["rmd17_benzene.npz", "rmd17_ethanol.npz"]
    with pytest.raises(UserError, match=r"the download has no rmd17_uracil\.npz"):
        download_md17("revised uracil", tmp_path)


def test_failure_says_how_to_fetch_by_hand_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(url: str, folder: str) -> str:
        Path(folder).mkdir(parents=True, exist_ok=True)
        Path(folder, "file").write_bytes(b"half")
        raise URLError("no route to host")

    monkeypatch.setattr(pyg, "download_url", fail)
    with pytest.raises(
        UserError, match=r"(?s)'aspirin' from http.*no route to host.*md17_aspirin\.npz OUT --format md17"
    ):
        download_md17("aspirin", tmp_path)
    with pytest.raises(UserError, match=r"(?s)materialscloud.*rmd17_aspirin\.npz OUT --format rmd17 --units kcal/mol"):
        download_md17("revised aspirin", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(url: str, folder: str) -> str:
        Path(folder).mkdir(parents=True, exist_ok=True)
        Path(folder, "file").write_bytes(b"<html>moved</html>")
        return str(Path(folder, "file"))

    monkeypatch.setattr(pyg, "download_url", serve)
    with pytest.raises(UserError, match="could not download 'revised ethanol'"):
        download_md17("revised ethanol", tmp_path)


def test_names(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"unknown MD17 molecule 'revised etanol'.*Did you mean 'revised ethanol'"):
        download_md17("revised etanol", tmp_path)
    with pytest.raises(UserError, match="unknown MD17 molecule"):
        download_md17("aspirin CCSD", tmp_path)  # comes with a split of its own
    assert {layout_of(name) for name in NAMES if name.startswith("revised")} == {"rmd17"}
    assert layout_of("ethanol") == "md17"


def test_where_files_are_kept(tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCP_DC_CACHE", str(tmp_path))
    assert download_md17("toluene") == tmp_path / "md17" / "md17_toluene.npz"
