"""The legacy Azure DevOps OAuth dialect (facts 1.2 to 1.8): JWT-bearer assertions, PascalCase errors."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from tools.simulator.identity.consent_page import Consent, consent_page, refusal_page
from tools.simulator.identity.scopes import is_known
from tools.simulator.identity.tokens import Issued, NotValidError, Tokens
from tools.simulator.messages import (
    DuplicatedError,
    Request,
    Response,
    html_response,
    json_response,
    redirect,
    single_values,
)  # fmt: skip
from tools.simulator.sample.people import Directory
from tools.simulator.settings import Settings

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CODE_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
REFRESH_GRANT = "refresh_token"
GRANT_NAMES = {CODE_GRANT: "code", REFRESH_GRANT: "refresh_token"}
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_DUPLICATED = "Only one value of each parameter is allowed."


class RefusedError(Exception):
    """The authorize request cannot be answered by a redirect; carries what the page says."""


class TokenError(Exception):
    """Ends a token call with 400 and the PascalCase error body."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error, self.description = error, description


@dataclass(frozen=True)
class Authorization:
    """A checked authorize request."""

    client_id: str
    redirect_uri: str
    scope: str
    state: str | None

    def back(self, **parameters: str) -> Response:
        """Redirect to the callback with `parameters`."""
        joint = "&" if urlsplit(self.redirect_uri).query else "?"
        return redirect(self.redirect_uri + (joint + urlencode(parameters) if parameters else ""))

    @property
    def stated(self) -> dict[str, str]:
        return {} if self.state is None else {"state": self.state}

    @property
    def fields(self) -> dict[str, str]:
        """The parameters again, for the hidden fields of the consent form."""
        return {
            "client_id": self.client_id,
            "response_type": "Assertion",
            "scope": self.scope,
            "redirect_uri": self.redirect_uri,
            **self.stated,
        }


