"""The reductions against loops, and their derivatives against finite differences."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ocp_dc.core.errors import UserError
from ocp_dc.fallbacks.scatter import (
    broadcast,
    scatter,
    scatter_add,
    scatter_max,
    scatter_mean,
    scatter_min,
    scatter_sum,
    segment_coo,
    segment_csr,
)
from ocp_dc.testing.tolerances import FINITE_DIFFERENCE

REDUCTIONS = ("sum", "add", "mean", "min", "max")
WHOLE = 9  # values are small whole numbers: sums are exact in any order, and ties and zeros are common


def reduced(values: list[float], reduce: str, whole: bool) -> float:
    if not values:
        return 0
    if reduce == "mean":
        return sum(values) // len(values) if whole else sum(values) / len(values)
    return {"sum": sum, "add": sum, "min": min, "max": max}[reduce](values)


def brute_force(src: torch.Tensor, index: torch.Tensor, dim: int, size: int, reduce: str) -> torch.Tensor:
    """Reduce by loops; ``index`` has the shape of ``src``."""
    src, index = src.movedim(dim, -1), index.movedim(dim, -1)
    rows = src.flatten(0, -2) if src.dim() > 1 else src[None]  # [slices, E]
    whole = not src.is_floating_point()
    out = torch.zeros(*src.shape[:-1], size, dtype=src.dtype)
    for k, (row, segments) in enumerate(zip(rows.tolist(), index.reshape(rows.shape).tolist(), strict=True)):
        for s in range(size):
            members = [v for v, i in zip(row, segments, strict=True) if i == s]
            out.view(-1, size)[k, s] = reduced(members, reduce, whole)
    return out.movedim(-1, dim)


@st.composite
def cases(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, int, int]:
    """Return src, an index of its shape that is constant outside dim, dim and the number of segments."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    dim = draw(st.integers(0, len(shape) - 1))
    shape[dim] = draw(st.integers(0, 7))
    size = draw(st.integers(1, 5))
    count = torch.Size(shape).numel()
    values = draw(st.lists(st.integers(-WHOLE, WHOLE), min_size=count, max_size=count))
    index = draw(st.lists(st.integers(0, size - 1), min_size=shape[dim], max_size=shape[dim]))
    dtype = draw(st.sampled_from([torch.float64, torch.int64]))
    return torch.tensor(values, dtype=dtype).reshape(shape), torch.tensor(index, dtype=torch.int64), dim, size


@pytest.mark.parametrize("reduce", REDUCTIONS)
@settings(deadline=None, max_examples=40)
@given(cases(), st.booleans())
def test_scatter_is_the_loop(reduce, case, negative_dim):
    src, index, dim, size = case
    full = index.view([-1 if d == dim else 1 for d in range(src.dim())]).expand(src.shape)
    expected = brute_force(src, full, dim, size, reduce)
    given_dim = dim - src.dim() if negative_dim else dim
    assert torch.equal(scatter(src, index, given_dim, dim_size=size, reduce=reduce), expected)
    assert torch.equal(scatter(src, full, given_dim, dim_size=size, reduce=reduce), expected)
    assert torch.equal(broadcast(index, src, given_dim), full)


def reduced_into(start: float, values: list[float], reduce: str, whole: bool) -> float:
    """Return what a segment holds that held ``start``: torch_scatter divides the whole sum by the number of entries."""
    if not values:
        return start
    if reduce == "mean":
        total = start + sum(values)
        return total // len(values) if whole else total / len(values)
    return reduced([start, *values], reduce, whole)


@pytest.mark.parametrize("reduce", REDUCTIONS)
@settings(deadline=None, max_examples=40)
@given(cases(), st.integers(0, 100), st.booleans())
def test_out_is_changed_in_place(reduce, case, seed, expanded):
    src, index, dim, size = case
    shape = [size if d == dim else n for d, n in enumerate(src.shape)]
    generator = torch.Generator().manual_seed(seed)
    out = torch.randint(-WHOLE, WHOLE, shape, generator=generator).to(src.dtype)
    full = index.view([-1 if d == dim else 1 for d in range(src.dim())]).expand(src.shape)
    expected = out.clone().movedim(dim, -1)
    whole = not src.is_floating_point()
    slices = itertools.product(*(range(n) for n in expected.shape))
    columns = src.movedim(dim, -1)
    for *place, s in slices:
        members = [v for v, i in zip(columns[tuple(place)].tolist(), index.tolist(), strict=True) if i == s]
        cell = (*place, s)
        expected[cell] = reduced_into(expected[cell].item(), members, reduce, whole)
    # dim_size has no say where there is an out
    result = scatter(src, full if expanded else index, dim, out, 17, reduce)
    assert result is out
    assert torch.equal(out, expected.movedim(-1, dim))


