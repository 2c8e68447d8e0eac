"""Entra's errors: AADSTS codes, what `error` each comes with, and the body of the token endpoint (facts 3.3, 3.5)."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from tools.simulator.messages import Response, json_response

NO_STORE = [("Cache-Control", "no-store"), ("Pragma", "no-cache")]


@dataclass(frozen=True)
class Failure:
    """One failure. `sign_in_error` is the `error` at the authorize endpoint where it differs from the token's;
    `page`: Microsoft shows it itself, without a way back to the application."""

    code: int
    error: str
    text: str
    status: int = 400
    suberror: str = ""
    claims: str = ""
    sign_in_error: str = ""
    page: bool = False

    def description(self, moment: datetime, trace: str, correlation: str) -> str:
        """As on the wire: the lines are parted by \\r\\n."""
        return (
            f"AADSTS{self.code}: {self.text}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\n"
            f"Timestamp: {_timestamp(moment)}"
        )

    def parameters(self, moment: datetime) -> dict[str, str]:
        """What is sent back to the application by the authorize endpoint, without `state`."""
        claims = {"claims": self.claims} if self.claims else {}
        cancelled = {"error_subcode": "cancel"} if self.code == DECLINED else {}
        return {
            "error": self.sign_in_error or self.error,
            **cancelled,
            "error_description": self.description(moment, str(uuid4()), str(uuid4())),
            "error_uri": _error_uri(self.code),
            **claims,
        }

    def response(self, moment: datetime) -> Response:
        """The answer of the token endpoint."""
        trace, correlation = str(uuid4()), str(uuid4())
        body: dict[str, Any] = {
            "error": self.error,
            "error_description": self.description(moment, trace, correlation),
            "error_codes": [self.code],
            "timestamp": _timestamp(moment),
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": _error_uri(self.code),
        }
        if self.suberror:
            body["suberror"] = self.suberror
        if self.claims:
            body["claims"] = self.claims
        return json_response(body, self.status, NO_STORE)


class EntraError(Exception):
    """Ends a call to Entra with this failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code)
        self.failure = failure


def failing(code: int, text: str = "", **changes: Any) -> EntraError:
    """The failure of the table with this code, its text replaced where one is given."""
    known = FAILURES[code]
    return EntraError(replace(known, text=text or known.text, **changes))


def injected(action: int | dict[str, Any]) -> Failure:
    """The failure that a fault rule asks for: a code, or an object with `code` and what differs from the table."""
    wanted = {"code": action} if isinstance(action, int) else dict(action)
    known = FAILURES.get(wanted["code"], Failure(wanted["code"], "invalid_request", "A failure made for a test."))
    return replace(known, **wanted)


def _timestamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def _error_uri(code: int) -> str:
    return f"https://login.microsoftonline.com/error?code={code}"


