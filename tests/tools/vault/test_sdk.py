"""The real SecretClient with the real ManagedIdentityCredential, over HTTPS with an authority of our own."""

import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity import CredentialUnavailableError, ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient
from azure.keyvault.secrets._shared import http_challenge_cache

from shared.errors import VaultError
from shared.key_vault import KeyVault
from tests.local_vault import DEPLOYER, ENCRYPTION_KEY, ENTRA_SECRET, LEGACY_SECRET, VAULT_URL, LocalVault, start_vault
from tests.site import KEY, ROOT
from tools.run import processes
from tools.vault.settings import IDENTITY

QUICK: dict[str, Any] = {"retry_total": 0, "connection_timeout": 1, "read_timeout": 1}
type Connect = Callable[..., SecretClient]


@pytest.fixture(autouse=True)
def no_challenge_is_remembered() -> None:
    """The SDK keeps challenges per process."""
    http_challenge_cache.clear()


@pytest.fixture
def officer(vault: LocalVault, monkeypatch: pytest.MonkeyPatch) -> SecretClient:
    """Who may do everything, directly at the local address (variant L)."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{vault.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", DEPLOYER)
    return SecretClient(
        vault.address.replace("127.0.0.1", "localhost"),
        ManagedIdentityCredential(**QUICK),
        verify_challenge_resource=False,
        connection_verify=str(vault.files.authority),
        **QUICK,
    )


@pytest.fixture
def as_in_azure(vault: LocalVault, monkeypatch: pytest.MonkeyPatch) -> LocalVault:
    """The environment of a host: real name, proxy, trusted authority, identity (variant P)."""
    for name, value in vault.environment("here").items():
        monkeypatch.setenv(name, value) if value is not None else monkeypatch.delenv(name, raising=False)
    vault.clear_calls()
    return vault


@pytest.fixture
def key_vault(as_in_azure: LocalVault) -> KeyVault:
    """The application's own reader."""
    return KeyVault(VAULT_URL, IDENTITY, lambda: datetime.now(UTC))


def refusal(read: Callable[[], object]) -> VaultError:
    with pytest.raises(VaultError) as refused:
        read()
    return refused.value


REASONS = {
    "ForbiddenByRbac": lambda vault: vault.settings(roles={}),
    "ForbiddenByFirewall": lambda vault: vault.settings(firewall=True),
    "SecretDisabled": lambda vault: vault.patch(ENCRYPTION_KEY, enabled=False),
    "404": lambda vault: vault.delete(ENCRYPTION_KEY),
    "unauthenticated": lambda vault: vault.settings(tokens_accepted=False),
    "429": lambda vault: vault.settings(throttled=True),
    "503": lambda vault: vault.faults({"match": {"path": "^/secrets"}, "action": {"status": 503}}),
    "unreachable": lambda vault: vault.faults({"match": {"path": "^/secrets"}, "action": {"drop": True}}),
}


