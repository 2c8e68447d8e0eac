"""The person's own connection and sessions."""

import azure.functions as func

from functions import _entry
from shared.models import examples
from shared.models.views import Account
from shared.web import accounts
from shared.web.answers import Answer
from shared.web.contract import Body
from shared.web.visit import Visit

blueprint = func.Blueprint()


@_entry.signed_in(blueprint, "account", "GET", "HEAD", answers=Body(Account, {200: examples.ACCOUNT}), everything=True)
def account(visit: Visit) -> Answer:
    """The connection, its scopes in words, and each session with a way to end it."""
    return visit.view("account.html", accounts.account(visit), sign_in=accounts.sign_in_again(visit))
