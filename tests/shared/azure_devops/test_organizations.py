import msgspec
import pytest

from shared.azure_devops.organizations import list_organizations
from shared.errors import AzureDevOpsError
from tests.shared.azure_devops.scripted_server import answer_json


def accounts(*names):
    return [
        {"accountId": "1", "accountUri": "https://vssps.dev.azure.com:443/x/", "accountName": name} for name in names
    ]


@pytest.mark.parametrize(
    "wrap", [lambda values: {"count": 9, "value": values}, lambda values: values], ids=["envelope", "list"]
)
def test_organizations_come_sorted_by_name_in_one_call(upstream, wrap):
    up = upstream(lambda _: answer_json(wrap([*accounts("zeta", "Beta", "alpha"), None, {"accountId": "nameless"}])))
    found = list_organizations(up.client, up.caller, "member id/1")
    assert [organization.name for organization in found] == ["alpha", "Beta", "zeta"]
    assert [call.target for call in up.server.calls] == ["/_apis/accounts?api-version=7.1&memberId=member%20id%2F1"]


def test_links_are_built_from_the_name_and_never_copied(upstream):
    up = upstream(lambda _: answer_json(accounts("alpha")))
    assert msgspec.to_builtins(list_organizations(up.client, up.caller, "m")) == [
        {"name": "alpha", "url": f"{up.server.url}/alpha", "projects_page": "/org/alpha/projects"}
    ]


def test_only_allowed_organizations_are_shown_without_regard_to_case(upstream):
    up = upstream(lambda _: answer_json(accounts("Alpha", "beta")))
    found = list_organizations(up.client, up.caller, "m", allowed=frozenset({"alpha", "GAMMA"}))
    assert [organization.name for organization in found] == ["Alpha"]


def test_names_that_no_organization_can_have_are_left_out(upstream):
    up = upstream(lambda _: answer_json(accounts("..", "a/b", "<script>", "ok", "")))
    assert [organization.name for organization in list_organizations(up.client, up.caller, "m")] == ["ok"]


@pytest.mark.parametrize("answer", [{"count": 0}, {"value": None}, "text", {"value": [{"accountName": 1}]}, [[]]])
def test_an_answer_of_another_shape_is_an_error(upstream, answer):
    up = upstream(lambda _: answer_json(answer))
    with pytest.raises(AzureDevOpsError):
        list_organizations(up.client, up.caller, "m")
