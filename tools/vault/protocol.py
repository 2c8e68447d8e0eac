"""The secrets API on the wire: paths, checks and bodies (swagger stable 2026-04-01 and recorded traffic)."""

import base64
import binascii
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec

from tools.simulator.messages import Headers, Request, Response, json_response
from tools.vault.secrets import RECOVERABLE_DAYS, RECOVERY_LEVEL, RefusalError, Secret, Store, Version
from tools.vault.settings import OFFICER, PERMISSIONS, TENANT, Settings
from tools.vault.tokens import OBJECT_ID, VAULT, Caller, RefusedError, read

API_VERSIONS = ("2016-10-01", "7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01", "2026-04-01")
NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
CHALLENGE = f'Bearer authorization="https://login.windows.net/{TENANT}", resource="{VAULT}"'
PAGE = 25
MAX_VALUE_BYTES = 25 * 1024
MAX_CONTENT_TYPE = 255
MAX_TAGS = 15
SECONDS_OF_A_DAY = 86_400
_ATTRIBUTES = {"enabled": bool, "nbf": int, "exp": int}


@dataclass(frozen=True)
class Call:
    """A request that was let in: its parts, and the origin that answers name."""

    request: Request
    parts: Sequence[str]
    origin: str

    @property
    def name(self) -> str:
        return self.parts[1]

    def body(self) -> dict[str, Any]:
        try:
            body = msgspec.json.decode(self.request.body)
        except msgspec.DecodeError:
            raise _bad("the body is no JSON") from None
        if not isinstance(body, dict):
            raise _bad("the body is no object")
        return body


class Protocol:
    """Answers a request as the service does."""

    def __init__(self, store: Store, settings: Callable[[], Settings], key: bytes) -> None:
        self._store = store
        self._settings = settings
        self._key = key

    def caller(self, request: Request) -> Caller | None:
        """Who calls, for the log; None for a token that is not taken."""
        try:
            return read(_bearer(request), self._key)
        except RefusedError:
            return None

    def answer(self, request: Request) -> Response:
        """Identity first: a challenged call arrives with an empty body, and nothing of it is acted on."""
        try:
            response = self._admitted(request)
        except RefusedError as refused:
            error = {"error": {"code": "Unauthorized", "message": str(refused)}}
            response = json_response(error, 401, [("WWW-Authenticate", CHALLENGE)])
        except RefusalError as refusal:
            response = _error(refusal)
        return Response(response.status, [*response.headers, *_headers(request)], response.body)

    def _admitted(self, request: Request) -> Response:
        settings = self._settings()
        caller = read(_bearer(request) if settings.tokens_accepted else None, self._key)
        if settings.throttled:
            raise RefusalError(
                429,
                "Throttled",
                "Request was not processed because too many requests were received. "
                "Reason: VaultRequestTypeLimitReached",
            )
        if settings.firewall and not caller.is_deployer:
            raise _firewall(caller)
        if request.query.get("api-version") not in API_VERSIONS:
            raise _bad("api-version is missing or unknown")
        call = Call(request, request.segments, f"https://{request.headers.get('host', '').removesuffix(':443')}")
        permission, needs_write, work = self._route(call)
        scope = call.parts[1].lower() if len(call.parts) > 1 else ""
        if not self._may(caller, permission, scope):
            raise _forbidden(caller, permission, call.request.path)
        if needs_write and settings.read_only:
            raise RefusalError(403, "Forbidden", "The vault is in read-only mode.", "VaultReadOnly")
        return work(call)

    def _route(self, call: Call) -> tuple[str, bool, Callable[[Call], Response]]:
        """Permission, whether it writes, and what to do; the shape of the path decides."""
        shape = call.parts[0] if call.parts else "", len(call.parts), call.request.method
        versions = len(call.parts) == 3 and call.parts[2] == "versions"
        recover = len(call.parts) == 3 and call.parts[2] == "recover"
        table: dict[tuple[str, int, str], tuple[str, bool, Callable[[Call], Response]]] = {
            ("secrets", 1, "GET"): ("readMetadata", False, self._list),
            ("secrets", 2, "PUT"): ("setSecret", True, self._set),
            ("secrets", 2, "GET"): ("getSecret", False, self._get),
            ("secrets", 2, "PATCH"): ("update", True, self._update),
            ("secrets", 2, "DELETE"): ("delete", True, self._delete),
            ("secrets", 3, "GET"): ("readMetadata", False, self._versions)
            if versions
            else ("getSecret", False, self._get),
            ("secrets", 3, "PATCH"): ("update", True, self._update),
            ("deletedsecrets", 1, "GET"): ("readMetadata", False, self._list_deleted),
            ("deletedsecrets", 2, "GET"): ("readMetadata", False, self._deleted),
            ("deletedsecrets", 2, "DELETE"): ("purge", True, self._purge),
        }
        if recover and shape[0] == "deletedsecrets" and shape[2] == "POST":
            found: tuple[str, bool, Callable[[Call], Response]] | None = ("recover", True, self._recover)
        else:
            found = table.get(shape)
        if found is None:
            raise RefusalError(405, "MethodNotAllowed", f"HTTP {call.request.method} not allowed")
        if len(call.parts) > 1 and not NAME.fullmatch(call.parts[1]):
            raise _bad(f"The request URI contains an invalid name: {call.parts[1]}")
        return found

    def _may(self, caller: Caller, permission: str, scope: str) -> bool:
        if caller.is_deployer:
            return permission in PERMISSIONS[OFFICER]
        roles = self._settings().roles
        given = [roles[each] for each in ("/", scope) if each in roles]
        return any(permission in PERMISSIONS[role] for role in given)

    def _set(self, call: Call) -> Response:
        body = call.body()
        value = body.get("value")
        if not isinstance(value, str) or len(value.encode()) > MAX_VALUE_BYTES:
            raise _bad("value is missing, no text, or longer than 25 KB")
        secret, made = self._store.set(call.name, value, **_given(body, {"value"}))
        return json_response({"value": made.value, **_bundle(call, secret, made)})

    def _get(self, call: Call) -> Response:
        secret, found = self._store.get(call.name, _version_of(call))
        return json_response({"value": found.value, **_bundle(call, secret, found)})

    def _update(self, call: Call) -> Response:
        secret, changed = self._store.update(call.name, _version_of(call), **_given(call.body(), set()))
        return json_response(_bundle(call, secret, changed))

    def _versions(self, call: Call) -> Response:
        name, versions = self._store.versions(call.name)
        secret = Secret(name, versions)
        return _page(call, [_bundle(call, secret, each) for each in versions])

    def _list(self, call: Call) -> Response:
        items = [_bundle(call, each, each.current) for each in self._store.all()]
        return _page(call, [item | {"id": item["id"].rpartition("/")[0]} for item in items])

    def _list_deleted(self, call: Call) -> Response:
        items = [_deleted_bundle(call, each) for each in self._store.all_deleted()]
        return _page(call, [item | {"id": item["id"].rpartition("/")[0]} for item in items])

    def _delete(self, call: Call) -> Response:
        return json_response(_deleted_bundle(call, self._store.delete(call.name)))

    def _deleted(self, call: Call) -> Response:
        return json_response(_deleted_bundle(call, self._store.deleted(call.name)))

    def _recover(self, call: Call) -> Response:
        return json_response(_bundle(call, *self._store.recover(call.name)))

    def _purge(self, call: Call) -> Response:
        self._store.purge(call.name)
        return Response(204)