class LegacyDialect:
    """`/oauth2/authorize`, `/oauth2/token` and, where asked for, `/oauth2/revoke`."""

    def __init__(self, tokens: Tokens, directory: Directory, settings: Callable[[], Settings]) -> None:
        self._tokens, self._directory, self._settings = tokens, directory, settings

    def authorize(self, request: Request) -> Response:
        """The consent page (GET) or its decision (POST)."""
        pairs = request.query_pairs if request.method == "GET" else request.form_pairs
        try:
            values = single_values(pairs)
            asked = self._check_authorization(values)
        except DuplicatedError:
            return html_response(refusal_page(_DUPLICATED), 400)
        except RefusedError as refused:
            return html_response(refusal_page(str(refused)), 400)
        if not asked.scope.split() or not all(is_known(scope) for scope in asked.scope.split()):
            return asked.back(error="InvalidScope")  # facts 1.3: without state
        if request.method == "POST":
            return self._decide(asked, values)
        if user := self._settings().auto_consent:
            return self._accept(asked, user)
        action = f"{self._settings().public_url}/oauth2/authorize"
        return html_response(consent_page(Consent(action, asked.fields, asked.redirect_uri, asked.scope.split())))

    def token(self, request: Request) -> Response:
        """Exchange a code or a refresh token."""
        try:
            return json_response(_token_answer(self._exchange(request), self._settings()), headers=_NO_STORE)
        except TokenError as error:
            body = {"Error": error.error, "ErrorDescription": error.description}
            return json_response(body, 400, _NO_STORE)

    def revoke(self, request: Request) -> Response:
        """RFC 7009: 200 whether the token was known or not."""
        if request.media_type != "application/x-www-form-urlencoded":
            return json_response({"Error": "invalid_request", "ErrorDescription": "A form is expected."}, 400)
        token = dict(request.form_pairs).get("token")
        if not token:
            return json_response({"Error": "invalid_request", "ErrorDescription": "token is missing."}, 400)
        self._tokens.revoke(token)
        return Response(200, _NO_STORE)

    def _check_authorization(self, values: dict[str, str]) -> Authorization:
        settings = self._settings()
        if values.get("client_id", "").lower() != settings.app_id.lower():
            raise RefusedError("No application is registered with this client_id.")
        redirect_uri = values.get("redirect_uri", "")
        if redirect_uri not in settings.redirect_uris:
            raise RefusedError("The redirect_uri is not exactly one of those registered for the application.")
        if not _is_https_or_loopback(redirect_uri):
            raise RefusedError("The redirect_uri must be https; http is accepted on loopback only.")
        if values.get("response_type") != "Assertion":
            raise RefusedError("The response_type must be Assertion.")
        return Authorization(values["client_id"], redirect_uri, values.get("scope", ""), values.get("state"))

    def _decide(self, asked: Authorization, values: dict[str, str]) -> Response:
        match values.get("decision"):
            case "accept":
                return self._accept(asked, values.get("user", ""))
            case "deny":
                return self._deny(asked)
        return html_response(refusal_page("Choose to accept or to deny."), 400)

    def _accept(self, asked: Authorization, user: str) -> Response:
        if self._directory.find(user) is None:
            return html_response(refusal_page("Nobody with this name can sign in here."), 400)
        code = self._tokens.issue_code(user, asked.scope, asked.redirect_uri)
        return asked.back(code=code, **asked.stated)

    def _deny(self, asked: Authorization) -> Response:
        # Facts 1.3: what a denial looks like is not documented, only that there is no code.
        if self._settings().deny_style == "bare":
            return asked.back()
        return asked.back(error="access_denied", **asked.stated)

    def _exchange(self, request: Request) -> Issued:
        values = _token_form(request)
        secret = self._check_client(values)
        redirect_uri = values.get("redirect_uri", "")
        if redirect_uri not in self._settings().redirect_uris:
            raise TokenError("invalid_request", "The redirect_uri is not registered for the application.")
        match values.get("grant_type"):
            case "urn:ietf:params:oauth:grant-type:jwt-bearer":
                return self._redeem(values.get("assertion", ""), redirect_uri, secret)
            case "refresh_token":
                return self._refresh(values.get("assertion", ""), secret)
        raise TokenError("unsupported_grant_type", "The grant_type is not supported.")

    def _check_client(self, values: dict[str, str]) -> str:
        if values.get("client_assertion_type") != ASSERTION_TYPE:
            raise TokenError("invalid_request", "The client_assertion_type is missing or not supported.")
        secret = values.get("client_assertion", "")
        if secret not in self._settings().client_secrets:
            # Facts 1.6: status 400, not 401, and this text.
            raise TokenError("invalid_client", "Failed to deserialize the JsonWebToken object.")
        return secret

    def _redeem(self, code: str, redirect_uri: str, secret: str) -> Issued:
        try:
            return self._tokens.redeem(code, redirect_uri, secret)
        except NotValidError:
            description = "The provided authorization code is invalid or has expired."
            raise TokenError("invalid_grant", description) from None

    def _refresh(self, token: str, secret: str) -> Issued:
        try:
            return self._tokens.refresh(token, secret)
        except NotValidError:
            raise TokenError("invalid_request", "The access token is not valid") from None


_NO_STORE = [("Cache-Control", "no-store"), ("Pragma", "no-cache")]


def _token_form(request: Request) -> dict[str, str]:
    if request.method != "POST" or request.media_type != "application/x-www-form-urlencoded":
        raise TokenError("invalid_request", "A POST of application/x-www-form-urlencoded is expected.")
    try:
        return single_values(request.form_pairs)
    except DuplicatedError:
        raise TokenError("invalid_request", _DUPLICATED) from None


def _token_answer(issued: Issued, settings: Settings) -> dict[str, str]:
    """Facts 1.4: token_type is jwt-bearer, expires_in a string one second below the lifetime."""
    return {
        "access_token": issued.access_token,
        "token_type": "jwt-bearer",
        "expires_in": str(max(0, settings.token_lifetime - 1)),
        "refresh_token": issued.refresh_token,
        "scope": issued.scopes,
    }


def _is_https_or_loopback(uri: str) -> bool:
    parts = urlsplit(uri)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
