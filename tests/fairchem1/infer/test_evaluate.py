"""Predictions of a checkpoint beside labels: how many structures."""

from __future__ import annotations

import numpy as np
import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.testing.tolerances import FLOAT32_LABEL

from tests.helpers.predictions import predict_labels


def test_the_first_structures(trained, ethanol):
    """The same as of a whole evaluation, also where a batch is cut."""
    best = trained.checkpoint("best_checkpoint.pt")
    whole = predict_labels(best, ethanol / "test", batch_size=4, cpu=True)
    some = predict_labels(best, ethanol / "test", batch_size=4, cpu=True, first_n=6)
    assert len(whole.ids) == 10
    assert some.ids == whole.ids[:6]
    relative, absolute = FLOAT32_LABEL
    np.testing.assert_array_equal(some.forces_true, whole.forces_true[:54])
    np.testing.assert_allclose(some.energy_pred, whole.energy_pred[:6], rtol=relative, atol=absolute)
    np.testing.assert_allclose(some.forces_pred, whole.forces_pred[:54], rtol=10 * relative, atol=absolute)


def test_words_in_the_place_of_numbers(trained, ethanol):
    best = trained.checkpoint("best_checkpoint.pt")
    with pytest.raises(UserError, match=r"cpu: got 'yes', expected True or False"):
        predict_labels(best, ethanol / "test", cpu="yes")
    with pytest.raises(UserError, match=r"first_n: got 2\.5, expected a whole number"):
        predict_labels(best, ethanol / "test", cpu=True, first_n=2.5)


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, "4", None])
def test_sizes_of_batches(trained, ethanol, batch_size):
    with pytest.raises(UserError, match=r"batch_size: got .*, expected a whole number, at least 1"):
        predict_labels(trained.checkpoint("best_checkpoint.pt"), ethanol / "test", batch_size=batch_size, cpu=True)


@pytest.mark.parametrize("first_n", [0, -1, 11])
def test_more_than_there_are(trained, ethanol, first_n):
    with pytest.raises(UserError, match=f"first_n: got {first_n}, expected 1 to 10, the structures of "):
        predict_labels(trained.checkpoint("best_checkpoint.pt"), ethanol / "test", cpu=True, first_n=first_n)