def test_the_functions_by_name():
    src, index = torch.tensor([3.0, 1.0, 3.0, 5.0]), torch.tensor([0, 0, 2, 0])
    assert scatter_sum(src, index).tolist() == scatter_add(src, index).tolist() == [9, 0, 3]
    assert scatter_mean(src, index, 0, None, 4).tolist() == [3, 0, 3, 0]
    values, positions = scatter_min(src, index)
    assert (values.tolist(), positions.tolist()) == ([1, 0, 3], [1, 4, 2])
    values, positions = scatter_max(src, index, out=torch.tensor([4.0, 7.0, 3.0]))
    assert (values.tolist(), positions.tolist()) == ([5, 7, 3], [3, 4, 4])  # a tie leaves the value of out
    assert scatter_add(src, index, out=torch.ones(3)).tolist() == [10, 1, 4]
    assert segment_coo(src, index, torch.ones(3)).tolist() == [10, 1, 4]


def test_segments_given_by_boundaries_overwrite_out():
    out = torch.full((3,), 7.0)
    assert segment_csr(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0, 2, 2, 3]), out) is out
    assert out.tolist() == [3, 0, 3]


@pytest.mark.parametrize("reduce", ["sum", "mean", "min", "max"])
def test_derivatives_by_src_and_by_out(reduce):
    generator = torch.Generator().manual_seed(4)
    src = torch.randn(6, 2, dtype=torch.float64, generator=generator).requires_grad_()
    start = torch.randn(4, 2, dtype=torch.float64, generator=generator).requires_grad_()
    index = torch.tensor([0, 3, 0, 0, 3, 1])

    def function(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return scatter(x**3, index, 0, y**3, reduce=reduce)

    relative, absolute = FINITE_DIFFERENCE
    assert torch.autograd.gradcheck(function, (src, start), eps=1e-5, rtol=relative, atol=absolute)
    assert torch.autograd.gradgradcheck(function, (src, start), eps=1e-5, rtol=relative, atol=absolute)


@pytest.mark.parametrize("reduce", REDUCTIONS)
def test_an_index_may_differ_from_slice_to_slice(reduce):
    generator = torch.Generator().manual_seed(0)
    src = torch.randint(-WHOLE, WHOLE, (3, 6, 2), generator=generator).double()
    index = torch.randint(4, (3, 6), generator=generator)  # broadcast over the last dimension
    expected = brute_force(src, index[..., None].expand(src.shape), 1, 4, reduce)
    assert torch.equal(scatter(src, index, dim=1, dim_size=4, reduce=reduce), expected)
    assert torch.equal(segment_coo(src, index, dim_size=4, reduce=reduce), expected)


@pytest.mark.parametrize("reduce", REDUCTIONS)
@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 3), max_size=6), st.integers(0, 2), st.integers(0, 2))
def test_segments_given_by_boundaries(reduce, lengths, before, after):
    count = before + sum(lengths) + after
    src = torch.arange(2 * count, dtype=torch.float64).view(count, 2).cos().mul(WHOLE).round()
    indptr = torch.tensor([before, *lengths]).cumsum(0)
    expected = [
        [reduced(column, reduce, whole=False) for column in piece.T.tolist()]
        for piece in src[before : before + sum(lengths)].split(lengths)
    ]
    actual = segment_csr(src, indptr, reduce=reduce)
    assert torch.equal(actual, torch.tensor(expected, dtype=torch.float64).view(len(lengths), 2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(200,), (200, 16), (200, 1, 3)])
def test_sums_are_index_add_to_the_last_bit(dtype, shape):
    generator = torch.Generator().manual_seed(1)
    src = torch.randn(shape, dtype=dtype, generator=generator)
    index = torch.randint(20, (200,), generator=generator)
    expected = torch.zeros(20, *shape[1:], dtype=dtype).index_add(0, index, src)
    assert torch.equal(scatter(src, index, dim=0, dim_size=20), expected)
    assert torch.equal(segment_coo(src, index, dim_size=20), expected)


