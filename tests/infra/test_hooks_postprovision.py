"""After provisioning: the key is made once, secrets leave no trace, a second run changes nothing."""

from __future__ import annotations

import re
import signal
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.infra.cloud import CLIENT_SECRET, OTHER_SECRET, TENANT, Cloud

KEY_NAME, LEGACY_NAME, ENTRA_NAME = "token-encryption-key", "azure-devops-client-secret", "entra-client-secret"
LEGACY = {"AZURE_DEVOPS_APP_ID": "44444444-4444-4444-8444-444444444444"}
APP = "55555555-5555-4555-8555-555555555555"
CALLBACK, HOME = "https://func-test.example.net/auth/callback/entra", "https://func-test.example.net/"
BY_RBAC = (
    "(Forbidden) Caller is not authorized to perform action on resource.\n"
    'Code: Forbidden\nInner error: {\n    "code": "ForbiddenByRbac"\n}'
)
DENIED = "Insufficient privileges to complete the operation."


def application(**changes: object) -> dict[str, object]:
    return {"appId": APP, "displayName": "x", "web": {"redirectUris": []}, "federated": [], **changes}


@pytest.fixture
def entra(cloud: Cloud) -> Cloud:
    cloud.values(ENTRA_CLIENT_ID=APP, ENTRA_TENANT_ID=TENANT)
    cloud.change(apps=[application()])
    return cloud


def test_the_encryption_key_is_made_once_and_seen_by_nobody(cloud: Cloud) -> None:
    assert cloud.run("postprovision").code == 0
    (version,) = cloud.secret(KEY_NAME)
    assert re.fullmatch(r"[0-9a-f]{64}", version["value"])
    assert (version["file_mode"], version["folder_mode"]) == ("0o600", "0o700")
    assert not version["expires"]
    assert cloud.leaks(version["value"]) == []
    assert cloud.left_behind() == []
    before = cloud.writes()
    assert cloud.run("postprovision").code == 0
    assert cloud.writes() == before
    assert len(cloud.secret(KEY_NAME)) == 1


def test_two_deployments_get_different_keys(cloud: Cloud) -> None:
    cloud.run("postprovision")
    first = cloud.secret(KEY_NAME)[0]["value"]
    cloud.change(secrets={})
    cloud.run("postprovision")
    assert cloud.secret(KEY_NAME)[0]["value"] != first


@pytest.mark.parametrize(
    "stored",
    ["a" * 64, f"{'a' * 64},{'b' * 64}", "no key at all", "a" * 63, " "],
    ids=["one", "two", "no", "short", "0"],
)
def test_a_key_that_exists_is_never_overwritten_whatever_it_is(cloud: Cloud, stored: str) -> None:
    cloud.change(secrets={KEY_NAME: [{"value": stored}]})
    cloud.run("postprovision")
    assert [version["value"] for version in cloud.secret(KEY_NAME)] == [stored]


@pytest.mark.parametrize(
    ("command", "error", "cure"),
    [
        ("secret show", "(Forbidden) Operation get is not allowed on a disabled secret. SecretDisabled", "disabled"),
        (
            "secret set",
            "(Conflict) Secret is currently in a deleted but recoverable state",
            "az keyvault secret recover",
        ),
        ("secret show", "(Forbidden) Client address is not authorized. ForbiddenByFirewall", "virtual network"),
        ("secret show", "something that nobody foresaw", "something that nobody foresaw"),
    ],
    ids=["disabled", "deleted", "firewall", "other"],
)
def test_a_refusal_that_time_does_not_cure_ends_the_hook_at_once(
    cloud: Cloud, command: str, error: str, cure: str
) -> None:
    cloud.change(rules=[{"when": command, "error": error}])
    began = time.monotonic()
    ran = cloud.run("postprovision")
    assert ran.code == 1
    assert cure in ran.output
    assert time.monotonic() - began < 2
    assert cloud.secret(KEY_NAME) == []


def test_roles_that_are_not_effective_yet_are_waited_for_with_progress(cloud: Cloud) -> None:
    cloud.change(
        rules=[
            {"when": "secret show", "error": BY_RBAC, "times": 1},
            {"when": "secret set", "error": BY_RBAC, "times": 1},
        ]
    )
    ran = cloud.run("postprovision")
    assert ran.code == 0
    assert ran.output.count("does not let us in yet") == 2
    assert len(cloud.secret(KEY_NAME)) == 1


def test_roles_that_never_come_end_in_an_explanation(cloud: Cloud) -> None:
    cloud.change(rules=[{"when": "secret show", "error": BY_RBAC}])
    ran = cloud.run("postprovision", ROLE_WAIT_SECONDS="1")
    assert ran.code == 1
    assert "did not become effective in time" in ran.output


