"""Everything that can go wrong, as a small tree; `functions._entry` turns each into a page or a problem document.

AppError (never raised itself)
├── Unexpected              500  a bug of ours
├── NotConfigured           503  settings are missing or wrong; carries their names
├── BadRequest              400  the request breaks a rule; also 413, 414, 431 by TooLarge; BadParameter names it
├── NotFound                404
├── MethodNotAllowed        405  carries the allowed methods
├── WrongHost               421  carries PUBLIC_URL
├── NotSignedIn             401  no session, or one that ended
├── SignInAgain             401  a session whose connection has no usable token any more
├── Forbidden               403  a form that this session did not send
├── SignInError             400  a callback that must not become a session; children say why
├── ProviderError                the token service's answer: GrantEnded Suspect AppFault Policy Throttled Unavailable
├── StoreError              503  the token store: Fenced (row changed or gone), Busy (somebody else's lease)
├── VaultError              503  a key or client secret of ours can't be read
├── Unreadable              503  a sealed value that does not open; UnknownKey: sealed with a key we do not have (yet)
└── AzureDevOpsError             an answer of the REST API: TokenRejected ClaimsChallenge AccessDenied ScopeMissing …
"""

from collections.abc import Sequence
from typing import NamedTuple

_PERSISTS = "If it stays like this, tell the people who run this site, with the id below."
_OURS = f"That is our fault, not yours, and it signs nobody out. Try again in a moment. {_PERSISTS}"
_KEYS_AWAY = "We can't reach our own keys right now"


class Meaning(NamedTuple):
    """What a code of an identity provider says: a fixed word for the event, and title and advice for the person."""

    reason: str
    title: str
    advice: str


class Remedy(NamedTuple):
    """A link that may cure an error: what it says, and a local address."""

    label: str
    address: str


class AppError(Exception):
    """The base of all; never raised itself.

    `status`, `kind` (the stable last part of a problem's `type`), `title` and `advice` are safe to show. The text given
    to the constructor is for the log alone and must hold no secret.
    """

    status = 500
    kind = "unexpected"
    title = "Something went wrong on our side"
    advice = "That is our fault, not yours. Try again in a moment. " + _PERSISTS
    remedy: Remedy | None = None
    statuses: tuple[int, ...] = ()
    """Where instances differ: every `status` that one may have."""

    def __init__(self, log: str = "", *, advice: str | None = None, retry_after: float | None = None) -> None:
        """`advice` replaces the sentence shown to people; `retry_after` is in seconds and becomes Retry-After."""
        super().__init__(log or self.kind)
        if advice is not None:
            self.advice = advice
        self.retry_after = retry_after


class Unexpected(AppError):
    """An exception that nobody foresaw."""


class NotConfigured(AppError):
    """Settings are missing or wrong; `problems` name them, never their values."""

    status = 503
    kind = "not-configured"
    title = "This site is not set up yet"
    advice = "The people who run it can see on the home page what is missing."

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class BadRequest(AppError):
    """The request breaks a rule; `advice` says which."""

    status = 400
    kind = "bad-request"
    title = "That request is not valid"
    advice = "Check the address, or go back and try again."


class TooLarge(BadRequest):
    """A part of the request is longer than we read: 413 body, 414 address, 431 headers."""

    kind = "too-large"
    title = "That request is too large"
    statuses = (413, 414, 431)

    def __init__(self, status: int, advice: str) -> None:
        super().__init__(advice=advice)
        self.status = status


class BadParameter(BadRequest):
    """A query parameter is unknown, repeated or out of its range; `parameter` names it, or is "" if unfit to show."""

    kind = "bad-parameter"
    title = "A parameter of that address is not valid"

    def __init__(self, parameter: str, advice: str) -> None:
        super().__init__(advice=advice)
        self.parameter = parameter


class NotFound(AppError):
    """No page has this address."""

    status = 404
    kind = "not-found"
    title = "There is no such page"
    advice = "Check the address, or start again from the home page."


class SessionUnknown(NotFound):
    """None of the person's own sessions is the one to end."""

    kind = "session-unknown"
    title = "That session is not there any more"
    advice = "It ended meanwhile, or it never was one of yours. Your account page lists those that are open."


class NoReceipt(NotFound):
    """This browser has no receipt, or none that opens."""

    kind = "no-receipt"
    title = "There is no receipt to show"
    advice = "A receipt of a sign-out is kept for a day, in the browser that signed out."


