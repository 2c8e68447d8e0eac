"""Drives a simulator in this process: no socket, a clock that tests move."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tools.simulator import defaults
from tools.simulator.application import Simulator
from tools.simulator.messages import Request, Response
from tools.simulator.settings import Settings

ALL_SCOPES = "vso.work vso.build vso.code vso.project vso.profile"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CODE_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Answer:
    status: int
    header_pairs: list[tuple[str, str]]
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.header_pairs}

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def callback(self) -> dict[str, str]:
        """The query of the redirect's target."""
        query = parse_qs(urlsplit(self.headers["location"]).query, keep_blank_values=True)
        return {name: values[0] for name, values in query.items()}


class Driver:
    """A simulator and the calls that a client makes of it."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.25
        self.simulator = Simulator(Settings(), wall_clock=lambda: self.now)

    def call(self, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
        names = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        response: Response = asyncio.run(self.simulator(Request(method, target, names, body)))
        return Answer(response.status, response.headers, response.body)

    def settings(self, **changes: object) -> Answer:
        return self.control("PUT", "settings", changes)

    def control(self, method: str, name: str, body: object = None) -> Answer:
        return self.call(method, f"/_sim/{name}", json.dumps(body).encode())

    def form(self, target: str, fields: object, **headers: str) -> Answer:
        return self.call("POST", target, urlencode(fields).encode(), **{"content_type": FORM, **headers})

    def authorize(self, **changes: str | None) -> Answer:
        return self.call("GET", f"/oauth2/authorize?{urlencode(authorize_fields(**changes))}")

    def consent(self, user: str = "ada", decision: str = "accept", **changes: str | None) -> Answer:
        fields = {**authorize_fields(**changes), "user": user, "decision": decision}
        return self.form("/oauth2/authorize", fields)

    def code(self, user: str = "ada", scope: str = ALL_SCOPES) -> str:
        return self.consent(user, scope=scope).callback["code"]

    def token(self, **changes: str | None) -> Answer:
        return self.form("/oauth2/token", token_fields(**changes))

    def redeem(self, code: str) -> Answer:
        return self.token(grant_type=CODE_GRANT, assertion=code)

    def refresh(self, refresh_token: str) -> Answer:
        return self.token(grant_type="refresh_token", assertion=refresh_token)

    def sign_in(self, user: str = "ada", scope: str = ALL_SCOPES) -> dict[str, str]:
        """The token answer of a whole sign-in."""
        return self.redeem(self.code(user, scope)).json

    def get(self, target: str, token: str | None = None, **headers: str) -> Answer:
        """A REST call, with api-version 7.1 unless the target names one."""
        if "api-version" not in target:
            target += ("&" if "?" in target else "?") + "api-version=7.1"
        return self.call("GET", target, **_bearer(token), **headers)

    def post(self, target: str, body: object, token: str | None = None) -> Answer:
        target += ("&" if "?" in target else "?") + "api-version=7.1"
        document = json.dumps(body).encode()
        return self.call("POST", target, document, content_type="application/json", **_bearer(token))

    def wiql(self, query: str, token: str, place: str = "/fabrikam/Payments%20Platform", top: str = "") -> Answer:
        return self.post(f"{place}/_apis/wit/wiql{top}", {"query": query}, token)

    def works(self, token: str) -> bool:
        """Whether an access token is accepted."""
        return self.get("/_apis/profile/profiles/me", token).status == 200

    def calls(self) -> list[dict[str, Any]]:
        return self.control("GET", "calls").json["value"]

    def tokens(self, user: str = "ada") -> dict[str, Any]:
        return self.control("GET", "tokens").json["users"][user]


def authorize_fields(**changes: str | None) -> dict[str, str]:
    """A right authorize request with changes; None leaves a parameter out."""
    fields = {
        "client_id": defaults.APP_ID,
        "response_type": "Assertion",
        "state": "a state",
        "scope": ALL_SCOPES,
        "redirect_uri": defaults.REDIRECT_URI,
    }
    return _changed(fields, changes)


def token_fields(**changes: str | None) -> dict[str, str]:
    """A token request with a right client and no grant, with changes; None leaves a parameter out."""
    fields = {
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": defaults.CLIENT_SECRET,
        "redirect_uri": defaults.REDIRECT_URI,
    }
    return _changed(fields, changes)


def _changed(fields: dict[str, str], changes: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


def _bearer(token: str | None) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"} if token else {}