class TestDirectly:
    def test_a_secret_goes_through_its_whole_life(self, officer: SecretClient) -> None:
        expires = datetime(2027, 1, 1, tzinfo=UTC)
        made = officer.set_secret("life", "one", expires_on=expires, tags={"a": "b"}, content_type="text/plain")
        assert (officer.get_secret("life").value, made.properties.expires_on) == ("one", expires)
        second = officer.set_secret("life", "two")
        assert officer.get_secret("life").properties.version == second.properties.version
        assert officer.get_secret("life", made.properties.version).value == "one"
        officer.update_secret_properties("life", second.properties.version, enabled=False)
        with pytest.raises(HttpResponseError) as disabled:
            officer.get_secret("life")
        assert disabled.value.status_code == 403
        assert disabled.value.error.innererror["code"] == "SecretDisabled"
        deleted = officer.begin_delete_secret("life").result()
        assert deleted.name == "life"
        with pytest.raises(ResourceNotFoundError):
            officer.get_secret("life")
        with pytest.raises(ResourceExistsError):
            officer.set_secret("life", "three")
        officer.begin_recover_deleted_secret("life").wait()
        officer.begin_delete_secret("life").wait()
        officer.purge_deleted_secret("life")
        officer.set_secret("life", "four")

    def test_pages_of_versions_and_names_follow_their_links(self, officer: SecretClient) -> None:
        made = {officer.set_secret("paged", str(number)).properties.version for number in range(7)}
        found = [it.version for it in officer.list_properties_of_secret_versions("paged", max_page_size=3)]
        assert (set(found), found) == (made, sorted(made))
        assert {it.name for it in officer.list_properties_of_secrets(max_page_size=1)} >= {"paged", ENCRYPTION_KEY}
        assert list(officer.list_properties_of_secret_versions("never-there")) == []

    def test_without_trust_in_its_authority_nothing_is_sent(self, vault: LocalVault, officer: SecretClient) -> None:
        stranger = SecretClient(
            vault.address.replace("127.0.0.1", "localhost"),
            ManagedIdentityCredential(**QUICK),
            verify_challenge_resource=False,
            **QUICK,
        )
        before = vault.last()
        with pytest.raises(ServiceRequestError):
            stranger.get_secret(ENCRYPTION_KEY)
        assert vault.last() == before

    @pytest.mark.parametrize(
        ("action", "error"),
        [
            ({"drop": True}, ServiceResponseError),
            ({"delay": 3}, ServiceResponseError),
            ({"status": 503}, HttpResponseError),
        ],
        ids=["drop", "delay", "503"],
    )
    def test_faults_reach_the_sdk_as_the_real_ones_would(
        self, vault: LocalVault, officer: SecretClient, action: dict[str, Any], error: type[Exception]
    ) -> None:
        officer.get_secret(ENCRYPTION_KEY)
        vault.faults({"match": {"path": "^/secrets"}, "action": action})
        with pytest.raises(error):
            officer.get_secret(ENCRYPTION_KEY)
        assert vault.injected() == 1


