"""Tests for authors of further wrappers: the contract that every wrapper must meet, and tolerances. Needs pytest."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("ocp_dc.testing.force_contract", "ocp_dc.testing.wrapper_contract")