def _bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _version_of(call: Call) -> str:
    return call.parts[2] if len(call.parts) == 3 else ""


def _given(body: dict[str, Any], others: set[str]) -> dict[str, Any]:
    """The changes that a body asks for, each of its declared type. Raises RefusalError."""
    attributes, content_type, tags = body.get("attributes") or {}, body.get("contentType"), body.get("tags")
    if unknown := set(body) - others - {"attributes", "contentType", "tags"}:
        raise _bad(f"unknown {', '.join(sorted(unknown))}")
    if not isinstance(attributes, dict) or any(type(it) is not _ATTRIBUTES.get(key) for key, it in attributes.items()):
        raise _bad("attributes")
    if content_type is not None and (not isinstance(content_type, str) or len(content_type) > MAX_CONTENT_TYPE):
        raise _bad("contentType")
    if tags is not None and (not isinstance(tags, dict) or len(tags) > MAX_TAGS):
        raise _bad("tags")
    given = {**attributes, "content_type": content_type, "tags": tags}
    return {key: value for key, value in given.items() if value is not None}


def _bundle(call: Call, secret: Secret, version: Version) -> dict[str, Any]:
    """Without the value; what is not set is left out, in the order of the recorded answers."""
    attributes = {
        "enabled": version.enabled,
        "nbf": version.nbf,
        "exp": version.exp,
        "created": version.created,
        "updated": version.updated,
        "recoveryLevel": RECOVERY_LEVEL,
        "recoverableDays": RECOVERABLE_DAYS,
    }
    bundle = {
        "contentType": version.content_type,
        "id": f"{call.origin}/secrets/{secret.name}/{version.id}",
        "attributes": {key: value for key, value in attributes.items() if value is not None},
        "tags": version.tags,
    }
    return {key: value for key, value in bundle.items() if value is not None}


