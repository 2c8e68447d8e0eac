"""Without a client secret the managed identity is the credential, by the real SDK against an identity endpoint."""

import pytest

from shared.errors import VaultError
from shared.oauth.entra_credentials import ASSERTION_TYPE, FEDERATED_ID, Credentials
from shared.services import build_services
from tests.shared.azure_devops.scripted_server import answer_json

SETTINGS = {
    "PUBLIC_URL": "http://127.0.0.1:7071",
    "ENTRA_CLIENT_ID": "3d1c9f62-0e7a-4b0e-9a55-6a7e4005e002",
    "ENTRA_TENANT_ID": "308dcda9-f0a2-574b-9aef-1c2753cfb9b7",
    "TOKEN_ENCRYPTION_KEY": "ab" * 32,
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}


def credentials(client_secrets=None, assertion=lambda: "a.b.c"):
    return Credentials(client_secrets=client_secrets, reread=lambda: None, assertion=assertion)


def test_a_client_secret_is_sent_as_such():
    assert credentials(lambda: ["new", "old"]).values() == ["new", "old"]
    assert credentials().fields("new") == {"client_secret": "new"}


def test_a_vault_that_has_no_such_secret_means_the_identity():
    def absent():
        raise VaultError("entra-client-secret", reason="404")

    (value,) = credentials(absent).values()
    assert credentials().fields(value) == {"client_assertion_type": ASSERTION_TYPE, "client_assertion": "a.b.c"}
    assert credentials().identify(value) == FEDERATED_ID


def test_a_vault_that_does_not_answer_is_no_reason_to_try_another_credential():
    def silent():
        raise VaultError("time-out", reason="timeout")

    with pytest.raises(VaultError):
        credentials(silent).values()


def test_the_real_managed_identity_gives_the_assertion(serve, monkeypatch):
    """The token is asked for the exchange's audience; no secret is configured anywhere."""
    asked = []

    def identity(request):
        asked.append(request)
        body = {"access_token": "h.p.s", "expires_on": "4102444800", "resource": "api://AzureADTokenExchange"}
        return answer_json(body | {"token_type": "Bearer"})

    endpoint = serve(identity)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{endpoint.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "header")
    provider = build_services(SETTINGS).custody.providers["entra"]
    (value,) = provider._credentials.values()
    assert provider._credentials.fields(value)["client_assertion"] == "h.p.s"
    assert [request.query["resource"] for request in asked] == ["api://AzureADTokenExchange"]
