"""Downloads from a local server: verified, whole or not at all."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from ocp_dc.cli import main
from ocp_dc.core.errors import UserError
from ocp_dc.data.prepare import prepare
from ocp_dc.data.readers import downloads
from ocp_dc.data.readers.downloads import FILES, download
from ocp_dc.data.readers.named_downloads import download_names, named_download


class Server:
    """The files of a local server, what it was asked for, and how many bytes it leaves out."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.missing = 0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """A server in the place of those of the table, and a cache of its own."""
    held = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            held.asked.append(self.path)
            content = held.files.get(self.path.rpartition("/")[2])
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write((content or b"")[: len(content or b"") - held.missing])

        def log_message(self, format: str, *args: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{listening.server_port}/"
    table = {name: entry._replace(url=address + entry.url.rpartition("/")[2]) for name, entry in FILES.items()}
    monkeypatch.setattr(downloads, "FILES", table)
    monkeypatch.setenv("OCP_DC_CACHE", str(tmp_path / "cache"))
    yield held
    listening.shutdown()
    listening.server_close()


def xyz(path: Path, count: int = 6) -> bytes:
    rng = np.random.default_rng(0)
    images = []
    for _ in range(count):
        atoms = molecule("H2O")
        atoms.rattle(0.05, rng=rng)
        atoms.calc = SinglePointCalculator(atoms, energy=rng.normal(), forces=rng.normal(size=(3, 3)))
        images.append(atoms)
    write(path, images)
    return path.read_bytes()


def test_a_file_with_a_digest(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = server.files["train_300K.xyz"] = xyz(tmp_path / "a.xyz")
    with pytest.raises(UserError, match=r"its sha256 is .*, expected d109971f.*Fetch it by hand.*--units eV"):
        download("3bpa 300K", tmp_path / "new", progress=False)
    assert list((tmp_path / "new").iterdir()) == []
    entry = downloads.FILES["3bpa 300K"]._replace(sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(downloads.FILES, "3bpa 300K", entry)
    path = download("3bpa 300K", tmp_path / "new", progress=False)
    assert path.read_bytes() == content
    assert download("3bpa 300K", tmp_path / "new") == path
    assert len(server.asked) == 2
    description = prepare("download:3bpa 300K", tmp_path / "out", progress=False)
    assert description["counts"] == {"train": 4, "val": 1, "test": 1}
    assert (description["file"], description["units"]) == ("train_300K.xyz", "eV")


def test_a_file_of_md22(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    arrays = {"z": np.array([8, 1, 1]), "R": rng.normal(size=(4, 3, 3)), "F": rng.normal(size=(4, 3, 3))}
    np.savez(tmp_path / "a.npz", E=rng.normal(size=(4, 1)), **arrays)
    server.files["md22_DHA.npz"] = (tmp_path / "a.npz").read_bytes()
    with pytest.raises(UserError, match="it holds 4 structures, expected 69753"):
        download("md22 DHA", progress=False)
    monkeypatch.setitem(downloads.FILES, "md22 DHA", downloads.FILES["md22 DHA"]._replace(frames=4))
    description = prepare("download:md22 DHA", tmp_path / "out", progress=False)
    assert (description["format"], description["units"], description["source_count"]) == ("md17", "kcal/mol", 4)
    with pytest.raises(UserError, match="comes in --format md17 --units kcal/mol"):
        prepare("download:md22 DHA", tmp_path / "other", units="eV", progress=False)


def test_what_is_cut_short_is_not_taken(server: Server, tmp_path: Path) -> None:
    server.files["md22_DHA.npz"] = bytes(1000)
    server.missing = 300
    with pytest.raises(UserError, match="could not download 'md22 DHA'"):
        download("md22 DHA", tmp_path / "new", progress=False)
    with pytest.raises(UserError, match="404"):
        download("md22 stachyose", tmp_path / "new", progress=False)
    assert list((tmp_path / "new").iterdir()) == []


def test_names(capsys: pytest.CaptureFixture[str]) -> None:
    names = download_names()
    assert {"ethanol", "revised aspirin", "md22 DHA", "3bpa 300K"} <= set(names)
    assert main(["datasets"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in names)
    with pytest.raises(UserError, match=r"unknown data set 'revised ethnol'.*Did you mean 'revised ethanol'"):
        named_download("revised ethnol")
    with pytest.raises(UserError, match="unknown data set"):
        download("md22")


def test_digests_are_of_the_published_files() -> None:
    for name, entry in FILES.items():
        assert (entry.sha256 is None) == name.startswith("md22")
        assert entry.sha256 is None or len(bytes.fromhex(entry.sha256)) == 32
