"""The receipt of a sign-out."""

import azure.functions as func

from functions import _entry
from shared.errors import NoReceipt, VaultError
from shared.models import examples
from shared.models.views import SignOutReceipt
from shared.web import farewell
from shared.web.answers import Answer
from shared.web.contract import Body
from shared.web.visit import Visit

blueprint = func.Blueprint()


@_entry.anyone(
    blueprint,
    "auth/receipt",
    "GET",
    "HEAD",
    answers=Body(SignOutReceipt, {200: examples.RECEIPT}, (NoReceipt, VaultError)),
)
def receipt(visit: Visit) -> Answer:
    """What was destroyed here, revoked there, is still retried, and what only the person can withdraw."""
    return visit.view("receipt.html", farewell.receipt(visit))
