"""Raising the log level for a while."""

from __future__ import annotations

import logging

import pytest

from ocp_dc.core.log_level import raised_log_level


@pytest.mark.parametrize("own", [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR])
def test_the_users_level_holds_again(own):
    root = logging.getLogger()
    before = root.level
    root.setLevel(own)
    try:
        with raised_log_level(logging.WARNING):
            assert root.level == max(own, logging.WARNING)
        assert root.level == own
        with pytest.raises(OSError, match="x"), raised_log_level(logging.CRITICAL):
            raise OSError("x")
        assert root.level == own
    finally:
        root.setLevel(before)
