"""What a callback may say, checked in the order of RFC 6749 section 4.1.2 before anything is redeemed.

Everything that needs no store is checked first, so that a stranger can't burn somebody's state.
"""

import re
from collections.abc import Mapping
from typing import NoReturn
from urllib.parse import quote

from shared.custody import sign_in
from shared.errors import (
    AppError,
    AppFault,
    BadRequest,
    Policy,
    ProviderError,
    Remedy,
    RequestRefused,
    SignInDenied,
    SignInError,
    SignInExpired,
    SignInRefused,
    SignInUsed,
    UnknownProvider,
    explained,
)
from shared.models.custody import Login
from shared.oauth import entra_errors
from shared.oauth.provider import AZURE_DEVOPS, Provider
from shared.web import requests
from shared.web.answers import Answer, redirect
from shared.web.visit import Visit

MAX_QUERY = 16 * 1024
"""A code of the legacy service is a JWT of up to some 4 KB (facts 1.3)."""
MAX_CODE = 8 * 1024
MAX_BROWSER = 60
START = "/dashboard"
"""Where a sign-in leads that began nowhere."""
IMPLICIT = frozenset({"access_token", "id_token", "token"})
"""Of the implicit flow: never asked for, so never taken."""

ANOTHER_ACCOUNT_HELPS = frozenset({"wrong_tenant", "personal_account", "wrong_account"})

_STATE = re.compile(r"[A-Za-z0-9_-]{43}")
_CODE = re.compile(r"[!-~]+")
_BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"))
_SYSTEMS = (("Windows", "Windows"), ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Mac OS", "macOS"))


def receive(visit: Visit) -> Answer:
    """Check the callback, finish the sign-in, and leave the callback's address; whatever fails is told once."""
    provider = _provider(visit)
    try:
        return _finished(visit, provider)
    except Exception as error:
        reason = _reason(error)
        visit.services.custody.emit("sign_in_failed", provider=provider.name, reason=reason)
        in_vain = isinstance(error, AppFault | RequestRefused | Policy) or not provider.offers_sign_in
        if isinstance(error, AppError) and not in_vain:
            label = "Choose another account" if reason in ANOTHER_ACCOUNT_HELPS else "Sign in"
            error.remedy = Remedy(label, f"/auth/login/{provider.name}{_for_the_same_page(visit)}")
        raise


def _for_the_same_page(visit: Visit) -> str:
    """The query of a new sign-in that leads to where this one would have, as far as its cookie tells."""
    custody, header = visit.services.custody, visit.request.header("cookie")
    try:
        state = dict(requests.parse_form(visit.request.query)).get("state", "")
        login = visit.services.cookies.open_sign_in(header, state, custody.keys(), custody.now())
    except AppError:
        return ""
    return "" if _way_on(login) == START else f"?return_to={quote(_way_on(login), safe='/')}"


def _reason(error: Exception) -> str:
    """A fixed word: that of the refusal, else the kind of the error."""
    if isinstance(error, SignInError | ProviderError):
        return error.reason
    return (error.kind if isinstance(error, AppError) else AppError.kind).replace("-", "_")


def _finished(visit: Visit, provider: Provider) -> Answer:
    custody, cookies = visit.services.custody, visit.services.cookies
    answer = _once_each(visit)
    try:
        login = cookies.open_sign_in(visit.request.header("cookie"), _state(answer), custody.keys(), custody.now())
        if login.provider != provider.name:
            raise SignInExpired("the sign-in was begun with another provider")
        if "iss" in answer and not provider.may_be_issuer(answer["iss"]):
            raise SignInExpired("the answer names another issuer")
        done = sign_in.finish(custody, login, _code(answer), browser=browser_of(visit), previous=visit.key)
    except (SignInUsed, SignInExpired):
        # The other of two identical callbacks won, or somebody pressed Back: they are where they wanted to be.
        if "error" not in answer and visit.signed_in():
            return redirect("/")
        raise
    spent = cookies.no_sign_in(cookies.sign_in_name(answer["state"]))
    on = redirect(_way_on(login)).with_cookies(cookies.session(done.key), spent)
    return on.with_cookies(cookies.receipt(done.left, custody.keys())) if done.left and done.left.sessions else on


def _provider(visit: Visit) -> Provider:
    """The provider whose callback path this is; the legacy one has none in its path (design, HTTP surface)."""
    named = visit.parameters.get("provider")
    provider = visit.services.custody.providers.get(named or AZURE_DEVOPS)
    if provider is None or named == AZURE_DEVOPS:
        raise UnknownProvider("a callback path of no provider here")
    return provider


def _once_each(visit: Visit) -> Mapping[str, str]:
    """The parameters, none given twice. Raises BadRequest."""
    answer: dict[str, str] = {}
    for name, value in requests.parse_form(visit.request.query):
        if name in answer or name in IMPLICIT:
            raise BadRequest(advice="The sign-in service sent a malformed answer. Start the sign-in again.")
        answer[name] = value
    return answer


def _state(answer: Mapping[str, str]) -> str:
    """The state, after the provider's own error, which may come without one (facts 1.3)."""
    if "error" in answer:
        _raise_error(answer["error"], answer.get("error_description", ""))
    state = answer.get("state", "")
    if not _STATE.fullmatch(state):
        raise SignInError("no state of ours")
    return state


def _code(answer: Mapping[str, str]) -> str:
    code = answer.get("code", "")
    if not code:
        raise SignInDenied("no code came back")
    if len(code) > MAX_CODE or not _CODE.fullmatch(code):
        raise BadRequest(advice="The sign-in service sent a malformed code. Start the sign-in again.")
    return code


def _raise_error(error: str, description: str) -> NoReturn:
    """By the word alone, which is compared, never shown; a code in the description only chooses the sentence."""
    word = error.lower().replace("_", "")
    meaning = entra_errors.meaning_of(description)
    if word == "accessdenied":
        raise explained(SignInDenied("access_denied"), meaning)
    if word == "invalidscope":
        refused = SignInRefused(
            "invalid_scope",
            advice="The scopes that this site asks for are not those of its registration. "
            "The people who run it correct AZURE_DEVOPS_SCOPES or the registration.",
        )
        raise explained(refused, meaning)
    raise explained(SignInRefused("the provider answered with an error"), meaning)


def _way_on(login: Login) -> str:
    return requests.local_path(login.return_to, START)


def browser_of(visit: Visit) -> str:
    """A short description of the browser for the list of sessions, from fixed words."""
    agent = visit.request.header("user-agent") or ""
    browser = next((name for mark, name in _BROWSERS if mark in agent), "A browser")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "Linux" if "Linux" in agent else None)
    return (f"{browser} on {system}" if system else browser)[:MAX_BROWSER]
