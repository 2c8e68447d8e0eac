"""The managed identity of App Service: `IDENTITY_ENDPOINT` with `IDENTITY_HEADER`, api-version 2019-08-01."""

import time
from collections.abc import Callable

from tools.simulator.messages import Request, Response, json_response
from tools.vault.settings import IDENTITY, Settings
from tools.vault.tokens import RESOURCES, Caller, mint

PATH = "/msi/token"


def answer(request: Request, settings: Settings, key: bytes, now: Callable[[], float] = time.time) -> Response:
    """A token as the platform gives it; `expires_on` is a text with unix seconds."""
    caller = caller_of(request, settings)
    if caller is None:
        return _refused(401, "the X-IDENTITY-HEADER is missing or wrong")
    if request.method != "GET" or request.query.get("api-version") != "2019-08-01":
        return _refused(400, "api-version 2019-08-01 is needed")
    resource = request.query.get("resource", "")
    if resource not in RESOURCES:
        return _refused(400, f"no such resource: {resource}")
    if request.query.get("client_id", IDENTITY if caller.is_deployer else "") != IDENTITY:
        return _refused(400, "No User Assigned or Delegated Managed Identity found for specified ClientId")
    body = {
        "access_token": mint(caller, resource, key, settings.token_lifetime, now),
        "client_id": IDENTITY,
        "expires_on": str(int(now()) + settings.token_lifetime),
        "resource": resource,
        "token_type": "Bearer",
    }
    return json_response(body)


def caller_of(request: Request, settings: Settings) -> Caller | None:
    """Who shows this header."""
    header = request.headers.get("x-identity-header", "")
    if header and header == settings.deployer:
        return Caller("deployer", is_deployer=True)
    instance = settings.instances.get(header)
    return Caller(instance) if instance else None


def _refused(status: int, message: str) -> Response:
    return json_response({"statusCode": status, "message": message}, status)
