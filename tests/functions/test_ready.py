"""`readyz` of running processes: what platform probes, the smoke test and alerts rely on."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from azure.data.tables import TableServiceClient

from tests import raw_http
from tests.site import Host, Site
from tools.chaos.storage_proxy import StorageProxy
from tools.run import azurite as emulator
from tools.simulator import defaults

ALL_OK = {"config": "ok", "store": "ok", "vault": "ok"}


@pytest.fixture(scope="module")
def storage(azurite: str) -> Iterator[StorageProxy]:
    proxy = StorageProxy(azurite)
    yield proxy
    proxy.close()


@pytest.fixture
def fresh(site: Site, storage: StorageProxy) -> Iterator[Host]:
    """A process that nobody asked yet."""
    started = site.start_host(AzureWebJobsStorage=storage.connection_string)
    yield started
    started.child.stop()


def ask(process: Host, method: str = "GET", **options: object) -> raw_http.Reply:
    return raw_http.send(process.port, method, "/readyz", **options)


def states(reply: raw_http.Reply) -> dict[str, str]:
    assert reply.header("content-type") == "application/json; charset=utf-8"
    assert reply.header("cache-control") == "no-store"
    return json.loads(reply.body)


def test_a_ready_process_says_so_under_every_host_name_for_one_store_operation(
    fresh: Host, storage: StorageProxy
) -> None:
    with storage.counting() as operations, ThreadPoolExecutor(16) as pool:
        names = [None, "10.0.0.7:8080", "gatehouse.azurewebsites.net", "localhost"] * 25
        replies = list(pool.map(lambda name: ask(fresh, host=name), names))
    assert {reply.status for reply in replies} == {200}
    assert [states(reply) for reply in replies] == [ALL_OK] * 100
    assert operations == ["GET connections"]


def test_head_answers_the_same_without_a_body_and_other_methods_are_refused(fresh: Host) -> None:
    head = ask(fresh, "HEAD")
    assert (head.status, head.body) == (200, b"")
    post = ask(fresh, "POST")
    assert (post.status, post.header("allow")) == (405, "GET, HEAD")


def test_a_store_that_is_gone_fails_while_the_process_is_alive_and_only_the_log_knows_why(
    fresh: Host, storage: StorageProxy
) -> None:
    with storage.gone():
        reply = ask(fresh)
        alive = raw_http.send(fresh.port, "GET", "/healthz")
    assert (reply.status, reply.header("retry-after")) == (503, "10")
    assert states(reply) == ALL_OK | {"store": "failing"}
    assert alive.status == 200
    assert "not ready: store" in fresh.child.output()


def test_a_table_that_is_missing_fails(fresh: Host, azurite: str) -> None:
    """The service answers, but nobody created what the site needs there."""
    with TableServiceClient.from_connection_string(azurite) as service:
        service.delete_table("connections")
    try:
        reply = ask(fresh)
    finally:
        emulator.create_tables(azurite)
    assert states(reply) == ALL_OK | {"store": "failing"}


def test_a_vault_that_gave_no_key_yet_fails(site: Site) -> None:
    """Nobody listens where the identity and the vault should be."""
    host = site.start_host(
        KEY_VAULT_URL="https://127.0.0.1:1",
        IDENTITY_ENDPOINT="http://127.0.0.1:1/msi/token",
        IDENTITY_HEADER="x",
        TOKEN_ENCRYPTION_KEY=None,
        AZURE_DEVOPS_CLIENT_SECRET=None,
        ENTRA_CLIENT_SECRET=None,
    )
    reply = ask(host)
    assert reply.status == 503
    assert states(reply) == ALL_OK | {"vault": "failing"}
    host.child.stop()


@pytest.mark.parametrize(
    ("without", "found"),
    [
        (["TOKEN_ENCRYPTION_KEY", "AzureWebJobsStorage"], dict.fromkeys(ALL_OK, "failing")),
        (["AZURE_DEVOPS_APP_ID", "ENTRA_CLIENT_ID"], ALL_OK | {"config": "failing"}),
    ],
    ids=["settings", "provider"],
)
def test_a_process_without_its_settings_is_not_ready_where_its_home_page_is_the_set_up_page(
    site: Site, without: list[str], found: dict[str, str]
) -> None:
    host = site.start_host(**dict.fromkeys(without))
    reply = ask(host)
    assert (reply.status, states(reply)) == (503, found)
    home = raw_http.send(host.port, "GET", "/", "Accept: text/html")
    assert home.status == 503
    assert b"Almost there" in home.body
    for name in (without[0], defaults.CLIENT_SECRET):
        assert name.encode() not in reply.body
    assert f"config: {'ENTRA_CLIENT_ID' if 'ENTRA_CLIENT_ID' in without else without[0]}" in host.child.output()
    host.child.stop()