class MethodNotAllowed(AppError):
    """The page exists, but not for this method."""

    status = 405
    kind = "method-not-allowed"
    title = "That does not work here"
    advice = "Use the buttons and links of the pages."

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__()
        self.allowed = tuple(allowed)


class WrongHost(AppError):
    """The request came to a host name under which this site does not answer."""

    status = 421
    kind = "wrong-host"
    title = "This site lives at another address"

    def __init__(self, public_url: str) -> None:
        super().__init__(
            advice=f"The link that you followed uses a name that this site does not go by. Open {public_url} instead."
        )
        self.public_url = public_url


class NotSignedIn(AppError):
    """There is no session, or it ended."""

    status = 401
    kind = "not-signed-in"
    title = "Sign in first"
    advice = "Your session has ended or never began."


class SignInAgain(AppError):
    """The session lives, but Azure DevOps no longer accepts what its connection holds."""

    status = 401
    kind = "sign-in-again"
    title = "Azure DevOps wants you to sign in again"
    advice = "Access was withdrawn or has run out there. Sign in again to go on."


class Forbidden(AppError):
    """A form that did not come from a page of this session."""

    status = 403
    kind = "forbidden"
    title = "That form did not come from this session"
    advice = "Open the page again and repeat what you did. Nothing was changed."
    reason = "forbidden"


class SignInError(AppError):
    """A callback that must not become a session."""

    status = 400
    kind = "sign-in-failed"
    title = "The sign-in did not work"
    advice = "Nothing was stored. Start the sign-in again."
    reason = "failed"


class SignInExpired(SignInError):
    """The sign-in was begun too long ago, in another browser, or not at all."""

    kind = "sign-in-expired"
    title = "This sign-in is no longer valid"
    advice = "It was begun more than ten minutes ago, or in another browser. Start the sign-in again."
    reason = "expired"


class CodeRefused(SignInError):
    """The provider does not take its own code any more, or our request for it."""

    kind = "sign-in-code-refused"
    title = "The sign-in service did not confirm this sign-in"
    advice = "It took too long, or was used before. Nothing was stored. Start the sign-in again. " + _PERSISTS
    reason = "code_refused"


class SignInUsed(SignInError):
    """The state of this callback was redeemed before."""

    kind = "sign-in-used"
    title = "This sign-in was already used"
    advice = "A sign-in works once. Start again if you are not signed in."
    reason = "used"


class SignInDenied(SignInError):
    """The person declined on the consent page."""

    kind = "sign-in-denied"
    title = "Access was declined"
    advice = "You chose not to grant access, so nothing was stored. You can start again at any time."
    reason = "denied"


class SignInRefused(SignInError):
    """The provider refused the request for a reason that is not the person's."""

    kind = "sign-in-refused"
    title = "The sign-in was refused"
    advice = "Microsoft refused it, for no fault of yours. Nothing was stored. Start the sign-in again. " + _PERSISTS
    reason = "refused"


class WrongTenant(SignInError):
    """A person of a tenant that may not come in; `username` is shown to the person alone."""

    status = 403
    kind = "wrong-tenant"
    title = "This site is not for your organization"
    reason = "wrong_tenant"

    def __init__(self, log: str = "", *, username: str | None = None) -> None:
        who = f"You signed in at Microsoft as {username}. " if username else ""
        super().__init__(
            log,
            advice=f"{who}That account belongs to an organization that this site does not take. "
            "Nothing was stored. Start again and choose another account.",
        )


class PersonalAccount(WrongTenant):
    """A personal Microsoft account: Azure DevOps takes none by this way (facts 3.1)."""

    kind = "personal-account"
    title = "A personal account can't be used here"
    reason = "personal_account"

    def __init__(self, log: str = "", *, username: str | None = None) -> None:
        super().__init__(log)
        who = f" as {username}" if username else ""
        self.advice = (
            f"You signed in{who} with a personal account. Nothing was stored. "
            "Start again and choose your work or school account."
        )


class ProviderGone(AppError):
    """The session came by a way to sign in that is no longer configured."""

    status = 401
    kind = "provider-gone"
    title = "The way you signed in was switched off"
    advice = (
        "Sign in again with what this site offers now. What we kept of your old sign-in is deleted within the hour."
    )


class SignInUnavailable(SignInError):
    """The provider gave no usable answer when the code was to be redeemed; `retry_after` where it asks to wait."""

    status = 503
    kind = "sign-in-unavailable"
    title = "The sign-in service of Azure DevOps does not answer as it should"
    advice = "The trouble is there, not with you. Nothing was stored. Start the sign-in again in a moment."
    reason = "unavailable"


