"""The authorize endpoint: checks the request, asks who signs in, and goes back with a code (facts 3.2 to 3.5)."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

from tools.simulator.entra.browser_sessions import BrowserSessions
from tools.simulator.entra.claims import BadClaimsError, read_claims
from tools.simulator.entra.failures import EntraError, Failure, failing
from tools.simulator.entra.grants import Authorization, Grants, narrowed
from tools.simulator.entra.pages import SignIn, error_page, posting_page, sign_in_page
from tools.simulator.entra.scopes import DEFAULT, Asked, read_scopes
from tools.simulator.entra.tenancy import Place, account_tenant, check_registered, find_place
from tools.simulator.messages import DuplicatedError, Request, Response, html_response, redirect, single_values
from tools.simulator.sample.people import Directory
from tools.simulator.sample.tenants import Tenant
from tools.simulator.settings import Settings

PROMPTS = ("", "none", "login", "consent", "select_account")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class WayBack:
    """Where the browser returns to, known to be registered."""

    redirect_uri: str
    response_mode: str
    state: str | None

    def response(self, **parameters: str) -> Response:
        stated = parameters if self.state is None else {**parameters, "state": self.state}
        if self.response_mode == "form_post":
            return html_response(posting_page(self.redirect_uri, stated))
        joint = "&" if urlsplit(self.redirect_uri).query else "?"
        return redirect(self.redirect_uri + joint + urlencode(stated))


@dataclass(frozen=True)
class Checked:
    """A checked authorize request."""

    place: Place
    back: WayBack
    asked: Asked
    prompt: str
    values: dict[str, str]


class Authorize:
    """Answers GET (the page) and POST (the decision)."""

    def __init__(
        self, grants: Grants, directory: Directory, settings: Callable[[], Settings], now: Callable[[], float]
    ) -> None:
        self._grants, self._directory, self._settings, self._now = grants, directory, settings, now
        self.sessions = BrowserSessions()

    def answer(self, request: Request) -> Response:
        """A page, or a redirect to the application."""
        try:
            values = single_values(request.query_pairs if request.method == "GET" else request.form_pairs)
            place = find_place(request.segments[0])
            back = self._way_back(place, values)
        except DuplicatedError as duplicated:
            return self._page(failing(9002313, f"The parameter '{duplicated}' is duplicated.").failure)
        except EntraError as error:
            return self._page(error.failure)
        try:
            return self._decided(request, _check(place, back, values))
        except EntraError as error:
            return self._failed(back, error.failure, request)

    def refuse(self, request: Request, failure: Failure) -> Response:
        """End this request with an injected failure, where it can go back to the application."""
        values = dict(request.query_pairs if request.method == "GET" else request.form_pairs)
        try:
            back = self._way_back(find_place(request.segments[0]), values)
        except EntraError as error:
            return self._page(error.failure)
        return self._failed(back, failure, request)

    def _way_back(self, place: Place, values: dict[str, str]) -> WayBack:
        settings = self._settings()
        if values.get("client_id", "").lower() != settings.entra_client_id.lower():
            raise failing(700016)
        check_registered(place, settings)
        redirect_uri = values.get("redirect_uri", "")
        if redirect_uri not in settings.entra_redirect_uris:
            raise failing(50011, f"The redirect URI '{redirect_uri}' specified in the request does not match the "
                          "redirect URIs configured for the application.")  # fmt: skip
        mode = "form_post" if values.get("response_mode") == "form_post" else "query"
        return WayBack(redirect_uri, mode, values.get("state"))

    def _decided(self, request: Request, checked: Checked) -> Response:
        if request.method == "POST":
            return self._decision(checked)
        user = self._settings().auto_consent or self.sessions.user(request)
        if checked.prompt == "none":
            return self._silently(checked, user)
        if self._settings().auto_consent or (user and not checked.prompt and self._has_consent(checked, user)):
            return self._accept(checked, user or "")
        return html_response(self._sign_in_page(request, checked))

    def _decision(self, checked: Checked) -> Response:
        match checked.values.get("decision"):
            case "accept":
                return self._accept(checked, checked.values.get("user", ""))
            case "deny":
                raise failing(65004)
        raise failing(9002313)

    def _silently(self, checked: Checked, user: str | None) -> Response:
        if not user:
            raise failing(50058)
        if not self._has_consent(checked, user) and not self._settings().auto_consent:
            raise failing(65001)
        return self._accept(checked, user)

    def _has_consent(self, checked: Checked, user: str) -> bool:
        person = self._directory.find(user)
        if person is None:
            return False
        consented = self._grants.consented(user, account_tenant(checked.place, person))
        return bool(consented) and set(checked.asked.resource) <= consented | {DEFAULT}

    def _accept(self, checked: Checked, user: str) -> Response:
        person = self._directory.find(user)
        if person is None:
            raise failing(50034)
        tenant = account_tenant(checked.place, person)
        # What an administrator left out of the grant is given to those who are asked for consent explicitly.
        withheld = () if checked.prompt == "consent" else self._settings().entra_withheld_scopes
        granted = self._with_default(user, tenant, narrowed(checked.asked, withheld))
        self._grants.consent(user, tenant, granted.resource)
        authorization = Authorization(
            user=user,
            tenant=tenant,
            asked=granted,
            redirect_uri=checked.back.redirect_uri,
            nonce=checked.values.get("nonce", ""),
            code_challenge=checked.values.get("code_challenge", ""),
            claims=read_claims(checked.values.get("claims", "")),
            signed_in_at=self._now(),
        )
        code = self._grants.issue_code(authorization, checked.place.name)
        response = checked.back.response(code=code, session_state=str(uuid4()))
        return self.sessions.begin(user, response)

    def _with_default(self, user: str, tenant: Tenant, asked: Asked) -> Asked:
        """`.default` stands for all that was granted before, or full access where nothing was."""
        if DEFAULT not in asked.resource:
            return asked
        before = tuple(sorted(self._grants.consented(user, tenant)))
        return replace(asked, resource=before or ("user_impersonation",))

    def _sign_in_page(self, request: Request, checked: Checked) -> str:
        return sign_in_page(
            SignIn(
                action=f"{self._settings().public_url}{request.path}",
                fields=checked.values,
                redirect_uri=checked.back.redirect_uri,
                scopes=checked.asked.resource,
                place=checked.place,
                chosen=checked.values.get("login_hint", ""),
            )
        )

    def _failed(self, back: WayBack, failure: Failure, request: Request) -> Response:
        if failure.page:
            return self._page(failure, self._again(request))
        return back.response(**failure.parameters(self._moment()))

    def _again(self, request: Request) -> str:
        """The same request once more, to choose another account."""
        pairs = request.query_pairs if request.method == "GET" else request.form_pairs
        kept = [(name, value) for name, value in pairs if name not in ("user", "decision", "prompt")]
        return f"{request.path}?{urlencode([*kept, ('prompt', 'select_account')])}"

    def _page(self, failure: Failure, again: str = "") -> Response:
        return html_response(error_page(failure, self._moment(), again), 400)

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self._now(), UTC)


def _check(place: Place, back: WayBack, values: dict[str, str]) -> Checked:
    if values.get("response_type") != "code":
        raise failing(70005)
    if values.get("response_mode", "query") not in ("query", "form_post"):
        raise failing(70007)
    prompt = values.get("prompt", "")
    if prompt not in PROMPTS:
        raise failing(9002313, "The parameter 'prompt' has an unsupported value.")
    _check_challenge(values)
    try:
        read_claims(values.get("claims", ""))
    except BadClaimsError:
        raise failing(9002313, "The parameter 'claims' is malformed.") from None
    asked = read_scopes(values.get("scope", ""))
    return Checked(place, back, asked, prompt, values)


def _check_challenge(values: dict[str, str]) -> None:
    """RFC 7636: where there is a challenge it is one of S256, never `plain` (the default of that RFC)."""
    challenge, method = values.get("code_challenge"), values.get("code_challenge_method")
    if challenge is None and method is None:
        return
    if method != "S256" or _CHALLENGE.fullmatch(challenge or "") is None:
        raise failing(50147)