def test_number_of_segments():
    src, index = torch.ones(3), torch.tensor([0, 4, 4])
    assert scatter(src, index).tolist() == [1, 0, 0, 0, 2]
    assert scatter(src, index, dim_size=torch.tensor(6)).shape == (6,)  # GemNet passes a tensor
    for reduce in REDUCTIONS:
        assert scatter(src[:0], index[:0], reduce=reduce).shape == (0,)
        assert scatter(torch.ones(0, 2), index[:0], 0, dim_size=3, reduce=reduce).tolist() == [[0, 0]] * 3


def test_integers_beyond_float_precision_keep_their_value():
    large = 2**62 + torch.tensor([1, 0, 3])
    index = torch.zeros(3, dtype=torch.int64)
    assert scatter(large, index, reduce="min").tolist() == [2**62]
    assert scatter(large, index, reduce="max").tolist() == [2**62 + 3]


def test_nan_is_never_hidden():
    src = torch.tensor([1.0, float("nan"), 2.0])
    for reduce in REDUCTIONS:
        assert scatter(src, torch.tensor([0, 0, 1]), reduce=reduce).isnan().tolist() == [True, False]
        assert scatter(src, torch.tensor([0, 0, 1]), 0, torch.ones(2), reduce=reduce).isnan().tolist() == [True, False]
        held = scatter(src[:1], torch.tensor([0]), 0, torch.tensor([float("nan"), 1.0]), reduce=reduce)
        assert held.isnan().tolist() == [True, False]


@pytest.mark.parametrize("reduce", ["sum", "mean", "min", "max"])
@pytest.mark.parametrize("form", ["one index a row", "an index of its own for each entry", "boundaries"])
def test_first_and_second_derivative(reduce, form):
    generator = torch.Generator().manual_seed(2)
    src = torch.randn(6, 2, dtype=torch.float64, generator=generator).requires_grad_()
    index = torch.tensor([0, 3, 0, 0, 3, 1])  # segment 2 is empty
    full = torch.randint(4, (6, 2), generator=generator)

    def function(x: torch.Tensor) -> torch.Tensor:
        y = x**3  # so that there is a second derivative
        if form == "boundaries":
            return segment_csr(y, torch.tensor([0, 2, 2, 6]), reduce=reduce)
        return scatter(y, index if form == "one index a row" else full, 0, dim_size=5, reduce=reduce)

    relative, absolute = FINITE_DIFFERENCE
    assert torch.autograd.gradcheck(function, src, eps=1e-5, rtol=relative, atol=absolute)
    assert torch.autograd.gradgradcheck(function, src, eps=1e-5, rtol=relative, atol=absolute)


@pytest.mark.parametrize("reduce", ["min", "max"])
def test_the_first_of_equal_entries_gets_the_gradient(reduce):
    src = torch.full((4,), 2.0, requires_grad=True)
    scatter(src, torch.tensor([1, 0, 1, 0]), reduce=reduce).sum().backward()
    assert src.grad.tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, i: scatter(x, i, reduce="men"), "Did you mean 'mean'"),
        (lambda x, i: scatter(x, i, dim=1), r"dim=1.*shape is \(3,\)"),
        (lambda x, i: scatter(x, i, out=torch.zeros(2, 3)), r"out of shape \(2, 3\).*shape of src, \(3,\)"),
        (lambda x, i: scatter(torch.ones(3, 2), i, 0, torch.zeros(3, 1)), r"out of shape \(3, 1\)"),
        (lambda x, i: segment_csr(x, torch.tensor([0, 3]), out=x), r"out of shape \(3,\), expected \(1,\)"),
        (lambda x, i: segment_csr(x, torch.tensor([0, 4])), "within the 3 rows"),
        (lambda x, i: segment_csr(x, torch.tensor([2, 1])), "ascending"),
        (lambda x, i: segment_csr(x, torch.tensor([[0, 3]])), "one-dimensional"),
    ],
)
def test_what_it_cannot_do_is_refused(call, message):
    with pytest.raises(UserError, match=message):
        call(torch.ones(3), torch.tensor([0, 1, 1]))


def test_an_index_outside_the_segments_is_refused():
    with pytest.raises((IndexError, RuntimeError)):
        scatter(torch.ones(2), torch.tensor([0, 2]), dim_size=2)