def _deleted_bundle(call: Call, secret: Secret) -> dict[str, Any]:
    deleted = int(secret.deleted_at or 0)
    return {
        "recoveryId": f"{call.origin}/deletedsecrets/{secret.name}",
        "deletedDate": deleted,
        "scheduledPurgeDate": deleted + RECOVERABLE_DAYS * SECONDS_OF_A_DAY,
        **_bundle(call, secret, secret.current),
    }


def _page(call: Call, items: Sequence[dict[str, Any]]) -> Response:
    """One page; the token of the next one names its first item, and its link the host that the client used."""
    given = call.request.query.get("maxresults", str(PAGE))
    if not (given.isascii() and given.isdigit() and 1 <= int(given) <= PAGE):
        raise _bad("maxresults must be between 1 and 25")
    size, start = int(given), _start(call, items)
    following = items[start + size : start + size + 1]
    return json_response(
        {"value": list(items[start : start + size]), "nextLink": _link(call, following[0]["id"]) if following else None}
    )


def _start(call: Call, items: Sequence[dict[str, Any]]) -> int:
    token = call.request.query.get("$skiptoken")
    if token is None:
        return 0
    try:
        marker = msgspec.json.decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))["NextMarker"]
    except (binascii.Error, ValueError, KeyError, TypeError, msgspec.DecodeError):
        raise _bad("$skiptoken") from None
    return next((index for index, item in enumerate(items) if item["id"].endswith(str(marker))), len(items))


def _link(call: Call, first: str) -> str:
    marker = msgspec.json.encode({"NextMarker": first.rpartition("//")[2].partition("/")[2], "TargetLocation": 0})
    token = base64.urlsafe_b64encode(marker).decode().rstrip("=")
    host = call.request.headers.get("host", "")
    query = call.request.query
    size = f"&maxresults={query['maxresults']}" if "maxresults" in query else ""
    port = "" if ":" in host else ":443"
    path = quote(call.request.path)
    return f"https://{host}{port}{path}?api-version={query['api-version']}&$skiptoken={token}{size}"


def _headers(request: Request) -> Headers:
    """What every recorded answer carries."""
    headers = [
        ("Cache-Control", "no-cache"),
        ("Pragma", "no-cache"),
        ("Expires", "-1"),
        ("Strict-Transport-Security", "max-age=31536000;includeSubDomains"),
        ("X-Content-Type-Options", "nosniff"),
        ("x-ms-keyvault-network-info", "conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;"),
        ("x-ms-keyvault-region", "loopback"),
        ("x-ms-keyvault-service-version", "1.9.576.1"),
        ("x-ms-request-id", str(uuid.uuid4())),
    ]
    if client_id := request.headers.get("x-ms-client-request-id"):
        headers.append(("x-ms-client-request-id", client_id))
    if "authorization" in request.headers:
        headers.append(("x-ms-keyvault-rbac-assignment-id", str(uuid.uuid5(uuid.NAMESPACE_URL, VAULT))))
        headers.append(("x-ms-keyvault-rbac-cache", "ra_age=7;da_age=2695;rd_age=2695;brd_age=22272;"))
    return headers


def _error(refusal: RefusalError) -> Response:
    body: dict[str, Any] = {"code": refusal.code, "message": refusal.message}
    if refusal.inner:
        body["innererror"] = {"code": refusal.inner}
    return json_response({"error": body}, refusal.status)


def _bad(message: str) -> RefusalError:
    """The service's own words for these are not known."""
    return RefusalError(400, "BadParameter", message)


def _forbidden(caller: Caller, permission: str, path: str) -> RefusalError:
    action = f"Microsoft.KeyVault/vaults/secrets/{permission}/action"
    return RefusalError(
        403,
        "Forbidden",
        "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role "
        "definitions were changed recently, please observe propagation time.\r\n"
        f"Caller: appid={caller.instance};oid={OBJECT_ID}\r\nAction: '{action}'\r\nResource: '{path}'\r\n"
        "Assignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: 'DeniedWithNoValidRBAC' \r\n"
        "Vault: local;location=loopback\r\n",
        "ForbiddenByRbac",
    )


def _firewall(caller: Caller) -> RefusalError:
    return RefusalError(
        403,
        "Forbidden",
        "Client address is not authorized and caller is not a trusted service.\r\nClient address: 127.0.0.1\r\n"
        f"Caller: appid={caller.instance};oid={OBJECT_ID}\r\nVault: local;location=loopback",
        "ForbiddenByFirewall",
    )
