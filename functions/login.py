"""Begin a sign-in."""

import azure.functions as func

from functions import _entry
from shared.custody import sign_in
from shared.web import requests, step_up
from shared.web.answers import Answer, redirect
from shared.web.visit import Visit

blueprint = func.Blueprint()


@_entry.anyone(blueprint, "auth/login/{provider?}", "GET")
def login(visit: Visit) -> Answer:
    """Send the browser to the provider, with the pending sign-in in a sealed cookie; nothing is stored."""
    given = requests.parameters(visit.request, ("return_to", "claims", "consent"))
    custody, cookies = visit.services.custody, visit.services.cookies
    return_to = requests.local_path(given.get("return_to"), "/dashboard")
    url, pending = sign_in.begin(
        custody,
        visit.parameters.get("provider"),
        return_to,
        claims=step_up.open_claims(given.get("claims", ""), visit.key, custody.keys()),
        consent=given.get("consent") == "1",
    )
    surplus = cookies.surplus_sign_ins(visit.request.header("cookie"), custody.keys())
    removed = [cookies.no_sign_in(name) for name in surplus]
    return redirect(url).with_cookies(*removed, cookies.sign_in(pending, custody.keys()))