class UnknownProvider(NotFound):
    """No provider of this name is configured."""

    kind = "unknown-provider"
    title = "There is no such way to sign in here"
    advice = "The link that you followed is wrong or old. Start again from the home page: it shows the ways there are."


class SignInOff(UnknownProvider):
    """The provider is configured, but takes no new sign-ins (AZURE_DEVOPS_SIGN_IN)."""

    kind = "sign-in-off"
    title = "New sign-ins are switched off here"
    advice = "Sessions that are open go on. The home page shows whether there is another way to sign in."


class ProviderError(AppError):
    """The token service did not give tokens."""

    status = 503
    kind = "sign-in-service"
    title = "The sign-in service of Azure DevOps does not answer as it should"
    advice = "This signs nobody out. Try again in a moment."
    reason = "unavailable"

    def __init__(
        self,
        log: str = "",
        *,
        advice: str | None = None,
        retry_after: float | None = None,
        meaning: Meaning | None = None,
    ) -> None:
        """`meaning` has better words for this refusal of a sign-in than its class."""
        super().__init__(log, advice=advice, retry_after=retry_after)
        self.meaning = meaning


class GrantEnded(ProviderError):
    """The grant is over: expired, revoked or spent (`invalid_grant`, `interaction_required`)."""

    reason = "grant_ended"


class TokenTooLarge(GrantEnded):
    """A refresh brought a token that no row takes, and the one before it may be spent: only a new sign-in helps."""

    reason = "token_too_large"


class Suspect(ProviderError):
    """The legacy service's `invalid_request`: the grant may be over, or our own request may be wrong."""

    reason = "suspect"


class AppFault(ProviderError):
    """The service refuses this application: wrong or expired secret. Nobody can be refreshed until that is mended."""

    kind = "app-fault"
    title = "Azure DevOps refuses this application"
    advice = "That is not your fault: its registration or secret needs care by the people who run this site."
    reason = "app_fault"


class RequestRefused(ProviderError):
    """This one request is wrong: its code, its scope, its tenant, or all requests of ours, which only many can tell.

    Told to people in the words of an AppFault, but no cause to stop everybody's refresh or to try another secret.
    """

    kind = AppFault.kind
    title = AppFault.title
    advice = AppFault.advice
    reason = AppFault.reason


class NoSecret(AppFault):
    """There is no client secret to be had: trouble of our vault or identity, and no word of the service's."""

    title = _KEYS_AWAY
    advice = _OURS
    reason = "no_secret"


class Policy(ProviderError):
    """A policy of the person's company stands in the way."""

    status = 403
    kind = "policy"
    title = "A policy of your organization does not allow this"
    advice = "Ask your administrator. Nothing was changed."
    reason = "policy"


class Throttled(ProviderError):
    """The token service asks us to wait; `retry_after` says how long."""

    reason = "throttled"


class Unavailable(ProviderError):
    """No usable answer: network, time-out, 5xx, or a body that is no token response."""


class AnswerTooLarge(Unavailable):
    """An answer with tokens is longer than we read."""


class StoreError(AppError):
    """The token store does not answer, or not in time."""

    status = 503
    kind = "store-unavailable"
    title = "We can't reach our own storage right now"
    advice = _OURS

    def __init__(self, log: str = "", *, retry_after: float = 5) -> None:
        super().__init__(log, retry_after=retry_after)


class Fenced(StoreError):
    """The row was changed or removed since we read it (If-Match failed)."""


class Busy(StoreError):
    """Somebody else refreshes this connection and takes longer than we may wait."""

    kind = "refresh-busy"
    title = "Your access is just being renewed"
    advice = "That takes longer than it should. It signs nobody out. Try again in a moment."


class VaultError(AppError):
    """A secret of ours can't be had right now; `reason` is a fixed word for the log."""

    status = 503
    kind = "vault-unavailable"
    title = _KEYS_AWAY
    advice = _OURS

    def __init__(
        self, log: str = "", *, reason: str = "missing", pause: float = 0, request_id: str | None = None
    ) -> None:
        """`pause`: for how many seconds the vault wants to be left alone; `request_id`: its own name of the call."""
        super().__init__(log, retry_after=5)
        self.reason = reason
        self.pause = pause
        self.request_id = request_id


