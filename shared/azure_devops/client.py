"""One guarded JSON call to Azure DevOps. Redirects are not followed, cookies neither kept nor sent, tries are few,
pauses that the service asks for are kept per user, and a page of ours has 45 seconds for all its calls together
(facts/azure-devops.md 4.8 and 4.10)."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from urllib.parse import quote, urlencode

import msgspec
import requests
import urllib3.exceptions

from shared.azure_devops import links
from shared.azure_devops.body import MAX_BODY, Truncated, decode, read_body
from shared.azure_devops.pacing import Pauses, RetryBudget
from shared.azure_devops.refusals import Received, may_pass, refusal
from shared.errors import ApiThrottled, ApiUnavailable, AzureDevOpsError, BadRequest, TokenRejected
from shared.http_session import new_session
from shared.retry_after import parse_retry_after

API_VERSION = "7.1"
PAGE_TIME = timedelta(seconds=45)
"""For all calls of one page of ours (design.md); the platform ends a request after 230 s."""
CONNECT_TIME = 5.0
"""Seconds."""
READ_TIME = 36.0
"""Seconds: the service delays busy users up to 30 s (facts 4.10)."""
MAX_TRIES = 3
LONGEST_WAIT = 2.0
"""Seconds that a page waits for a pause to end; longer pauses are told to the person instead."""
FIRST_BACKOFF = 0.5
"""Seconds, doubled per try; the wait is a random part of it ("full jitter")."""

_MAX_ERROR_BODY = 64 * 1024


class Host(Enum):
    """Which of the two configured origins a call goes to: no other ever sees a token."""

    DEVOPS = "devops"
    IDENTITY = "identity"


@dataclass(frozen=True, slots=True)
class Caller:
    """The person on whose behalf a call is made; `deadline` is when their page must be done, see `bounded`."""

    access_token: str = field(repr=False)
    user_id: str
    deadline: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """A call that only reads, whatever its method, and so may be repeated.

    `segments` are decoded path segments, `scope` is what the token needs for it (facts section 2), `body` becomes JSON.
    """

    segments: tuple[str, ...]
    scope: str
    host: Host = Host.DEVOPS
    method: str = "GET"
    query: Mapping[str, str] = field(default_factory=dict)
    body: object = None

    def target(self) -> str:
        """Path and query; BadRequest for a segment that an HTTP client would resolve away."""
        if not {"", ".", ".."}.isdisjoint(self.segments):
            raise BadRequest()
        query = {"api-version": API_VERSION, **self.query}
        return f"{links.path(*self.segments)}?{urlencode(query, safe='$', quote_via=quote)}"


@dataclass(frozen=True, slots=True)
class Answer[T]:
    """A decoded answer; `continuation` is the upstream token of the next page, None at the end."""

    value: T
    continuation: str | None


class AzureDevOps:
    """The client, built once per process and shared by its threads.

    `now` and `sleep` (seconds) bring time in, `jitter` a random number from 0 to 1.
    """

    def __init__(
        self,
        *,
        devops_url: str,
        identity_url: str,
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.devops_url = devops_url.rstrip("/")
        self._origins = {Host.DEVOPS: self.devops_url, Host.IDENTITY: identity_url.rstrip("/")}
        self._now, self._sleep, self._jitter = now, sleep, jitter
        self._pauses = Pauses(now)
        self._retries = RetryBudget()
        self._session = _session()

    def bounded(self, caller: Caller) -> Caller:
        """The caller with a deadline, 45 seconds from now unless there is one: use it for all calls of one page."""
        return caller if caller.deadline else replace(caller, deadline=self._now() + PAGE_TIME)

    def call[T](self, request: ApiRequest, caller: Caller, shape: msgspec.json.Decoder[T]) -> Answer[T]:
        """Make the call, with up to three tries, and decode its answer.

        CallRefused TokenRejected AccessDenied ScopeMissing Absent: facts 4.8. ClaimsChallenge: facts 3.8.
        ApiThrottled: asked to wait, maybe without a call.
        ApiUnavailable: no answer in time. AzureDevOpsError: an answer that breaks the limits or the shape.
        """
        caller = self.bounded(caller)
        if not _fits_a_header(caller.access_token):
            raise TokenRejected("token is no header value")
        self._retries.called()
        answer = self._receive(request, caller)
        return Answer(decode(answer.body, shape), answer.continuation)

    def web_url(self, *segments: str) -> str:
        """An absolute link into the web pages of Azure DevOps."""
        return self.devops_url + links.path(*segments)

    def _receive(self, request: ApiRequest, caller: Caller) -> Received:
        tried = 0
        while True:
            self._wait_for_turn(caller)
            answer, error = self._try_once(request, caller)
            tried += 1
            if error is None:
                return answer
            if not may_pass(answer) or tried == MAX_TRIES or not self._wait_to_retry(tried, error, caller):
                raise error

    def _try_once(self, request: ApiRequest, caller: Caller) -> tuple[Received, AzureDevOpsError | None]:
        try:
            answer = self._exchange(request, caller)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            return _NO_ANSWER, _interrupted(error)
        except Truncated:
            return _NO_ANSWER, AzureDevOpsError("body cut short")
        refused = refusal(answer, request.scope)
        if isinstance(refused, ApiThrottled):
            self._pauses.remember(caller.user_id, refused.retry_after)
        return answer, refused

    def _exchange(self, request: ApiRequest, caller: Caller) -> Received:
        response = self._session.request(
            request.method,
            self._origins[request.host] + request.target(),
            headers={"Authorization": f"Bearer {caller.access_token}"},
            json=request.body,
            timeout=(min(CONNECT_TIME, self._left(caller)), min(READ_TIME, self._left(caller))),
            allow_redirects=False,
            stream=True,
        )
        with response:
            retry_after = parse_retry_after(response.headers.get("Retry-After"), self._now())
            self._pauses.remember(caller.user_id, retry_after)  # before the body, which may be unusable
            return Received(
                status=response.status_code,
                content_type=response.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
                body=self._body(response, caller),
                continuation=response.headers.get("x-ms-continuationtoken") or None,
                retry_after=retry_after,
                challenge=response.headers.get("WWW-Authenticate", ""),
            )

    def _body(self, response: requests.Response, caller: Caller) -> bytes:
        """The body of a 200 within its limits; that of an error only for its code, so it may be missing."""
        if response.status_code == 200:
            return read_body(response, MAX_BODY, lambda: self._limit_read(response, caller))
        if response.status_code < 400:
            return b""
        try:
            return read_body(response, _MAX_ERROR_BODY, lambda: self._limit_read(response, caller))
        except (AzureDevOpsError, Truncated, urllib3.exceptions.HTTPError):
            return b""

    def _limit_read(self, response: requests.Response, caller: Caller) -> None:
        """A time-out of sockets is per read: a body that drips must not outlive the page."""
        left = self._left(caller)
        connection = response.raw.connection
        if connection is not None and connection.sock is not None:
            connection.sock.settimeout(min(READ_TIME, left))

    def _wait_for_turn(self, caller: Caller) -> None:
        waited = 0.0
        while rest := self._pauses.rest(caller.user_id):
            if waited + rest > LONGEST_WAIT or rest >= self._left(caller):
                raise ApiThrottled("still pausing", retry_after=rest)
            self._sleep(rest)
            waited += rest

    def _wait_to_retry(self, tried: int, error: AzureDevOpsError, caller: Caller) -> bool:
        """Waits; False when there is no time, no retry left, or the service asks for a longer pause."""
        delay = self._jitter() * FIRST_BACKOFF * 2 ** (tried - 1)
        in_time = self._now() + timedelta(seconds=delay) < _deadline(caller)
        if (error.retry_after or 0) > LONGEST_WAIT or not in_time or not self._retries.take():
            return False
        self._sleep(delay)
        return True

    def _left(self, caller: Caller) -> float:
        """Seconds until the deadline, more than 0; ApiUnavailable once it has passed."""
        left = (_deadline(caller) - self._now()).total_seconds()
        if left <= 0:
            raise ApiUnavailable("the page ran out of time")
        return left


_NO_ANSWER = Received(status=503)
"""Stands for a connection that broke: it may pass."""


def _session() -> requests.Session:
    session = new_session()
    session.headers.clear()
    session.headers.update({"User-Agent": "gatehouse", "Accept": "application/json", "Accept-Encoding": "gzip"})
    return session


def _interrupted(error: Exception) -> AzureDevOpsError:
    """A body that broke off is an answer we can't use; everything else is no answer."""
    name = type(error).__name__
    if isinstance(error, urllib3.exceptions.ProtocolError):
        return AzureDevOpsError(f"body cut short: {name}")
    return ApiUnavailable(f"no answer: {name}")


def _deadline(caller: Caller) -> datetime:
    assert caller.deadline is not None, "bounded() gave one"
    return caller.deadline


def _fits_a_header(token: str) -> bool:
    """requests would put a token with a line break or blank into the text of its error."""
    return token.isascii() and token.isprintable() and " " not in token and token != ""