class TestAsInAzure:
    def test_the_first_read_is_a_challenge_a_token_and_the_answer_and_the_next_one_a_call(
        self, as_in_azure: LocalVault, key_vault: KeyVault
    ) -> None:
        assert key_vault(ENCRYPTION_KEY).value == KEY
        key_vault(LEGACY_SECRET)
        got = [call["target"].partition("?")[0] for call in as_in_azure.calls(user="here")]
        assert got == ["/msi/token", f"/secrets/{ENCRYPTION_KEY}/", f"/secrets/{LEGACY_SECRET}/"]

    def test_expiry_comes_with_the_value(self, as_in_azure: LocalVault, key_vault: KeyVault) -> None:
        as_in_azure.put(LEGACY_SECRET, "secret", exp=1_800_000_000)
        assert key_vault(LEGACY_SECRET).expires_at == datetime.fromtimestamp(1_800_000_000, UTC)
        assert key_vault(ENTRA_SECRET).expires_at is None

    @pytest.mark.parametrize("reason", REASONS)
    def test_every_refusal_has_its_word_is_tried_once_and_heals(
        self, as_in_azure: LocalVault, key_vault: KeyVault, reason: str
    ) -> None:
        key_vault(LEGACY_SECRET)
        REASONS[reason](as_in_azure)
        before = as_in_azure.last()
        began = time.monotonic()
        error = refusal(lambda: key_vault(ENCRYPTION_KEY))
        assert error.reason == reason
        assert time.monotonic() - began < 2
        assert as_in_azure.last() - before <= 3
        assert KEY not in str(error)
        as_in_azure.well()
        assert key_vault(ENCRYPTION_KEY).value == KEY

    @pytest.mark.parametrize(("sent", "pause"), [("", 0), ("30", 30), ("86400", 300), ("9" * 20, 0)])
    def test_retry_after_is_handed_on_capped_and_never_slept(
        self, as_in_azure: LocalVault, key_vault: KeyVault, sent: str, pause: float
    ) -> None:
        as_in_azure.settings(throttled=True, retry_after=sent)
        began = time.monotonic()
        error = refusal(lambda: key_vault(ENCRYPTION_KEY))
        assert (error.reason, error.pause) == ("429", pause)
        assert error.request_id is not None
        assert time.monotonic() - began < 2

    def test_a_vault_that_hangs_is_given_up_after_three_seconds(
        self, as_in_azure: LocalVault, key_vault: KeyVault
    ) -> None:
        as_in_azure.faults({"match": {"path": "^/secrets"}, "action": {"delay": 8}})
        began = time.monotonic()
        assert refusal(lambda: key_vault(ENCRYPTION_KEY)).reason == "unreachable"
        assert time.monotonic() - began < 5
        assert as_in_azure.injected() == 1

    @pytest.mark.parametrize(
        "action",
        [
            pytest.param({"status": 500, "json": {"statusCode": 500}}, id="500"),
            pytest.param({"status": 429, "json": {}, "headers": {"Retry-After": "3600"}}, id="429"),
            pytest.param({"status": 429, "body": "<html>", "headers": {"Retry-After": "3600"}}, id="429-html"),
            pytest.param({"status": 400, "json": {"statusCode": 400}}, id="400"),
            pytest.param({"status": 503, "body": ""}, id="503-empty"),
            pytest.param({"drop": True}, id="drop"),
        ],
    )
    def test_a_refusal_of_the_identity_is_not_remembered(
        self, as_in_azure: LocalVault, key_vault: KeyVault, action: dict[str, Any]
    ) -> None:
        """MSAL would go on refusing for up to an hour with the same credential object."""
        as_in_azure.faults({"match": {"path": "^/msi"}, "action": action})
        assert refusal(lambda: key_vault(ENCRYPTION_KEY)).reason in ("unauthenticated", "unreachable")
        assert as_in_azure.injected() >= 1
        as_in_azure.faults()
        assert key_vault(ENCRYPTION_KEY).value == KEY

    def test_an_identity_that_is_not_ours_gets_no_token(
        self, as_in_azure: LocalVault, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for header, client_id in (("wrong", IDENTITY), (os.environ["IDENTITY_HEADER"], None)):
            monkeypatch.setenv("IDENTITY_HEADER", header)
            with pytest.raises((CredentialUnavailableError, ClientAuthenticationError)):
                ManagedIdentityCredential(client_id=client_id, **QUICK).get_token("https://vault.azure.net/.default")

    def test_the_proxy_leads_to_the_vault_alone(self, as_in_azure: LocalVault) -> None:
        for url in ("https://example.org/", "https://vault.azure.net/", "https://kv-gatehouse.vault.azure.net:8443/"):
            with pytest.raises(requests.exceptions.ProxyError):
                requests.get(url, timeout=2)


def test_tokens_outlive_a_restart_of_the_vault(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = start_vault(tmp_path)
    for name, value in first.environment("here").items():
        monkeypatch.setenv(name, value) if value is not None else monkeypatch.delenv(name, raising=False)
    client = SecretClient(VAULT_URL, ManagedIdentityCredential(client_id=IDENTITY, **QUICK), **QUICK)
    client.get_secret(ENCRYPTION_KEY)
    first.child.stop()
    with pytest.raises(ServiceRequestError):
        client.get_secret(ENCRYPTION_KEY)
    ports = [url.rpartition(":")[2] for url in (first.address, first.proxy, first.url)]
    command = [sys.executable, "-m", "tools.vault", "--folder", str(tmp_path)]
    options = ["--port", ports[0], "--proxy-port", ports[1], "--identity-port", ports[2]]
    child = processes.start("again", command + options, log=tmp_path / "again.log", environment=os.environ, cwd=ROOT)
    try:
        processes.wait_listening(child)
        first.well()
        assert client.get_secret(ENCRYPTION_KEY).value == KEY
        assert first.calls("/msi/token") == []
    finally:
        child.stop()