class TooLargeToStoreError(Exception):
    """A sealed value over 60 KiB; no answer of its own, a sign-in explains it."""


class Unreadable(AppError):
    """A sealed value does not open: damaged, moved to another place, or not ours. One class for all of it."""

    status = 503
    kind = "unreadable"
    title = "We can't read what we stored for you"
    advice = (
        "That is our fault, not yours. Sign in again: that stores it anew. If it does not help, tell the people who "
        "run this site, with the id below."
    )


class UnknownKey(Unreadable):
    """Sealed with a key that this process does not have (yet): retryable, never taken for damage."""

    kind = "unknown-key"
    title = "A key of ours is just being changed"
    advice = _OURS

    def __init__(self, log: str = "") -> None:
        super().__init__(log, retry_after=5)


class AzureDevOpsError(AppError):
    """The REST API did not give what was asked for."""

    status = 502
    kind = "azure-devops"
    title = "Azure DevOps gave an answer we can't use"
    advice = "That is between us and Azure DevOps, not your fault. Try again in a moment. " + _PERSISTS


class CallRefused(AzureDevOpsError):
    """The API finds a call itself wrong (400): a bug of ours, or a continuation that it never gave out."""


class TokenRejected(AzureDevOpsError):
    """The API does not take this access token (203, 302, 401, or HTML where JSON belongs; facts 4.8)."""

    status = 401
    kind = "token-rejected"
    title = "Azure DevOps does not take your access"
    advice = "Sign in again: that renews it. " + _PERSISTS


class ClaimsChallenge(AzureDevOpsError):
    """The API wants a token with more claims than a refresh can bring (facts 3.8); `claims` is compact JSON."""

    status = 401
    kind = "claims-challenge"
    title = "Microsoft wants you to confirm who you are"
    advice = (
        "A policy of your organization asks for more than your last sign-in gave. Sign in once more to confirm it. "
        "If you come back to this page then, ask the administrator of your organization."
    )

    def __init__(self, log: str, claims: str) -> None:
        super().__init__(log)
        self.claims = claims


class AccessDenied(AzureDevOpsError):
    """The person may not see this: a missing permission, or a policy of the organization (403, TF400813)."""

    status = 403
    kind = "access-denied"
    title = "You have no access to this in Azure DevOps"
    advice = (
        "Either you lack the permission, or the organization does not allow applications like this one "
        "(policy “Third-party application access via OAuth”). Ask an administrator of the organization."
    )
    reason = "access_denied"


class ScopeMissing(AzureDevOpsError):
    """The token lacks the scope that this API needs; `scope` names it."""

    status = 403
    kind = "scope-missing"
    title = "This site was not granted that permission"
    reason = "scope_missing"

    def __init__(self, scope: str) -> None:
        super().__init__(
            f"scope {scope}",
            advice=f"The scope “{scope}” is missing. Where this site asks for it, signing in again grants it; else the "
            "people who run it add it to the registration and to AZURE_DEVOPS_SCOPES first.",
        )
        self.scope = scope


class Absent(AzureDevOpsError):
    """Not there, or not for this person's eyes: Azure DevOps does not tell which."""

    status = 404
    kind = "absent"
    title = "Azure DevOps knows nothing by this name"
    advice = (
        "It does not exist, was renamed, or you may not see it. Check the name, or ask an administrator of the "
        "organization for access."
    )


class NotAllowedHere(Absent):
    """An organization that ALLOWED_ORGANIZATIONS leaves out: for the person the same as one that does not exist."""

    reason = "organization_not_allowed"


class ApiThrottled(AzureDevOpsError):
    """Azure DevOps asks this person's requests to wait; `retry_after` says how long."""

    status = 503
    kind = "throttled"
    title = "Azure DevOps asks you to slow down"
    advice = "It had many requests from you in a short time. It goes on by itself after a pause."


class ApiUnavailable(AzureDevOpsError):
    """Azure DevOps is down, too slow, or this organization is out of service."""

    status = 503
    kind = "azure-devops-unavailable"
    title = "Azure DevOps does not answer"
    advice = (
        "The trouble is there: neither you nor this site can mend it. It signs nobody out. Try again in a moment, or "
        "look at status.dev.azure.com."
    )


def explained[E: (SignInError, ProviderError)](error: E, meaning: Meaning | None) -> E:
    """The error with the words of a code in place of those of its class; its class, and so what happens, stays."""
    if meaning:
        error.reason, error.title, error.advice = meaning
    return error
