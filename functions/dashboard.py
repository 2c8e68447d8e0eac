"""The organizations of the person."""

import azure.functions as func

from functions import _entry
from shared.azure_devops.organizations import list_organizations, member_id
from shared.models import examples
from shared.models.views import Listing, Organization
from shared.oauth.provider import AZURE_DEVOPS
from shared.web.answers import Answer
from shared.web.contract import OF_AZURE_DEVOPS, Body
from shared.web.visit import Visit

blueprint = func.Blueprint()


@_entry.signed_in(
    blueprint,
    "dashboard",
    "GET",
    "HEAD",
    answers=Body(Listing[Organization], {200: examples.ORGANIZATIONS}, OF_AZURE_DEVOPS),
)
def dashboard(visit: Visit) -> Answer:
    """All organizations, each with the way to its projects."""
    allowed = visit.services.config.allowed_organizations
    legacy = visit.connection.provider == AZURE_DEVOPS
    found = visit.ask(
        lambda client, caller: list_organizations(
            client, caller, visit.connection.subject if legacy else member_id(client, caller), allowed=allowed
        )
    )
    return visit.view("dashboard.html", Listing(found, None, None), limited=bool(allowed))
