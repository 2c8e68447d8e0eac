"""Before anything is provisioned, everybody is signed in as the same principal, to the right place."""

from __future__ import annotations

import pytest

from tests.infra.cloud import CLIENT_SECRET, TENANT, Cloud

LEGACY = {"AZURE_DEVOPS_APP_ID": "44444444-4444-4444-8444-444444444444"}
REFUSED = "Insufficient privileges to complete the operation. (Authorization_RequestDenied)"


@pytest.mark.parametrize(
    ("rule", "cure"),
    [
        ({"when": "az account show", "error": "Please run 'az login' to setup account."}, "az login"),
        ({"when": "azd auth login", "error": "not logged in"}, "azd auth login"),
    ],
    ids=["az", "azd"],
)
def test_who_is_not_signed_in_is_told_how(cloud: Cloud, rule: dict[str, str], cure: str) -> None:
    cloud.change(rules=[rule])
    ran = cloud.run("preprovision", **LEGACY)
    assert ran.code == 1
    assert cure in ran.output
    assert "Traceback" not in ran.output


def test_a_missing_command_is_named(cloud: Cloud) -> None:
    (cloud.place / "bin" / "az").unlink()
    ran = cloud.run("preprovision", **LEGACY)
    assert ran.code == 1
    assert "`az` is not on the PATH" in ran.output


@pytest.mark.parametrize(
    ("value", "cure"),
    [
        ({"AZURE_SUBSCRIPTION_ID": "sub-2"}, "az account set --subscription sub-2"),
        ({"AZURE_TENANT_ID": "other-tenant"}, "az login --tenant other-tenant"),
        ({"AZURE_PRINCIPAL_ID": "somebody-else"}, "sign both in as the same one"),
        ({"VNET_ENABLED": "true"}, "az provider register --namespace Microsoft.App"),
        ({"REGISTER_ENTRA_APPLICATION": "perhaps"}, "neither true nor false"),
    ],
    ids=["subscription", "tenant", "principal", "network", "wish"],
)
def test_what_would_fail_later_is_refused_now(cloud: Cloud, value: dict[str, str], cure: str) -> None:
    cloud.values(**LEGACY, **value)
    ran = cloud.run("preprovision")
    assert ran.code == 1
    assert cure in ran.output


@pytest.mark.parametrize("name", ["AZURE_DEVOPS_CLIENT_SECRET", "ENTRA_CLIENT_SECRET", "TOKEN_ENCRYPTION_KEY"])
def test_a_secret_that_azd_keeps_unencrypted_is_refused_and_not_shown(cloud: Cloud, name: str) -> None:
    cloud.values(**LEGACY, **{name: CLIENT_SECRET})
    ran = cloud.run("preprovision")
    assert ran.code == 1
    assert name in ran.output
    assert CLIENT_SECRET not in ran.output


def test_a_reference_to_a_vault_is_no_secret(cloud: Cloud) -> None:
    cloud.values(**LEGACY, AZURE_DEVOPS_CLIENT_SECRET="akvs://sub/vault/name")
    assert cloud.run("preprovision").code == 0


@pytest.mark.parametrize(("kind", "noted"), [("user", "User"), ("servicePrincipal", "ServicePrincipal")])
def test_the_type_of_the_principal_is_noted_once_for_the_role_assignments(cloud: Cloud, kind: str, noted: str) -> None:
    cloud.values(**LEGACY)
    account = cloud.state["account"] | {"user": {"name": "app-id", "type": kind}}
    cloud.change(account=account)
    assert cloud.run("preprovision").code == 0
    assert cloud.state["azd"]["AZURE_PRINCIPAL_TYPE"] == noted
    before = cloud.writes()
    assert cloud.run("preprovision").code == 0
    assert cloud.writes() == before


def test_a_principal_that_may_not_read_the_directory_goes_on(cloud: Cloud) -> None:
    cloud.values(**LEGACY)
    cloud.change(rules=[{"when": "signed-in-user", "error": REFUSED}])
    ran = cloud.run("preprovision")
    assert ran.code == 0
    assert "is not checked" in ran.output


def test_the_entra_application_is_registered_once(cloud: Cloud) -> None:
    assert cloud.run("preprovision").code == 0
    (application,) = cloud.state["apps"]
    assert application["signInAudience"] == "AzureADMyOrg"
    assert cloud.state["azd"]["ENTRA_CLIENT_ID"] == application["appId"]
    assert cloud.state["azd"]["ENTRA_TENANT_ID"] == TENANT
    before = cloud.writes()
    assert cloud.run("preprovision").code == 0
    assert cloud.writes() == before


@pytest.mark.parametrize("value", [LEGACY, {"REGISTER_ENTRA_APPLICATION": "false"}, {"ENTRA_CLIENT_ID": "known"}])
def test_no_application_is_registered_where_none_is_wanted(cloud: Cloud, value: dict[str, str]) -> None:
    cloud.values(**value)
    assert cloud.run("preprovision").code == 0
    assert cloud.state["apps"] == []


def test_both_providers_on_request(cloud: Cloud) -> None:
    cloud.values(**LEGACY, REGISTER_ENTRA_APPLICATION="true")
    assert cloud.run("preprovision").code == 0
    assert len(cloud.state["apps"]) == 1


def test_an_application_of_the_same_name_is_never_taken_over(cloud: Cloud) -> None:
    cloud.change(apps=[{"appId": "theirs", "displayName": "Gatehouse test"}])
    ran = cloud.run("preprovision")
    assert ran.code == 1
    assert "azd env set ENTRA_CLIENT_ID theirs" in ran.output
    assert len(cloud.state["apps"]) == 1
    assert "ENTRA_CLIENT_ID" not in cloud.state["azd"]


def test_who_may_not_register_is_told_whom_to_ask(cloud: Cloud) -> None:
    cloud.change(rules=[{"when": "ad app", "error": REFUSED}])
    ran = cloud.run("preprovision")
    assert ran.code == 1
    assert "docs/registration.md" in ran.output
    assert "REGISTER_ENTRA_APPLICATION false" in ran.output