def test_a_missing_output_of_the_template_is_named(cloud: Cloud) -> None:
    cloud.values(AZURE_KEY_VAULT_NAME="", PUBLIC_URL="")
    ran = cloud.run("postprovision")
    assert ran.code == 1
    assert "AZURE_KEY_VAULT_NAME, PUBLIC_URL" in ran.output


def test_a_client_secret_from_the_environment_reaches_the_vault_and_nothing_else(cloud: Cloud) -> None:
    ran = cloud.run(
        "postprovision", **LEGACY, AZURE_DEVOPS_CLIENT_SECRET=CLIENT_SECRET, CLIENT_SECRET_EXPIRES="2099-01-31"
    )
    assert ran.code == 0
    (version,) = cloud.secret(LEGACY_NAME)
    assert version["value"] == CLIENT_SECRET
    assert version["expires"] == "2099-01-31T00:00:00Z"
    assert (version["file_mode"], version["folder_mode"]) == ("0o600", "0o700")
    assert cloud.leaks(CLIENT_SECRET, "CANARY") == []
    assert cloud.left_behind() == []


def test_a_client_secret_typed_at_the_prompt_is_not_echoed(cloud: Cloud) -> None:
    cloud.values(**LEGACY)
    ran = cloud.run_at_a_terminal("postprovision", answers={"(hidden)": CLIENT_SECRET, "Valid until": "2099-01-31"})
    assert ran.code == 0
    assert cloud.secret(LEGACY_NAME)[0]["value"] == CLIENT_SECRET
    assert cloud.secret(LEGACY_NAME)[0]["expires"] == "2099-01-31T00:00:00Z"
    assert cloud.leaks(CLIENT_SECRET, "CANARY") == []
    assert cloud.left_behind() == []


def test_a_legacy_secret_without_a_date_is_taken_as_sixty_days_and_that_is_said(cloud: Cloud) -> None:
    ran = cloud.run("postprovision", **LEGACY, AZURE_DEVOPS_CLIENT_SECRET=CLIENT_SECRET)
    expires = datetime.fromisoformat(cloud.secret(LEGACY_NAME)[0]["expires"])
    assert abs(expires - datetime.now(UTC) - timedelta(days=60)) < timedelta(minutes=1)
    assert "WARNING: CLIENT_SECRET_EXPIRES is not set" in ran.output


def test_the_app_secret_in_place_of_the_client_secret_is_remarked_on(cloud: Cloud) -> None:
    ran = cloud.run("postprovision", **LEGACY, AZURE_DEVOPS_CLIENT_SECRET="CANARY0123456789")
    assert "The App Secret is another value" in ran.output
    assert cloud.leaks("CANARY") == []


@pytest.mark.parametrize(
    "given", [f"{CLIENT_SECRET},{OTHER_SECRET}", f"{CLIENT_SECRET} x", f"{CLIENT_SECRET}\nx", f"{CLIENT_SECRET}ü"]
)
def test_what_is_not_one_secret_is_refused_and_not_shown(cloud: Cloud, given: str) -> None:
    ran = cloud.run("postprovision", **LEGACY, AZURE_DEVOPS_CLIENT_SECRET=given)
    assert ran.code == 1
    assert cloud.secret(LEGACY_NAME) == []
    assert cloud.leaks("CANARY") == []


@pytest.mark.parametrize("expires", ["2020-01-01", "31.01.2099"])
def test_a_date_in_the_past_or_of_no_known_form_is_refused(cloud: Cloud, expires: str) -> None:
    ran = cloud.run("postprovision", **LEGACY, AZURE_DEVOPS_CLIENT_SECRET=CLIENT_SECRET, CLIENT_SECRET_EXPIRES=expires)
    assert ran.code == 1
    assert cloud.secret(LEGACY_NAME) == []


@pytest.mark.parametrize("given", [{}, {"AZURE_DEVOPS_CLIENT_SECRET": "$(AZURE_DEVOPS_CLIENT_SECRET)"}])
def test_without_a_terminal_the_missing_variable_is_named(cloud: Cloud, given: dict[str, str]) -> None:
    """Azure Pipelines leaves a reference to a variable that it does not know as it is."""
    ran = cloud.run("postprovision", **LEGACY, **given)
    assert cloud.secret(LEGACY_NAME) == []
    assert ran.code == 1
    assert "AZURE_DEVOPS_CLIENT_SECRET" in ran.output


