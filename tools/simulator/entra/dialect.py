"""Entra's paths: `/{tenant}/…` to discovery, keys, authorize, token and logout."""

from collections.abc import Callable

from tools.simulator import defaults
from tools.simulator.entra.authorize import Authorize
from tools.simulator.entra.exchange import GRANT_NAMES, Exchange
from tools.simulator.entra.failures import EntraError, injected
from tools.simulator.entra.grants import Grants
from tools.simulator.entra.id_token import issuer
from tools.simulator.entra.keys import published_keys
from tools.simulator.entra.pages import signed_out_page
from tools.simulator.entra.scopes import OIDC
from tools.simulator.entra.tenancy import Place, find_place
from tools.simulator.messages import Request, Response, html_response, json_response, redirect
from tools.simulator.sample.people import Directory
from tools.simulator.settings import Json, Settings

DISCOVERY = ("v2.0", ".well-known", "openid-configuration")
KEYS = ("discovery", "v2.0", "keys")
AUTHORIZE, TOKEN, LOGOUT = (("oauth2", "v2.0", name) for name in ("authorize", "token", "logout"))
_CACHED = [("Cache-Control", "max-age=86400, private")]


class EntraDialect:
    """Microsoft Entra ID of the simulator."""

    def __init__(
        self, grants: Grants, directory: Directory, settings: Callable[[], Settings], now: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._authorize = Authorize(grants, directory, settings, now)
        self._exchange = Exchange(grants, directory, settings, now)
        self._routes: dict[tuple[str, ...], tuple[tuple[str, ...], Callable[[Request], Response]]] = {
            DISCOVERY: (("GET", "HEAD"), self._discovery),
            KEYS: (("GET", "HEAD"), self._keys),
            AUTHORIZE: (("GET", "POST"), self._authorize.answer),
            TOKEN: (("GET", "POST"), lambda request: self._exchange.answer(request, self.origin(request))),
            LOGOUT: (("GET", "POST"), self._logout),
        }

    def owns(self, request: Request) -> bool:
        """Whether the path is one of Entra's."""
        return _endpoint(request) in self._routes

    def answer(self, request: Request) -> Response:
        """The answer of the endpoint that `owns` has found."""
        methods, answer = self._routes[_endpoint(request)]
        return answer(request) if request.method in methods else Response(405, [("Allow", ", ".join(methods))])

    def refuse(self, request: Request, failure: int | dict[str, Json]) -> Response:
        """The failure that a fault rule asks for, in the shape of the endpoint."""
        if _endpoint(request) == AUTHORIZE:
            return self._authorize.refuse(request, injected(failure))
        return self._exchange.refuse(injected(failure))

    def origin(self, request: Request) -> str:
        """What addresses and issuers begin with: `public_url`, or where this request came to."""
        host = request.headers.get("host") or f"127.0.0.1:{defaults.PORT}"
        return self._settings().public_url or f"http://{host}"

    def _discovery(self, request: Request) -> Response:
        try:
            place = find_place(request.segments[0])
        except EntraError as error:
            return self._exchange.refuse(error.failure)
        return json_response(_configuration(self.origin(request), place), headers=_CACHED)

    def _keys(self, request: Request) -> Response:
        try:
            place = find_place(request.segments[0])
        except EntraError as error:
            return self._exchange.refuse(error.failure)
        named = _issuer(self.origin(request), place)
        return json_response(
            {"keys": [key.published(named) for key in published_keys(self._settings())]}, headers=_CACHED
        )

    def _logout(self, request: Request) -> Response:
        """Signs this browser out at Entra; goes back only to a registered address (facts 3.6)."""
        pairs = request.query_pairs if request.method == "GET" else request.form_pairs
        back = dict(pairs).get("post_logout_redirect_uri", "")
        registered = back in self._settings().entra_redirect_uris
        response = redirect(back) if registered else html_response(signed_out_page())
        return self._authorize.sessions.end(request, response)


def grant_and_value(request: Request) -> tuple[str | None, str | None]:
    """What a token call hands in: the kind of grant and the code or token."""
    form = dict(request.form_pairs)
    grant = GRANT_NAMES.get(form.get("grant_type", ""))
    return grant, form.get(grant) if grant else None


def is_token_call(request: Request) -> bool:
    return _endpoint(request) == TOKEN


def is_decision(request: Request) -> bool:
    return request.method == "POST" and _endpoint(request) == AUTHORIZE


def _endpoint(request: Request) -> tuple[str, ...]:
    return tuple(each.lower() for each in request.segments[1:])


def _issuer(origin: str, place: Place) -> str:
    # With an alias nobody knows yet whose tenant signs: the real service shows this template literally.
    return issuer(origin, place.tenant) if place.tenant else f"{origin}/{{tenantid}}/v2.0"


def _configuration(origin: str, place: Place) -> dict[str, Json]:
    base = f"{origin}/{place.address}"
    return {
        "token_endpoint": f"{base}/oauth2/v2.0/token",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "jwks_uri": f"{base}/discovery/v2.0/keys",
        "response_modes_supported": ["query", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code"],
        "scopes_supported": list(OIDC),
        "issuer": _issuer(origin, place),
        "request_uri_parameter_supported": False,
        "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
        "http_logout_supported": True,
        "frontchannel_logout_supported": True,
        "end_session_endpoint": f"{base}/oauth2/v2.0/logout",
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "nonce", "preferred_username", "name", "tid", "ver", "email",
        ],
        "tenant_region_scope": None,
        "cloud_instance_name": "microsoftonline.com",
    }  # fmt: skip
