"""The front page of a site whose settings are right but name no provider."""

import json
from collections.abc import Iterator

import azure.functions as func
import pytest

from functions import home
from shared.services import services
from tests.shared.test_config import GOOD


@pytest.fixture
def without_a_provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    for name in ("AZURE_DEVOPS_APP_ID", "AZURE_DEVOPS_CLIENT_SECRET", "ENTRA_CLIENT_ID", "ENTRA_TENANT_ID"):
        monkeypatch.delenv(name, raising=False)
    services.cache_clear()
    yield
    services.cache_clear()


def ask(accept: str) -> func.HttpResponse:
    headers = {"Accept": accept, "Host": "gatehouse.example"}
    return home.home(func.HttpRequest("GET", "https://gatehouse.example/", headers=headers, body=b""))


@pytest.mark.usefixtures("without_a_provider")
def test_without_a_provider_people_see_what_is_needed_and_scripts_a_problem_that_names_it() -> None:
    page = ask("text/html")
    assert (page.status_code, page.headers["Content-Type"]) == (503, "text/html; charset=utf-8")
    assert b"ENTRA_CLIENT_ID" in page.get_body()
    answer = ask("application/json")
    problem = json.loads(answer.get_body())
    assert (answer.status_code, answer.headers["Content-Type"]) == (503, "application/problem+json; charset=utf-8")
    assert (problem["type"], problem["problems"]) == (
        "urn:gatehouse:problem:not-configured",
        ["ENTRA_CLIENT_ID is missing"],
    )
