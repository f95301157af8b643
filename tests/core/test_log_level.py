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
            assert least_severe(root) == max(own, logging.WARNING)
            root.setLevel(logging.DEBUG)  # as fairchem does while it is imported
            assert least_severe(root) == logging.WARNING
            root.setLevel(own)
        assert least_severe(root) == own
        with pytest.raises(OSError, match="x"), raised_log_level(logging.CRITICAL):
            raise OSError("x")
        assert least_severe(root) == own
    finally:
        root.setLevel(before)


def least_severe(logger):
    levels = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
    return next(level for level in levels if logger.isEnabledFor(level))
