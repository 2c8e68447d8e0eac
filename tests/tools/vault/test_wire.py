"""The vault's answers beside the service's own: recorded traffic, and the swagger with nothing undeclared."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.tools.simulator.swagger import validator
from tools.simulator.messages import Request, Response
from tools.vault.protocol import API_VERSIONS, CHALLENGE, Protocol
from tools.vault.secrets import Store
from tools.vault.settings import OFFICER, USER, Settings
from tools.vault.tokens import VAULT, Caller, mint

RECORDED = Path(__file__).parents[2] / "data" / "specs" / "keyvault" / "recorded" / "wire-extract.json"
SPEC = "keyvault/2026-04-01/secrets.json"
KEY = b"k" * 32
APP, DEPLOYER = Caller("host-0"), Caller("deployer", is_deployer=True)
Q = "?api-version=2026-04-01"


class Vault:
    """The protocol without a server."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0
        self.settings = Settings(delete_seconds=5)
        self.store = Store(lambda: self.time, lambda: self.settings.delete_seconds)
        self.protocol = Protocol(self.store, lambda: self.settings, KEY)

    def call(
        self, method: str, target: str, body: Any = None, *, caller: Caller | None = DEPLOYER, token: str | None = None
    ) -> Response:
        headers = {"host": "keyvault-name.vault.azure.net", "x-ms-client-request-id": "mine"}
        token = token or (mint(caller, VAULT, KEY, 86_400) if caller else None)
        if token:
            headers["authorization"] = f"Bearer {token}"
        return self.protocol.answer(Request(method, target, headers, json.dumps(body).encode() if body else b""))

    def json(self, method: str, target: str, body: Any = None, *, caller: Caller = DEPLOYER, status: int = 200) -> Any:
        answer = self.call(method, target, body, caller=caller)
        assert answer.status == status, answer.body
        return json.loads(answer.body) if answer.body else None


@pytest.fixture
def vault() -> Vault:
    return Vault()


def entries() -> list[dict[str, Any]]:
    return json.loads(RECORDED.read_text("utf-8"))["entries"]


def shape(value: Any, key: str = "") -> Any:
    """Names in their order and kinds of values; texts that the service words itself are compared as they are."""
    if isinstance(value, dict):
        return {name: shape(each, name) for name, each in value.items()}, list(value)
    if isinstance(value, list):
        return [shape(each) for each in value]
    if key in ("code", "message", "recoveryLevel", "recoverableDays", "enabled"):
        return value
    if key in ("id", "recoveryId", "nextLink") and isinstance(value, str):
        known = re.sub(r"skiptoken=[^&]+", "skiptoken=T", value)
        return re.sub(r"[0-9a-f]{32}", "V", known).replace("keyvault_name", "keyvault-name")
    return type(value).__name__


def prepare(vault: Vault, name: str, secret: str) -> None:
    """What had happened before a recorded call."""
    if name.startswith("versions page"):
        for value in ("a", "b", "c"):
            vault.store.set(secret, value)
    elif "disabled" in name:
        vault.store.set(secret, "v", enabled=False)
    elif name == "delete" or name.startswith("deleted"):
        vault.store.set(secret, "v")
    if name.startswith("deleted"):
        vault.store.delete(secret)
        vault.time += 10 if "later" in name else 0


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry["name"])
def test_a_recorded_call_gets_the_recorded_answer(vault: Vault, entry: dict[str, Any]) -> None:
    """Status, names and order of members, wording of errors, headers where they were recorded."""
    asked, recorded = entry["request"], entry["response"]
    target = asked["path"].replace("7.4-preview.1", "7.4")
    parts = target.partition("?")[0].split("/")
    if "set" not in entry["name"]:
        prepare(vault, entry["name"], parts[2])
    if "skiptoken" in target:
        link = vault.json("GET", f"/secrets/{parts[2]}/versions?api-version=7.3&maxresults=1")["nextLink"]
        if "page 3" in entry["name"]:
            link = vault.json("GET", link.partition(":443")[2])["nextLink"]
        target = link.partition(":443")[2]
    answer = vault.call(asked["method"], target, asked.get("body"), caller=DEPLOYER if asked["authorization"] else None)
    assert answer.status == recorded["status"]
    assert shape(json.loads(answer.body)) == shape(recorded["body"])
    got = {name.lower() for name, _ in answer.headers}
    assert {name.lower() for name in recorded.get("headers", {})} - {"content-length"} <= got


