"""What a status and body mean, when they are not what was asked for (facts/azure-devops.md 4.8 and 4.9). Pure.

Messages of the API can hold mail addresses, tenant ids and host names: only its TF or VS code goes on, to the log.
"""

import codecs
import re
from dataclasses import dataclass, field

import msgspec

from shared.azure_devops.challenges import claims_of
from shared.errors import (
    Absent,
    AccessDenied,
    ApiThrottled,
    ApiUnavailable,
    AzureDevOpsError,
    CallRefused,
    ClaimsChallenge,
    ScopeMissing,
    TokenRejected,
)

DEFAULT_PAUSE = 30.0
"""Seconds after a 429 that names none: delays of Azure DevOps end there (facts 4.10)."""

_CODE = re.compile(r"\b(?:TF|VS)[0-9]{3,8}\b")
_NOT_FOR_THIS_PERSON = frozenset({"TF400813", "VS30063"})
_DEACTIVATED = "TF24668"
_DEACTIVATED_ADVICE = (
    "This organization was deactivated in Azure DevOps. One of its owners can restore it there; "
    "your other organizations are not affected."
)


@dataclass(frozen=True, slots=True)
class Received:
    """An answer as it came; `body` is decompressed, `retry_after` in seconds, `challenge` is WWW-Authenticate."""

    status: int
    content_type: str = ""
    body: bytes = field(repr=False, default=b"")
    continuation: str | None = None
    retry_after: float | None = None
    challenge: str = ""


class _Problem(msgspec.Struct):
    message: str | None = None


_PROBLEM = msgspec.json.Decoder(_Problem)


def refusal(answer: Received, scope: str) -> AzureDevOpsError | None:
    """The error that this answer stands for, None for a JSON answer with status 200; `scope` is what the call needs."""
    message = _message(answer.body) if answer.status >= 400 else ""
    found = _CODE.search(message)
    code = found.group() if found else ""
    log = f"status {answer.status} {code}".rstrip()
    match answer.status:
        case 400:
            return CallRefused(log)
        case 401:
            claims = claims_of(answer.challenge)
            if claims:
                return ClaimsChallenge(log, claims)
            return AccessDenied(log) if code in _NOT_FOR_THIS_PERSON else TokenRejected(log)
        case 403:
            return ScopeMissing(scope) if "requested scope" in message else AccessDenied(log)
        case 404:
            return Absent(log)
        case 429:
            return ApiThrottled(log, retry_after=answer.retry_after or DEFAULT_PAUSE)
        case 408 | 500 | 501 | 502 | 503 | 504:
            advice = _DEACTIVATED_ADVICE if code == _DEACTIVATED else None
            return ApiUnavailable(log, advice=advice, retry_after=answer.retry_after)
    if answer.status >= 500:
        return ApiUnavailable(log, retry_after=answer.retry_after)
    if answer.status == 203 or 300 <= answer.status < 400 or answer.content_type == "text/html":
        return TokenRejected(log)
    return None if answer.status == 200 else AzureDevOpsError(log)


def may_pass(answer: Received) -> bool:
    """Whether the same call may succeed a moment later: 408 and 5xx, but not a deactivated organization."""
    return (answer.status == 408 or answer.status >= 500) and _DEACTIVATED not in _message(answer.body)


def _message(body: bytes) -> str:
    try:
        return _PROBLEM.decode(body.removeprefix(codecs.BOM_UTF8)).message or ""
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
