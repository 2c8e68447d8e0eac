"""The front page."""

import os

import azure.functions as func

from functions import _entry
from shared.config import needs
from shared.scopes import in_words
from shared.web.answers import Answer
from shared.web.visit import Visit

blueprint = func.Blueprint()


@_entry.anyone(blueprint, "/", "GET", "HEAD")
def home(visit: Visit) -> Answer:
    """Who is signed in, or how to sign in; without a provider what the site still needs."""
    legacy = visit.services.config.legacy
    if legacy is None:
        return visit.page("setup.html", status=503, needs=needs(os.environ))
    visit.signed_in()
    offered = [(provider.name, provider.title) for provider in visit.services.custody.providers.values()]
    return visit.page("home.html", providers=offered if legacy.sign_in else [], scopes=in_words(legacy.scopes))
