"""What an exponential average of the weights keeps of the random weights with which a run starts."""

from __future__ import annotations

import logging
import math

LARGEST_SHARE = 0.001  # of the first weights in the averages at the end of a run, above which there is a warning


def first_weights_warning(decay: float | None, steps: int, key: str) -> str | None:
    """Return a warning if the averages of a whole run would still hold much of the random weights that it starts from.

    Both hosts begin the exponential average with the first weights, without a correction, so these keep the share
    ``decay ** steps``. With 9 % of them, an energy can be ten times as wrong as with the weights of the last step.

    Args:
        decay: the decay of the average in each step; None or 0 without one.
        steps: the steps of the whole run.
        key: the option of the decay, for the message.
    """
    share = (decay or 0.0) ** steps
    if not decay or share <= LARGEST_SHARE:
        return None
    largest = math.floor(1000 * LARGEST_SHARE ** (1 / steps)) / 1000
    enough = math.ceil(math.log(LARGEST_SHARE) / math.log(decay))
    return (
        f"{key}: {decay:g} over {steps} steps leaves {100 * share:.2g} % of the random first weights in the averages, "
        f"which are validated and saved; set it to {largest:g} or lower, or to null, or train for at least {enough} "
        "steps"
    )


def warn_of_first_weights(decay: float | None, steps: int, key: str) -> None:
    """Log what :func:`first_weights_warning` returns, if anything."""
    if text := first_weights_warning(decay, steps, key):
        logging.warning(text)
