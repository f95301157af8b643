"""The cache of DimeNet's basis functions: the same functions to the last bit, whatever the file holds."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import platformdirs
import pytest
import torch
from torch_geometric.nn.models import dimenet_utils
from torch_geometric.nn.models.dimenet import SphericalBasisLayer

from ocp_dc.fairchem1.host_patches import basis_cache

SIZE = (3, 2)
STOCK = {name: getattr(dimenet_utils, name) for name in ("bessel_basis", "real_sph_harm")}
X = torch.linspace(0.05, 1.0, 40)


@functools.cache
def symbolic(name: str, *size: int) -> list:
    """What torch_geometric derives with sympy, once for this module."""
    return STOCK[name](*size)


@pytest.fixture(autouse=True)
def derivations(monkeypatch) -> list[tuple[int, ...]]:
    """The sizes of the symbolic derivations so far."""
    sizes: list[tuple[int, ...]] = []

    def counted(name: str, *size: int) -> Any:
        sizes.append(size)
        return symbolic(name, *size)

    for name in STOCK:
        monkeypatch.setattr(dimenet_utils, name, functools.partial(counted, name))
    return sizes


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty cache, on disk and in the process."""
    monkeypatch.setenv("OCP_DC_CACHE", str(tmp_path))
    monkeypatch.setattr(basis_cache, "_memo", {})
    return tmp_path / "basis"


@pytest.fixture
def stock(derivations) -> SphericalBasisLayer:
    """A layer as torch_geometric builds it."""
    layer = SphericalBasisLayer.__new__(SphericalBasisLayer)
    SphericalBasisLayer.__init__.__wrapped__(layer, *SIZE, cutoff=4.0, envelope_exponent=6)
    derivations.clear()
    return layer


def build() -> SphericalBasisLayer:
    return SphericalBasisLayer(*SIZE, cutoff=4.0, envelope_exponent=6)


def forget() -> None:
    """What another process would know."""
    basis_cache._memo.clear()


def assert_same_functions(layer: SphericalBasisLayer, stock: SphericalBasisLayer) -> None:
    for dtype in (torch.float32, torch.float64):
        x = X.to(dtype)
        for name in ("sph_funcs", "bessel_funcs"):
            ours, theirs = getattr(layer, name), getattr(stock, name)
            assert len(ours) == len(theirs)
            assert all(torch.equal(one(x), two(x)) for one, two in zip(ours, theirs, strict=True))


def test_a_layer_from_the_cache_is_the_stock_layer(cache, derivations, stock):
    build()
    derivations.clear()
    from_process = build()
    forget()
    for layer in (from_process, build()):  # the second one from the disk
        assert_same_functions(layer, stock)
        assert list(vars(layer)) == list(vars(stock))
        assert repr(layer) == repr(stock)
        distance, angle, edge = 4.5 * X, 3.0 * X, torch.arange(40).flip(0)
        assert torch.equal(layer(distance, angle, edge), stock(distance, angle, edge))
    assert derivations == []
    assert [path.suffix for path in cache.iterdir()] == [".json"]


def test_a_higher_order_can_be_kept(cache, derivations, caplog):
    """Sympy prints nothing that is refused on reading."""
    layer = SphericalBasisLayer(4, 1)
    forget()
    derivations.clear()
    assert_same_functions(SphericalBasisLayer(4, 1), layer)
    assert derivations == []
    assert caplog.text == ""


def test_another_process_reads_it(cache):
    build()
    script = (
        "import ocp_dc.fairchem1, torch_geometric.nn.models.dimenet_utils as utils\n"
        "from torch_geometric.nn.models.dimenet import SphericalBasisLayer\n"
        "utils.bessel_basis = None\n"
        f"print(len(SphericalBasisLayer{SIZE}.bessel_funcs))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "6", done.stderr


def test_layers_do_not_share_their_lists(cache):
    one, two = build(), build()
    one.bessel_funcs.clear()
    assert len(two.bessel_funcs) == len(build().bessel_funcs) == 6


def test_installing_again_changes_nothing():
    before = SphericalBasisLayer.__init__
    basis_cache.install()
    assert SphericalBasisLayer.__init__ is before


# ---- what a file may hold ----


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').getcwd() * x",
        "x.__class__",
        "(lambda: x)()",
        "[x for y in x][0]",
        "sin(x, x)",
        "sin(out=x)",
        "sin(1.0) + x",
        "sin + x",
        "exp(x)",
        "y + x",
        "x if x else x",
        "x ** x",
        "x ** 0.5",
        "x ** 1000",
        "9 ** 9 ** 9 ** 9 * x",
        "x ** -1",
        "x // 2",
        "x and x",
        "True * x",
        "1j * x",
        "'a' * x",
        "(y := x)",
        "f'{x}'",
        "1.0",
        "",
        "x +",
        "x = 1",
        "x\n+ 1; x",
        "(" * 5000 + "x" + ")" * 5000,
        "-" * 9000 + "x",
        "x" + " + x" * 5000,
    ],
)
def test_what_is_no_arithmetic_is_refused(text):
    with pytest.raises(ValueError, match=r"not allowed in|not an expression|does not depend|characters"):
        basis_cache.compile_expression(text, "x")


