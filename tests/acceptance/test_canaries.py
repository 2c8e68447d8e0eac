"""G1: no secret stands where it must not, with every library at DEBUG; and each leak that is planted is found.

A case is one secret that was issued or set in this run: each is looked for in every form, in every log, answer, row and
call. `Site.stop` looks in the same way after every other module that starts a site.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from secrets import token_hex

import pytest

from tests.acceptance.refreshing import CONTOSO, PEOPLE
from tests.acceptance.wandering import ACCEPTS, SCENES, Stage
from tests.evidence import Report
from tests.local_vault import ENTRA_SECRET, LocalVault
from tests.site import KEY, Browser, Host, Simulator, Site, wait_for
from tools.chaos.storage_proxy import StorageProxy
from tools.local_host import record
from tools.simulator import defaults
from tools.vault.tokens import ISSUER, OBJECT_ID

KINDS = {
    *("access token", "refresh token", "id token", "authorization code", "state", "nonce", "verifier"),
    *("client secret", "encryption key", "storage key", "session", "sign-in cookie", "receipt cookie", "CSRF token"),
}
PLACES = ("output of", "debug log of", "body of", "set-cookie of", "location", "rows of", "target of", "user-agent of")


@pytest.fixture(scope="module")
def built(site: Site, storage: StorageProxy) -> Stage:
    site.simulator.settings(people_count=PEOPLE)
    way = {"AzureWebJobsStorage": storage.connection_string, "ENTRA_TENANT_ID": CONTOSO}
    host = site.start_host(**way)
    failing = site.start_host(services="tests.acceptance.failing:build_services", **way)
    return Stage(site, site.simulator, storage, host, failing)


@pytest.mark.acceptance("G1")
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_no_secret_stands_where_it_must_not(
    built: Stage,
    simulator: Simulator,
    scene: Callable[[Stage], None],
    pytestconfig: pytest.Config,
    evidence: Report,
) -> None:
    """After each scene all that was ever issued is looked for in all that was ever said."""
    known = built.site.watch.canaries.kinds
    before, providers = sum(known.values()), SCENES[scene]
    turn = list(SCENES).index(scene) % len(providers)
    for built.provider in providers if pytestconfig.getoption("full") else providers[turn : turn + 1]:
        scene(built)
        assert built.site.watch.hits() == []
    evidence(cases=sum(known.values()) - before, processes=[host.child.pid for host in built.site.hosts])


def test_the_walk_has_met_every_kind_of_secret_and_read_every_kind_of_place(built: Stage) -> None:
    canaries = built.site.watch.canaries
    assert {kind for kind, number in canaries.kinds.items() if number} >= KINDS
    for place in PLACES:
        assert any(place in read and size for read, size in canaries.read.items()), place
    assert logged(built.site, b"INFO azure.core.", b"DEBUG urllib3.", b"INFO gatehouse.events") == []


def logged(site: Site, *what: bytes) -> list[bytes]:
    """What of this stands in no debug log."""
    log = b"".join((host.record / record.LOG).read_bytes() for host in site.hosts)
    return [each for each in what if each not in log]


@pytest.mark.acceptance("G1")
def test_no_secret_of_the_vault_or_of_the_identity_stands_anywhere(
    site: Site, vault: LocalVault, simulator: Simulator, evidence: Report
) -> None:
    """Secrets from the vault, their rotation, refusals that hold them, and no secret at all: a federated credential."""
    known = site.watch.canaries.kinds
    before = sum(known.values())
    there = {"ENTRA_TENANT_ID": CONTOSO, **vault.environment("well")}
    host = site.start_host(**there)
    for provider in ("azure-devops", "entra"):
        assert Browser(host.url).sign_in("user4900", provider=provider).status_code == 303
    told = {"error": {"code": "Forbidden", "message": f"{KEY} {defaults.CLIENT_SECRET}", "innererror": {"code": KEY}}}
    vault.faults(
        *(
            {"match": {"path": "^/secrets", "user": str(status)}, "action": {"status": status, "json": told}}
            for status in REFUSALS
        )
    )
    for refused in wait_for([site.launch_host(**there | vault.environment(str(status))) for status in REFUSALS]):
        assert Browser(refused.url).get("/auth/login/entra", headers={"Accept": "application/json"}).status_code == 503
        assert Browser(refused.url).get("/readyz").status_code == 503
    vault.well()
    vault.delete(ENTRA_SECRET)
    simulator.settings(entra_federated=[{"issuer": ISSUER, "subject": OBJECT_ID}])
    federated = site.start_host(**there | vault.environment("federated"))
    assert Browser(federated.url).sign_in("user4901", provider="entra").status_code == 303
    site.watch.canaries.learn("token of the identity", *vault.tokens())
    assert site.watch.hits() == []
    assert {"token of the identity", "identity header", "client assertion", "client secret"} <= known.keys()
    assert logged(site, b"azure.identity", b"vault.azure.net") == []
    evidence(cases=sum(known.values()) - before)


REFUSALS = (401, 403, 404, 429, 503)
BROKEN = {
    "an encryption key with a letter too many": {"TOKEN_ENCRYPTION_KEY": f"{token_hex(32)}zz"},
    "one of two keys too short": {"TOKEN_ENCRYPTION_KEY": f"{token_hex(32)},{token_hex(30)}"},
    "a storage key that is none": {"AzureWebJobsStorage": f"AccountName=here;AccountKey={token_hex(30)}="},
    "secrets beside a vault": {"KEY_VAULT_URL": "https://kv-gatehouse.vault.azure.net"},
    "a secret where an address belongs": {"AZURE_DEVOPS_URL": f"https://{token_hex(16)}:{token_hex(16)}@dev.azure.com"},
}


@pytest.fixture(scope="module")
def broken(site: Site) -> dict[str, Host]:
    """A host for each of them, started together."""
    return dict(zip(BROKEN, wait_for([site.launch_host(**wrong) for wrong in BROKEN.values()]), strict=True))


@pytest.mark.acceptance("G1")
@pytest.mark.parametrize("wrong", BROKEN)
def test_settings_that_are_wrong_are_told_by_name_and_never_by_value(
    site: Site, broken: dict[str, Host], simulator: Simulator, wrong: str, evidence: Report
) -> None:
    """On the set-up page, as a problem document, by the readiness probe, and in the log."""
    host = broken[wrong]
    canaries = site.watch.canaries
    before = sum(canaries.kinds.values())
    for value in BROKEN[wrong].values():
        canaries.learn("wrong setting", *re.findall(r"[\da-f]{32,}", value))
    for path in ("/", "/dashboard", "/readyz", "/auth/login", "/auth/callback?code=x&state=y"):
        for accept in ACCEPTS:
            assert Browser(host.url).get(path, headers={"Accept": accept}).status_code == 503
    assert site.watch.hits() == []
    evidence(cases=max(sum(canaries.kinds.values()) - before, 1))