def problems(path: str, method: str, body: Any) -> list[str]:
    return [error.message[:300] for error in validator(SPEC, path, method).iter_errors(body)]


def test_every_answer_is_one_that_the_swagger_declares(vault: Vault) -> None:
    one = "/secrets/{secret-name}/{secret-version}"
    full = {
        "value": "v",
        "contentType": "text/plain",
        "tags": {"a": "b"},
        "attributes": {"exp": 2_000_000_000, "nbf": 1},
    }
    made = vault.json("PUT", f"/secrets/alpha{Q}", full)
    version = made["id"].rpartition("/")[2]
    assert problems("/secrets/{secret-name}", "put", made) == []
    assert problems(one, "get", vault.json("GET", f"/secrets/alpha/{Q}")) == []
    assert problems(one, "get", vault.json("GET", f"/secrets/alpha/{version}{Q}")) == []
    changed = vault.json("PATCH", f"/secrets/alpha/{version}{Q}", {"attributes": {"enabled": False}})
    assert problems(one, "patch", changed) == []
    vault.store.set("beta", "v")
    assert problems("/secrets", "get", vault.json("GET", f"/secrets{Q}&maxresults=1")) == []
    assert problems("/secrets/{secret-name}/versions", "get", vault.json("GET", f"/secrets/alpha/versions{Q}")) == []
    assert problems("/secrets/{secret-name}", "delete", vault.json("DELETE", f"/secrets/beta{Q}")) == []
    vault.time += 10
    assert problems("/deletedsecrets", "get", vault.json("GET", f"/deletedsecrets{Q}")) == []
    assert problems("/deletedsecrets/{secret-name}", "get", vault.json("GET", f"/deletedsecrets/beta{Q}")) == []
    recovered = vault.json("POST", f"/deletedsecrets/beta/recover{Q}")
    assert problems("/deletedsecrets/{secret-name}/recover", "post", recovered) == []
    assert vault.json("GET", f"/secrets/beta{Q}")["value"] == "v"