def test_torch_imports_late_from_within_a_function():
    """As under a profiler of operations: torch looks for the imports of the function that calls it."""
    script = """
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from ocp_dc.fairchem1.host_patches.basis_cache import compile_expression
class Watch(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))
with Watch():
    print(compile_expression("2*sin(x) + x**2", "x")(torch.ones(1)).item())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(2 * 0.8414709848 + 1)


def test_arithmetic_is_computed():
    function = basis_cache.compile_expression("(-1.5*x**2*sin(2*x) + cos(x)/x - 3)/x", "x")
    assert torch.equal(function(X), (-1.5 * X**2 * torch.sin(2 * X) + torch.cos(X) / X - 3) / X)


def signed(content: dict) -> str:
    """A file whose checksum fits."""
    expressions = json.dumps(content["expressions"], sort_keys=True)
    return json.dumps({**content, "sha256": hashlib.sha256(expressions.encode()).hexdigest()})


def hostile(content: dict, marker: Path) -> str:
    content["expressions"]["radial"][1] = f"open({str(marker)!r}, 'w') and x"
    return signed(content)


def cut(content: dict, _: Path) -> str:
    content["expressions"]["radial"].pop()
    return signed(content)


def foreign(content: dict, _: Path) -> str:
    content["key"]["sympy"] = "1.0"
    return signed(content)


def a_digit(content: dict, _: Path) -> str:
    content["expressions"]["radial"][1] = "2.0 * sin(x) / x"
    return json.dumps(content)


DAMAGE = {
    "hostile": hostile,
    "cut short": cut,
    "foreign": foreign,
    "a digit": a_digit,
    "a list": lambda *_: "[1, 2]",
    "empty": lambda *_: "",
    "half a file": lambda content, _: json.dumps(content)[:200],
    "deep": lambda *_: "[" * 100_000,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_made_again(cache, derivations, caplog, tmp_path, stock, damage):
    build()
    path, marker = basis_cache.cache_file(SIZE), tmp_path / "ran"
    good = path.read_text()
    path.write_text(DAMAGE[damage](json.loads(good), marker))
    forget()
    derivations.clear()
    with caplog.at_level(logging.WARNING):
        assert_same_functions(build(), stock)
    assert derivations == [SIZE, SIZE[:1]]
    assert "derived again" in caplog.text
    assert not marker.exists()
    assert path.read_text() == good


def test_bytes_that_are_no_text(cache, stock):
    build()
    basis_cache.cache_file(SIZE).write_bytes(b"\xff\xfe\x00")
    forget()
    assert_same_functions(build(), stock)


@pytest.mark.parametrize("obstacle", ["a file in the way", "a folder in the way", "no home"])
def test_a_cache_that_cannot_be_used_is_skipped(cache, monkeypatch, caplog, stock, obstacle):
    if obstacle == "a file in the way":
        cache.write_text("")
    elif obstacle == "a folder in the way":
        (basis_cache.cache_file(SIZE) / "inside").mkdir(parents=True)
    else:
        monkeypatch.delenv("OCP_DC_CACHE")
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *names, **options: "~/.cache/ocp_dc")
    with caplog.at_level(logging.WARNING):
        assert_same_functions(build(), stock)
    assert "could not be cached" in caplog.text
    if cache.is_dir():
        assert list(cache.glob("*.part")) == []


def test_functions_that_cannot_be_written_down(cache, caplog, monkeypatch):
    """Another sympy may print something else: nothing is kept, and the layer is torch_geometric's."""
    monkeypatch.setattr(basis_cache, "_source", lambda function: "sqrt(x)")
    with caplog.at_level(logging.WARNING):
        assert len(build().bessel_funcs) == 6
    assert "could not be cached" in caplog.text
    assert not cache.exists()


def test_the_file_is_of_these_packages(cache, monkeypatch):
    before = basis_cache.cache_file(SIZE)
    version = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0" if name == "sympy" else version(name))
    assert basis_cache.cache_file(SIZE) != before
    assert basis_cache.cache_file((2, 3)) != basis_cache.cache_file(SIZE)
