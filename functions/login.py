"""Begin a sign-in."""

import azure.functions as func

from functions import _entry
from shared.custody import sign_in
from shared.web import queries, requests, step_up
from shared.web.answers import Answer, redirect
from shared.web.visit import Visit

blueprint = func.Blueprint()

# A wrong one of the first two only loses its effect: a sign-in is never refused for where it came from.
RETURN_TO = queries.text("return_to", "a path of this site", longest=requests.MAX_QUERY)
CLAIMS = queries.text("claims", "what a page of this site put there", longest=requests.MAX_QUERY)
CONSENT = queries.flag("consent")


@_entry.anyone(blueprint, "auth/login/{provider?}", "GET", query=(RETURN_TO, CLAIMS, CONSENT))
def login(visit: Visit) -> Answer:
    """Send the browser to the provider, with the pending sign-in in a sealed cookie; nothing is stored."""
    custody, cookies = visit.services.custody, visit.services.cookies
    return_to = requests.local_path(visit.query.value(RETURN_TO), "/dashboard")
    url, pending = sign_in.begin(
        custody,
        visit.parameters.get("provider"),
        return_to,
        claims=step_up.open_claims(visit.query.value(CLAIMS), visit.key, custody.keys()),
        consent=visit.query.value(CONSENT),
    )
    surplus = cookies.surplus_sign_ins(visit.request.header("cookie"), custody.keys())
    removed = [cookies.no_sign_in(name) for name in surplus]
    return redirect(url).with_cookies(*removed, cookies.sign_in(pending, custody.keys()))