REFUSED = {
    "no api-version": ("GET", "/secrets/alpha/", None, 400),
    "unknown api-version": ("GET", "/secrets/alpha/?api-version=2021-01-01", None, 400),
    "underscore in a name": ("PUT", f"/secrets/a_b{Q}", {"value": "v"}, 400),
    "escaped slash in a name": ("PUT", f"/secrets/a%2Fb{Q}", {"value": "v"}, 400),
    "no value": ("PUT", f"/secrets/alpha{Q}", {"attributes": {}}, 400),
    "value over 25 KB": ("PUT", f"/secrets/alpha{Q}", {"value": "v" * 25_601}, 400),
    "16 tags": ("PUT", f"/secrets/alpha{Q}", {"value": "v", "tags": {str(n): "" for n in range(16)}}, 400),
    "unknown member": ("PUT", f"/secrets/alpha{Q}", {"value": "v", "expires": 1}, 400),
    "exp as text": ("PATCH", f"/secrets/alpha{Q}", {"attributes": {"exp": "2026"}}, 400),
    "no maxresults": ("GET", f"/secrets/alpha/versions{Q}&maxresults=0", None, 400),
    "maxresults beyond 25": ("GET", f"/secrets/alpha/versions{Q}&maxresults=26", None, 400),
    "POST": ("POST", f"/secrets/alpha{Q}", {"value": "v"}, 405),
    "no such path": ("GET", f"/keys/alpha{Q}", None, 405),
    "missing version": ("GET", f"/secrets/alpha/{'0' * 32}{Q}", None, 404),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_service_would_refuse_is_refused(vault: Vault, case: str) -> None:
    method, target, body, status = REFUSED[case]
    vault.store.set("alpha", "v")
    answer = vault.json(method, target, body, status=status)
    assert set(answer["error"]) <= {"code", "message", "innererror"}


@pytest.mark.parametrize("version", API_VERSIONS)
def test_every_stable_api_version_is_taken(vault: Vault, version: str) -> None:
    vault.store.set("alpha", "v")
    assert vault.json("GET", f"/secrets/alpha/?api-version={version}")["value"] == "v"


TOKENS = {
    "another audience": (mint(APP, f"{VAULT}/", KEY, 86_400), "AKV10022"),
    "expired": (mint(APP, VAULT, KEY, -60), "AKV10046"),
    "another key": (mint(APP, VAULT, b"x" * 32, 86_400), "AKV10046"),
    "no token": ("nonsense", "AKV10046"),
}


@pytest.mark.parametrize("case", TOKENS)
def test_a_bad_token_is_challenged_and_nothing_is_done(vault: Vault, case: str) -> None:
    token, code = TOKENS[case]
    answer = vault.call("PUT", f"/secrets/alpha{Q}", {"value": "v"}, token=token)
    assert (answer.status, dict(answer.headers)["WWW-Authenticate"]) == (401, CHALLENGE)
    assert code in answer.body.decode()
    assert vault.store.all() == []


ROLES = [
    ({"alpha": USER}, "GET", f"/secrets/alpha/{Q}", 200),
    ({"alpha": USER}, "GET", f"/secrets/alpha/versions{Q}", 200),
    ({"alpha": USER}, "GET", f"/secrets/beta/{Q}", 403),
    ({"alpha": USER}, "GET", f"/secrets{Q}", 403),
    ({"alpha": USER}, "PUT", f"/secrets/alpha{Q}", 403),
    ({"alpha": OFFICER}, "PUT", f"/secrets/alpha{Q}", 200),
    ({"/": USER}, "GET", f"/secrets{Q}", 200),
    ({"/": USER}, "DELETE", f"/secrets/alpha{Q}", 403),
    ({}, "GET", f"/secrets/missing/{Q}", 403),
]


@pytest.mark.parametrize(("roles", "method", "target", "status"), ROLES)
def test_a_role_counts_at_its_scope_and_for_its_actions(
    vault: Vault, roles: dict[str, str], method: str, target: str, status: int
) -> None:
    """Also where there is nothing: who has no role learns nothing of what is there."""
    for name in ("alpha", "beta"):
        vault.store.set(name, "v")
    vault.settings = Settings(roles=roles)
    body = {"value": "v"} if method == "PUT" else None
    answer = vault.json(method, target, body, caller=APP, status=status)
    if status == 403:
        assert answer["error"]["innererror"]["code"] == "ForbiddenByRbac"


def test_versions_come_in_the_order_of_their_ids_and_in_pages(vault: Vault) -> None:
    """The order is no order of time (recorded); all pages together are all versions, each once."""
    made = [vault.store.set("alpha", str(number))[1].id for number in range(60)]
    found: list[str] = []
    target = f"/secrets/alpha/versions{Q}"
    while target:
        page = vault.json("GET", target)
        assert len(page["value"]) <= 25
        assert not any("value" in item for item in page["value"])
        found += [item["id"].rpartition("/")[2] for item in page["value"]]
        target = (page["nextLink"] or "").partition(":443")[2]
    assert found == sorted(made)


def test_a_deleted_name_is_taken_until_it_is_recovered_or_purged(vault: Vault) -> None:
    vault.store.set("alpha", "v")
    vault.json("DELETE", f"/secrets/alpha{Q}")
    inner = [vault.json("PUT", f"/secrets/alpha{Q}", {"value": "w"}, status=409)["error"]["innererror"]["code"]]
    vault.time += 6
    inner += [vault.json("PUT", f"/secrets/alpha{Q}", {"value": "w"}, status=409)["error"]["innererror"]["code"]]
    assert inner == ["ObjectIsBeingDeleted", "ObjectIsDeletedButRecoverable"]
    vault.json("DELETE", f"/deletedsecrets/alpha{Q}", status=204)
    vault.json("PUT", f"/secrets/alpha{Q}", {"value": "w"})


def test_expired_and_future_secrets_are_served_alike(vault: Vault) -> None:
    vault.store.set("alpha", "past", exp=1)
    vault.store.set("beta", "future", nbf=4_000_000_000)
    assert [vault.json("GET", f"/secrets/{name}/{Q}")["value"] for name in ("alpha", "beta")] == ["past", "future"]


def test_a_disabled_current_version_has_no_stand_in_and_older_ones_stay_readable(vault: Vault) -> None:
    old = vault.store.set("alpha", "old")[1].id
    vault.store.set("alpha", "new", enabled=False)
    assert vault.json("GET", f"/secrets/alpha/{Q}", status=403)["error"]["innererror"]["code"] == "SecretDisabled"
    assert vault.json("GET", f"/secrets/alpha/{old}{Q}")["value"] == "old"


def test_in_read_only_mode_reading_works(vault: Vault) -> None:
    vault.store.set("alpha", "v")
    vault.settings = Settings(read_only=True)
    vault.json("PUT", f"/secrets/alpha{Q}", {"value": "w"}, status=403)
    assert vault.json("GET", f"/secrets/alpha/{Q}")["value"] == "v"