DECLINED = 65004
_MFA = "Due to a configuration change made by your administrator, or because you moved to a new location, you must "
_TABLE = (
    # At the authorize endpoint, without a way back.
    Failure(50011, "invalid_request", "The redirect URI specified in the request does not match the redirect URIs "
            "configured for the application.", page=True),
    Failure(700016, "unauthorized_client", "Application was not found in the directory. This can happen if the "
            "application has not been installed by the administrator of the tenant.", page=True),
    Failure(700011, "unauthorized_client", "Application in the request was not found in the directory.", page=True),
    Failure(50194, "invalid_request", "Application is not configured as a multi-tenant application. Usage of the "
            "/common endpoint is not supported for such apps. Use a tenant-specific endpoint.", page=True),
    Failure(90002, "invalid_request", "Tenant not found. Check to make sure you have the correct tenant ID.",
            page=True),
    Failure(50020, "invalid_grant", "User account from identity provider does not exist in tenant and cannot access "
            "the application in that tenant. Sign out and sign in again with a different account.", page=True),
    Failure(500208, "invalid_grant", "The domain is not a valid login domain for the account type. You can't sign "
            "in here with a personal account. Use your work or school account instead.", page=True),
    Failure(50034, "invalid_grant", "The user account does not exist in the directory.", page=True),
    Failure(51004, "invalid_grant", "The user account does not exist in the tenant. To sign into this application, "
            "the account must be added to the directory.", page=True),
    # Consent, assignment and policy.
    Failure(DECLINED, "access_denied", "User declined to consent to access the app."),
    Failure(65001, "invalid_grant", "The user or administrator has not consented to use the application. Send an "
            "interactive authorization request for this user and resource.", suberror="consent_required",
            sign_in_error="consent_required"),
    Failure(90094, "access_denied", "The grant requires admin permission. An administrator of your organization must "
            "approve the application."),
    Failure(50105, "invalid_grant", "Your administrator has configured the application to block users unless they "
            "are specifically granted ('assigned') access to the application.", sign_in_error="access_denied"),
    Failure(53003, "invalid_grant", "Access has been blocked by Conditional Access policies. The access policy does "
            "not allow token issuance.", suberror="message_only", sign_in_error="access_denied"),
    Failure(53000, "invalid_grant", "Your device is required to be managed to access this resource.",
            suberror="message_only", sign_in_error="access_denied"),
    Failure(53001, "invalid_grant", "Your device is required to be domain-joined to access this resource.",
            suberror="message_only", sign_in_error="access_denied"),
    Failure(50076, "interaction_required", _MFA + "use multi-factor authentication.", suberror="basic_action"),
    Failure(50079, "interaction_required", _MFA + "enroll in multi-factor authentication.", suberror="basic_action"),
    Failure(50072, "interaction_required", _MFA + "enroll in multi-factor authentication.", suberror="basic_action"),
    Failure(50074, "interaction_required", "Strong authentication is required.", suberror="basic_action"),
    Failure(50078, "interaction_required", "Presented multi-factor authentication has expired due to policies "
            "configured by your administrator, you must refresh it.", suberror="basic_action"),
    Failure(50058, "login_required", "A silent sign-in request was sent but no user is signed in."),
    Failure(16000, "interaction_required", "Either multiple user identities are available for the current request "
            "or the selected account is not supported."),
    # Codes and refresh tokens.
    Failure(54005, "invalid_grant", "OAuth2 Authorization code was already redeemed, please retry with a new valid "
            "code or use an existing refresh token."),
    Failure(70008, "invalid_grant", "The provided authorization code or refresh token has expired due to inactivity. "
            "Send a new interactive authorization request for this user and resource."),
    Failure(700082, "invalid_grant", "The refresh token has expired due to inactivity. The token was inactive for "
            "90.00:00:00."),
    Failure(70043, "invalid_grant", "The refresh token has expired or is invalid due to sign-in frequency checks by "
            "conditional access.", suberror="token_expired"),
    Failure(50173, "invalid_grant", "The provided grant has expired due to it being revoked, a fresh auth token is "
            "needed.", suberror="bad_token"),
    Failure(70000, "invalid_grant", "Provided grant is invalid or malformed."),
    Failure(500112, "invalid_grant", "The reply address does not match the reply address provided when requesting "
            "the authorization code."),
    Failure(501481, "invalid_grant", "The Code_Verifier does not match the code_challenge supplied in the "
            "authorization request."),
    Failure(50196, "invalid_grant", "The server terminated an operation because it encountered a client request "
            "loop. Please contact your app vendor."),
    # The client.
    Failure(7000215, "invalid_client", "Invalid client secret provided. Ensure the secret being sent in the request "
            "is the client secret value, not the client secret ID.", status=401),
    Failure(7000222, "invalid_client", "The provided client secret keys for the application are expired.", status=401),
    Failure(7000218, "invalid_client", "The request body must contain the following parameter: 'client_assertion' or "
            "'client_secret'.", status=401),
    Failure(70002, "invalid_client", "Error validating credentials.", status=401),
    Failure(50027, "invalid_client", "JWT token is invalid or malformed.", status=401),
    Failure(700024, "invalid_client", "Client assertion is not within its valid time range.", status=401),
    Failure(700211, "invalid_client", "No matching federated identity record found for presented assertion issuer.",
            status=401),
    Failure(700212, "invalid_client", "No matching federated identity record found for presented assertion audience.",
            status=401),
    Failure(700213, "invalid_client", "No matching federated identity record found for presented assertion subject.",
            status=401),
    # The request.
    Failure(900144, "invalid_request", "The request body must contain a parameter that is missing."),
    Failure(900561, "invalid_request", "The endpoint only accepts POST requests."),
    Failure(9002313, "invalid_request", "Invalid request. Request is malformed or invalid."),
    Failure(70003, "unsupported_grant_type", "The app returned an unsupported grant type."),
    Failure(70005, "unsupported_response_type", "The app returned an unsupported response type."),
    Failure(70007, "invalid_request", "'response_mode' has an unsupported value."),
    Failure(50147, "invalid_request", "Invalid size or method of the Code_Challenge parameter."),
    Failure(70011, "invalid_scope", "The provided value for the input parameter 'scope' is not valid."),
    Failure(28000, "invalid_scope", "Provided value for the input parameter scope is not valid because it contains "
            "more than one resource."),
    Failure(28002, "invalid_scope", "Provided value for the input parameter scope is not valid when requesting an "
            "access token."),
    Failure(650053, "invalid_scope", "The application asked for a scope that doesn't exist on the resource."),
)  # fmt: skip
FAILURES = {each.code: each for each in _TABLE}
