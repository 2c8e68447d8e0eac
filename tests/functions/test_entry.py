"""The entry of every function, called as the host calls it: whatever happens, the answer is one of ours."""

from collections.abc import Callable

import azure.functions as func
import pytest

from functions import _entry
from shared.web.answers import Answer
from shared.web.requests import Request
from shared.web.visit import Visit

PROBLEM = "application/problem+json; charset=utf-8"


@pytest.fixture(autouse=True)
def _own_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract is made of the registered routes: a test's own are not for it."""
    monkeypatch.setattr(_entry, "ROUTES", {})


def broken(*_: object) -> Answer:
    """Fails as nobody foresaw."""
    raise ValueError("of the log alone")


def answer_to(entry: Callable[[func.HttpRequest], func.HttpResponse]) -> func.HttpResponse:
    return entry(func.HttpRequest("GET", "http://localhost/broken", headers={"accept": "application/json"}, body=b""))


def test_what_nobody_foresaw_is_a_problem_document_also_where_no_setting_is_needed() -> None:
    def handler(request: Request, parameters: dict[str, str]) -> Answer:
        return broken(request, parameters)

    answer = answer_to(_entry.bare(func.Blueprint(), "broken", "GET")(handler))
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, PROBLEM)
    assert b"of the log alone" not in answer.get_body()


def test_a_site_that_can_not_be_built_still_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def handler(visit: Visit) -> Answer:
        return broken(visit)

    monkeypatch.setattr(_entry, "services", broken)
    answer = answer_to(_entry.anyone(func.Blueprint(), "broken", "GET")(handler))
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, PROBLEM)
