"""Secrets from Key Vault and rows in a store that knows the managed identity alone: a whole visit, without any key.

The host's environment has no secret and no connection string; it finds vault and store as it would in Azure.
"""

import ssl
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.data.tables import TableServiceClient

from tests.local_vault import NAMES, LocalVault
from tests.site import KEY, Browser, Host, Site, start_site
from tools.run import azurite
from tools.simulator import defaults

TOKEN_LIFE = 3600


@pytest.fixture(scope="module")
def store(vault: LocalVault, tmp_path_factory: pytest.TempPathFactory) -> Iterator[azurite.Azurite]:
    """An Azurite over https; the tables are made by somebody who has its key, as the template does in Azure."""
    log = tmp_path_factory.mktemp("azurite") / "azurite.log"
    started = azurite.start_azurite(log, tls=(vault.files.certificate, vault.files.key))
    options = {"connection_verify": str(vault.files.authority)}
    with TableServiceClient.from_connection_string(started.connection_string, **options) as service:
        for name in azurite.TABLES:
            service.create_table(name)
    yield started
    started.child.stop()


@pytest.fixture(scope="module")
def site(store: azurite.Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    started = start_site(tmp_path_factory.mktemp("site"), "")
    yield started
    started.stop()


def start(site: Site, vault: LocalVault, store: azurite.Azurite, instance: str, offset: float = 0) -> Host:
    settings = vault.environment(instance) | {
        "TOKEN_STORE_URL": store.endpoints["table"],
        "AzureWebJobsStorage": None,
    }
    return site.start_host(clock_offset=offset, **settings)


@pytest.mark.parametrize("provider", ["azure-devops", "entra"])
def test_a_visit_needs_no_key_in_any_setting(
    site: Site, vault: LocalVault, store: azurite.Azurite, provider: str
) -> None:
    """Sign-in, page, refresh an hour later in another process, sign-out: five steps on vault and identity."""
    host = start(site, vault, store, f"{provider}-now")
    secrets = (KEY, defaults.CLIENT_SECRET, defaults.ENTRA_CLIENT_SECRET, azurite.KEY)
    assert not [value for value in host.environment.values() if any(secret in value for secret in secrets)]
    browser = Browser(host.url)
    assert browser.sign_in("ada", provider=provider).headers["Location"] == "/dashboard"
    assert browser.get("/dashboard").status_code == 200
    later = start(site, vault, store, f"{provider}-later", offset=TOKEN_LIFE - 120)
    there = Browser(later.url, browser.http)
    assert there.get("/dashboard").status_code == 200
    assert [event["event"] for event in later.events("refreshed")] == ["refreshed"]
    assert there.sign_out().status_code == 200
    assert there.get("/dashboard").status_code == 303
    assert browser.get("/dashboard").status_code == 303
    told = host.child.output() + later.child.output()
    assert not [secret for secret in (*secrets, "eyJ") if secret in told]
    for instance in (f"{provider}-now", f"{provider}-later"):
        asked = [call["target"].split("/")[2].partition("?")[0] for call in vault.calls("/secrets/", user=instance)]
        assert sorted(asked) == sorted(NAMES), "each secret once per process"
        queries = [parse_qs(urlsplit(call["target"]).query) for call in vault.calls("/msi/", user=instance)]
        assert {query["resource"][0] for query in queries} == {"https://vault.azure.net", "https://storage.azure.com"}


def test_a_refusal_of_the_identity_is_over_when_the_endpoint_is_well_again(
    site: Site, vault: LocalVault, store: azurite.Azurite
) -> None:
    """The store is out of reach meanwhile, and not for the hour that a Retry-After once said."""
    refusal = {"status": 429, "json": {"statusCode": 429}, "headers": {"Retry-After": "3600"}}
    vault.faults({"match": {"path": "^/msi.*storage", "user": "refused"}, "action": refusal})
    host = start(site, vault, store, "refused")
    assert Browser(host.url).sign_in("ada").status_code == 503
    assert vault.injected() >= 1
    vault.faults()
    assert Browser(host.url).sign_in("ada").headers["Location"] == "/dashboard"


def test_a_host_that_does_not_trust_the_authority_gets_nothing(
    site: Site, vault: LocalVault, store: azurite.Azurite
) -> None:
    """TLS is verified: without the bundle neither vault nor store is used, and nobody is let in."""
    settings = vault.environment("stranger") | {"TOKEN_STORE_URL": store.endpoints["table"]}
    bundle = ssl.get_default_verify_paths().cafile
    host = site.start_host(**settings | {"AzureWebJobsStorage": None, "REQUESTS_CA_BUNDLE": bundle})
    assert Browser(host.url).get("/auth/login/entra").status_code == 503
    assert vault.calls("/secrets/", user="stranger") == []
