"""One POST to a token endpoint: send the form, read the answer strictly, classify the errors of both dialects.

The legacy service of Azure DevOps answers HTTP 400 with `Error`/`ErrorDescription`, a string `expires_in` and the
`token_type` `jwt-bearer` (facts/azure-devops.md 1.4, 1.6); RFC 6749 section 5 has `error`, an integer and `Bearer`.
Only the parsed `error` decides, never a description or a substring.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NoReturn, TypeGuard

import requests
from urllib3.exceptions import HTTPError

from shared.errors import (
    AnswerTooLarge,
    AppFault,
    GrantEnded,
    NoSecret,
    Policy,
    ProviderError,
    RequestRefused,
    Suspect,
    Throttled,
    Unavailable,
    VaultError,
)
from shared.http_session import new_session, started_timer
from shared.models.custody import Tokens
from shared.oauth import entra_errors
from shared.retry_after import parse_retry_after
from shared.sealing import id_of

MAX_ANSWER_BYTES = 256 * 1024
SHORTEST_LIFETIME = timedelta(seconds=60)
LONGEST_LIFETIME = timedelta(hours=24)
DEADLINE = timedelta(seconds=8)
"""For all tries of one exchange together (design, The custody rules)."""

_CLASSES: Mapping[str, type[ProviderError]] = {
    "invalid_grant": GrantEnded,
    "interaction_required": GrantEnded,
    "login_required": GrantEnded,
    "consent_required": GrantEnded,
    "invalid_client": AppFault,
    "unauthorized_client": RequestRefused,
    "unsupported_grant_type": RequestRefused,
    "invalid_scope": RequestRefused,
    "invalid_resource": RequestRefused,
    "access_denied": Policy,
    "temporarily_unavailable": Unavailable,
    "server_error": Unavailable,
}


class TokenEndpoint:
    """Posts to one token endpoint, with each client secret in turn while the service says `invalid_client`."""

    def __init__(
        self,
        url: str,
        *,
        token_types: frozenset[str],
        secrets: Callable[[], Sequence[str]],
        reread: Callable[[], None],
        now: Callable[[], datetime],
        identify: Callable[[str], str] = id_of,
    ) -> None:
        """`token_types` are compared in lower case; `identify` gives the id of a secret.

        `secrets` gives the client secrets, newest first; `reread` fetches them anew where they come from.
        """
        self._url = url
        self._token_types = token_types
        self._secrets = secrets
        self._reread = reread
        self._now = now
        self._identify = identify
        self.session = new_session()

    def exchange(self, form: Callable[[str], Mapping[str, str]], ends: datetime | None = None) -> Tokens:
        """Post `form(secret)` and return the tokens. Raises a ProviderError; AppFault when no secret is accepted.

        All tries are over at `ends`, by default 8 s from now.
        """
        ends = ends or self._now() + DEADLINE
        secrets = self._known()
        try:
            return self._with_each(secrets, form, ends)
        except AppFault:
            self._reread()
            fresh = self._known()
            if fresh == secrets:
                raise
        return self._with_each(fresh, form, ends)

    def newest_secret_id(self) -> str | None:
        """The id of the secret that is tried first; None while there is none."""
        try:
            secrets = self._known()
        except AppFault:
            return None
        return self._identify(secrets[0]) if secrets else None

    def _known(self) -> tuple[str, ...]:
        try:
            return tuple(self._secrets())
        except VaultError as error:
            raise NoSecret(f"no client secret: {error}") from None

    def _with_each(self, secrets: Sequence[str], form: Callable[[str], Mapping[str, str]], ends: datetime) -> Tokens:
        refused = AppFault("no client secret is set")
        for secret in secrets:
            try:
                return self._post(form(secret), self._identify(secret), ends)
            except AppFault as error:
                refused = error
        raise refused

    def _post(self, form: Mapping[str, str], secret_id: str, ends: datetime) -> Tokens:
        left = (ends - self._now()).total_seconds()
        if left <= 0:
            raise Unavailable("the deadline for all tries is over")
        status, headers, body = bounded_post(self.session, self._url, form, left)
        return parse_token_response(status, headers, body, self._token_types, secret_id, self._now())


def bounded_post(
    session: requests.Session,
    url: str,
    form: Mapping[str, str],
    seconds: float,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, Mapping[str, str], bytes]:
    """POST a form and read at most 256 KiB within `seconds` in all. Every failure of transport is Unavailable."""
    return bounded(
        session.post, url, seconds, data=dict(form), headers={"Accept": "application/json", **(headers or {})}
    )


def bounded(
    send: Callable[..., requests.Response], url: str, seconds: float, **request: Any
) -> tuple[int, Mapping[str, str], bytes]:
    """Send a request that must be over after `seconds`: status, headers and a body of at most 256 KiB + 1 byte."""
    ends = time.monotonic() + seconds
    try:
        with send(url, allow_redirects=False, stream=True, timeout=(min(2.0, seconds), seconds), **request) as answer:
            return answer.status_code, answer.headers, _read(answer, ends)
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        raise Unavailable(f"identity service: {type(error).__name__}") from None


def _read(answer: requests.Response, ends: float) -> bytes:
    """The body, cut off at `ends`: the time-out of a socket is per read, and a drip would outlive the lease."""
    body = b""
    cut = started_timer(max(ends - time.monotonic(), 0), answer.raw.shutdown)
    try:
        for chunk in answer.raw.stream(16 * 1024, decode_content=True):
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                break
    finally:
        cut.cancel()
    if time.monotonic() >= ends:
        raise Unavailable("identity service: the answer drips")
    return body


def parse_token_response(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    token_types: frozenset[str],
    secret_id: str,
    now: datetime,
) -> Tokens:
    """Read a token response strictly (RFC 6749 sections 5.1 and 5.2). Raises a ProviderError for all that is none."""
    if len(body) > MAX_ANSWER_BYTES:
        raise (AnswerTooLarge if status == 200 else Unavailable)("identity service: answer over 256 KiB")
    if status == 429:
        raise Throttled("identity service: 429", retry_after=parse_retry_after(headers.get("Retry-After"), now) or 30)
    if status >= 500 or status == 408:
        wait = parse_retry_after(headers.get("Retry-After"), now)
        raise Unavailable(f"identity service: {status}", retry_after=wait)
    answer = json_object(headers, body, status)
    if status == 200:
        return _tokens(answer, token_types, secret_id)
    raise classify(status, answer)


def classify(status: int, answer: Mapping[str, Any]) -> ProviderError:
    """The class of a token error, by its parsed `error` alone (either casing); unknown ones are no verdict."""
    error = answer.get("error", answer.get("Error"))
    known = _CLASSES.get(error) if isinstance(error, str) else None
    if error == "invalid_request":
        # The legacy service says so for a dead refresh token too (facts 1.6); only there it is PascalCase.
        known = Suspect if "Error" in answer else RequestRefused
    if known is None:
        return Unavailable(f"identity service: {status} without a known error")
    meaning = entra_errors.meaning_of(str(answer.get("error_description", "")))
    return known(str(error), advice=meaning.advice if meaning else None, meaning=meaning)


def json_object(headers: Mapping[str, str], body: bytes, status: int) -> dict[str, Any]:
    """The JSON object of an answer, a BOM allowed; anything else is Unavailable."""
    content_type = headers.get("Content-Type", "").split(";")[0].strip().lower()
    if content_type != "application/json":
        # What the type is instead stays unsaid: it is the other side's text, and could be anything.
        raise Unavailable(f"identity service: {status} with {'HTML' if content_type == 'text/html' else 'no JSON'}")
    try:
        answer = json.loads(
            body.decode("utf-8-sig"), parse_constant=_refuse_constant, object_pairs_hook=_each_name_once
        )
        json.dumps(answer, ensure_ascii=False).encode()  # half a surrogate pair passes the line above, and no other
    except (ValueError, RecursionError):
        raise Unavailable(f"identity service: {status} with broken JSON") from None
    if not isinstance(answer, dict):
        raise Unavailable(f"identity service: {status} without an object")
    return answer


def _tokens(answer: Mapping[str, Any], token_types: frozenset[str], secret_id: str) -> Tokens:
    access, refresh, kind = answer.get("access_token"), answer.get("refresh_token"), answer.get("token_type")
    if not _is_token(access):
        raise Unavailable("identity service: 200 without an access token")
    if refresh is not None and not _is_token(refresh):
        raise Unavailable("identity service: 200 with a malformed refresh token")
    if not isinstance(kind, str) or kind.lower() not in token_types:
        raise Unavailable("identity service: 200 with an unknown token_type")
    identity = answer.get("id_token")
    # Only a provider that asked for an id token misses a good one.
    good = identity if _is_token(identity) else None
    scope = answer.get("scope")
    granted = scope if isinstance(scope, str) else ""
    return Tokens(access, refresh, _lifetime(answer.get("expires_in")), secret_id, good, granted)


def _is_token(value: object) -> TypeGuard[str]:
    """Visible ASCII without spaces (RFC 6749 appendix A.12 and A.17), so that it can't break a header or a form."""
    return isinstance(value, str) and value != "" and all("!" <= char <= "~" for char in value)


def _lifetime(value: object) -> timedelta:
    digits = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 12):
        raise Unavailable("identity service: 200 with a malformed expires_in")
    return min(max(timedelta(seconds=int(digits)), SHORTEST_LIFETIME), LONGEST_LIFETIME)


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """RFC 6749 section 3.2: no parameter of a response more than once; which of two would count is anybody's guess."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
