"""Every secret that went over the wire, whole, for whoever looks for them where they must not be (`GET /_sim/secrets`).

With them what callers put where secrets do not belong: the target and the headers of each call, as they came.
"""

import json
import re
from urllib.parse import unquote

from tools.simulator.messages import Request, Response
from tools.simulator.settings import Json

ISSUED = {"access_token": "access token", "refresh_token": "refresh token", "id_token": "id token"}
SHOWN = {
    "client_secret": "client secret",
    "client_assertion": "client assertion",
    "code_verifier": "verifier",
    "state": "state",
    "nonce": "nonce",
}
"""What clients send, in the form of a token call or in the query of an authorization request."""
_MEANT_FOR_SECRETS = {"authorization", "cookie"}
_CODE = re.compile(r"[?&#]code=([^&]+)")


class Ledger:
    """All since the start; repeated text is kept once."""

    def __init__(self) -> None:
        self._secrets: dict[str, set[str]] = {}
        self._received: dict[str, set[str]] = {}

    def note_request(self, request: Request) -> None:
        """What a caller shows, and what stands in target and headers."""
        authorizing = _is_authorizing(request)
        pairs = request.query_pairs if authorizing else request.form_pairs if _is_token_call(request) else []
        for name, value in pairs:
            if name in SHOWN:
                self._add(SHOWN[name], value)
        to = "the authorize endpoint" if authorizing else "another endpoint"
        texts = {"target": request.target, **request.headers}
        for name in texts.keys() - _MEANT_FOR_SECRETS:
            self._received.setdefault(f"{name} of calls to {to}", set()).add(texts[name])

    def note_response(self, request: Request, response: Response) -> None:
        """What is handed out: codes and tokens, also made-up ones of a fault rule."""
        if _is_authorizing(request):
            for name, value in response.headers:
                if name == "Location" and (found := _CODE.search(value)):
                    self._add("authorization code", unquote(found[1]))
        elif _is_token_call(request):
            for name, kind in ISSUED.items():
                self._add(kind, _json_object(response.body).get(name))

    def as_json(self) -> Json:
        """`secrets` by kind, `received` by place."""
        return {
            "secrets": {kind: sorted(values) for kind, values in sorted(self._secrets.items())},
            "received": {place: sorted(texts) for place, texts in sorted(self._received.items())},
        }

    def _add(self, kind: str, value: Json) -> None:
        if isinstance(value, str) and value:
            self._secrets.setdefault(kind, set()).add(value)


def _is_authorizing(request: Request) -> bool:
    return request.path.lower().rstrip("/").endswith("/authorize")


def _is_token_call(request: Request) -> bool:
    return request.path.lower().rstrip("/").endswith("/token")


def _json_object(body: bytes) -> dict[str, Json]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