def test_a_stored_client_secret_is_replaced_by_rotate_only(cloud: Cloud) -> None:
    cloud.values(**LEGACY)
    assert cloud.run("postprovision", AZURE_DEVOPS_CLIENT_SECRET=CLIENT_SECRET).code == 0
    before = cloud.writes()
    same = cloud.run("postprovision", AZURE_DEVOPS_CLIENT_SECRET=CLIENT_SECRET)
    none = cloud.run("postprovision")
    other = cloud.run("postprovision", AZURE_DEVOPS_CLIENT_SECRET=OTHER_SECRET)
    assert [same.code, none.code, other.code] == [0, 0, 0]
    assert "rotate.py client-secret" not in same.output
    assert "rotate.py client-secret" in other.output
    assert cloud.writes() == before
    assert cloud.leaks("CANARY") == []


def test_a_failure_of_the_vault_leaves_no_file_and_shows_no_secret(cloud: Cloud) -> None:
    cloud.change(rules=[{"when": f"set --vault-name kv-test --name {LEGACY_NAME}", "error": "bad value: {content}"}])
    ran = cloud.run("postprovision", **LEGACY, AZURE_DEVOPS_CLIENT_SECRET=CLIENT_SECRET)
    assert ran.code == 1
    assert "bad value: ***" in ran.output
    assert cloud.leaks("CANARY") == []
    assert cloud.left_behind() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_hook_that_is_stopped_while_it_writes_leaves_no_file(cloud: Cloud, number: signal.Signals) -> None:
    cloud.change(rules=[{"when": "secret set", "sleep": 30, "error": "too late"}])
    process = cloud.start("postprovision")
    ends = time.monotonic() + 20
    while not any("set" in call["argv"] for call in cloud.calls) and time.monotonic() < ends:
        time.sleep(0.02)
    assert cloud.left_behind() != []
    process.send_signal(number)
    output, _ = process.communicate(timeout=20)
    assert process.returncode != 0
    assert "Traceback" not in output
    assert cloud.left_behind() == []


def test_the_entra_application_trusts_the_identity_once(entra: Cloud) -> None:
    assert entra.run("postprovision").code == 0
    (app,) = entra.state["apps"]
    assert app["web"]["redirectUris"] == [CALLBACK, HOME]
    (trust,) = app["federated"]
    assert trust["issuer"] == f"https://login.microsoftonline.com/{TENANT}/v2.0"
    assert trust["subject"] == entra.state["azd"]["AZURE_IDENTITY_PRINCIPAL_ID"]
    assert trust["audiences"] == ["api://AzureADTokenExchange"]
    assert entra.state["service_principals"] == [APP]
    assert entra.secret(ENTRA_NAME) == []
    before = entra.writes()
    assert entra.run("postprovision").code == 0
    assert entra.writes() == before
    assert entra.left_behind() == []


def test_redirect_uris_that_others_added_stay(entra: Cloud) -> None:
    others = "https://portal.example.org/auth/callback/entra"
    entra.change(apps=[application(web={"redirectUris": [others, CALLBACK]})])
    assert entra.run("postprovision").code == 0
    assert entra.state["apps"][0]["web"]["redirectUris"] == [others, CALLBACK, HOME]


def test_the_trust_in_an_identity_that_was_made_anew_is_corrected(entra: Cloud) -> None:
    entra.run("postprovision")
    entra.values(AZURE_IDENTITY_PRINCIPAL_ID="66666666-6666-4666-8666-666666666666")
    assert entra.run("postprovision").code == 0
    (trust,) = entra.state["apps"][0]["federated"]
    assert trust["subject"] == "66666666-6666-4666-8666-666666666666"


def test_an_application_of_another_tenant_cannot_trust_the_identity(entra: Cloud) -> None:
    entra.values(ENTRA_TENANT_ID="77777777-7777-4777-8777-777777777777")
    ran = entra.run("postprovision")
    assert ran.code == 1
    assert "does not cross tenants" in ran.output
    assert entra.state["apps"] == [application()]


def test_az_in_another_tenant_than_the_deployment_registers_nothing(entra: Cloud) -> None:
    entra.change(account=entra.state["account"] | {"tenantId": "77777777-7777-4777-8777-777777777777"})
    ran = entra.run("postprovision")
    assert ran.code == 1
    assert entra.state["apps"] == [application()]


def test_with_a_client_secret_no_identity_is_trusted(entra: Cloud) -> None:
    ran = entra.run("postprovision", ENTRA_CLIENT_SECRET=CLIENT_SECRET)
    assert ran.code == 0
    assert entra.secret(ENTRA_NAME)[0]["value"] == CLIENT_SECRET
    assert entra.state["apps"][0]["federated"] == []
    assert entra.leaks("CANARY") == []


def test_who_may_not_change_the_application_is_told_every_value(entra: Cloud) -> None:
    entra.change(rules=[{"when": "ad app", "error": DENIED}])
    ran = entra.run("postprovision")
    assert ran.code == 0
    for value in (CALLBACK, HOME, f"{TENANT}/v2.0", entra.state["azd"]["AZURE_IDENTITY_PRINCIPAL_ID"]):
        assert value in ran.output
