"""G1: no secret stands where it must not, with every library at DEBUG; and each leak that is planted is found.

A case is one secret that was issued or set in this run: each is looked for in every form, in every log, answer, row and
call. `Site.stop` looks in the same way after every other module that starts a site.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.refreshing import CONTOSO, PEOPLE
from tests.acceptance.wandering import SCENES, Stage
from tests.evidence import Report
from tests.site import Site
from tools.chaos.storage_proxy import StorageProxy

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
@pytest.mark.parametrize(
    ("scene", "provider"),
    [
        pytest.param(scene, provider, id=f"{scene.__name__}-{provider}")
        for scene, providers in SCENES.items()
        for provider in providers
    ],
)
def test_no_secret_stands_where_it_must_not(
    built: Stage, simulator: Site, scene: Callable[[Stage], None], provider: str, evidence: Report
) -> None:
    """After each scene all that was ever issued is looked for in all that was ever said."""
    known = built.site.watch.canaries.kinds
    before = sum(known.values())
    built.provider = provider
    scene(built)
    assert built.site.watch.hits() == []
    evidence(cases=sum(known.values()) - before, processes=[host.child.pid for host in built.site.hosts])


def test_the_walk_has_met_every_kind_of_secret_and_read_every_kind_of_place(built: Stage) -> None:
    canaries = built.site.watch.canaries
    assert {kind for kind, number in canaries.kinds.items() if number} >= KINDS
    for place in PLACES:
        assert any(place in read and size for read, size in canaries.read.items()), place
    log = b"".join((host.record / "debug.log").read_bytes() for host in built.site.hosts)
    for library in (b"INFO azure.core.", b"DEBUG urllib3.", b"INFO gatehouse.events"):
        assert library in log
