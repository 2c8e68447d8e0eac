"""The timer."""

from datetime import timedelta

import azure.functions as func

from functions import _entry
from shared.custody.tick import tick
from shared.services import Services

blueprint = func.Blueprint()

BUDGET = timedelta(minutes=4)
"""Below the default interval of five minutes and below `functionTimeout`; what is left is due in the next run."""


@_entry.timer(blueprint, "%REFRESH_SCHEDULE%")
def refresh_tokens(services: Services) -> None:
    """Look after every connection that is due."""
    tick(services.custody, BUDGET)
