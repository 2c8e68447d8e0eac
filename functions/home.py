"""The front page."""

import os

import azure.functions as func

from functions import _entry
from shared.errors import NotConfigured
from shared.readiness import needs, problems
from shared.scopes import in_words
from shared.web.answers import Answer
from shared.web.negotiation import Wants
from shared.web.visit import Visit

blueprint = func.Blueprint()


@_entry.anyone(blueprint, "/", "GET", "HEAD")
def home(visit: Visit) -> Answer:
    """Who is signed in, or how to sign in; without a provider what the site still needs."""
    providers = visit.services.custody.providers.values()
    if not providers:
        if visit.wants is Wants.JSON:
            raise NotConfigured(list(problems(os.environ).values()))
        return visit.page("setup.html", status=503, needs=needs(os.environ))
    visit.signed_in()
    offered = [provider for provider in providers if provider.offers_sign_in]
    scopes = in_words(offered[0].scopes) if offered else []
    return visit.page("home.html", providers=[(it.name, it.title) for it in offered], scopes=scopes)
