"""Schemathesis over the contract, signed in, on the real host: no server error, and every answer is as documented.

25 requests per operation, 200 with `--full` and then at random; what was answered is left in `build/fuzz.json`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.route_table import pages
from tests.site import ROOT, Browser, Host

SLICE, FULL = 25, 200
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPERATIONS = [page.name for page in pages() if page.route.answers]
OUT_OF_TEN = {"valid": 6, "made-up": 2, "broken": 2}
"""Valid names what is there, made-up fits the schemas alone, broken breaks them."""


class Person:
    """Somebody signed in, what there is for them to ask for, and the answers they got."""

    def __init__(self, host: Host) -> None:
        self.browser = Browser(host.url)
        self.browser.sign_in("ada")
        self.browser.sign_out()  # leaves a receipt
        self.browser.sign_in("ada")
        self.contract: dict[str, Any] = self.browser.get("/openapi.json").json()
        config = schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}})
        self.schema = schemathesis.openapi.from_dict(self.contract, config=config)
        self.operations = {
            each.ok().definition.raw["operationId"]: each.ok() for each in self.schema.get_all_operations()
        }
        self.places = list(self._places())

    def _places(self) -> Iterator[dict[str, str]]:
        for organization in self._items("/dashboard"):
            for project in self._items(organization["projects_page"]):
                yield {"org": organization["name"], "project": project["name"]}

    def _items(self, path: str) -> list[dict[str, Any]]:
        answer = self.browser.api(path)
        return answer.json()["items"] if answer.status_code == 200 else []

    def ask(self, case: schemathesis.Case, salt: int) -> Any:
        """Send a case as it is, with this person's session; the salt keeps two of them apart in the host's log."""
        return case.call(
            base_url=self.browser.base,
            session=self.browser.http,
            headers={"Accept": "application/json", "X-Fuzz": str(salt)},
            allow_redirects=False,
        )


@pytest.fixture(scope="module")
def ada(host: Host) -> Person:
    return Person(host)


@pytest.fixture(scope="module")
def answered() -> Iterator[dict[str, dict[str, int]]]:
    """Operation → status → how often."""
    found: dict[str, dict[str, int]] = {}
    yield found
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "fuzz.json").write_text(json.dumps(found, indent=1, sort_keys=True), "utf-8")


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_answer_to_any_request_is_in_the_contract(
    ada: Person, answered: dict[str, dict[str, int]], pytestconfig: pytest.Config, name: str
) -> None:
    full = pytestconfig.getoption("full")
    wanted = FULL if full else SLICE
    operation = ada.operations[name]
    parts = OUT_OF_TEN if operation.definition.raw["parameters"] else {"valid": 10}
    asked: Counter[str] = Counter()
    for kind, part in parts.items():
        count = -(-wanted * part // 10)

        @settings(
            max_examples=count,
            derandomize=not full,
            database=None,
            phases=[Phase.generate],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        )
        @given(cases(operation, kind, ada.places), st.integers(0, 2**64))
        def fuzz(case: schemathesis.Case, salt: int) -> None:
            _judge(ada, kind, case, salt, asked)  # noqa: B023 - it runs within its round

        fuzz()
    answered[name] = dict(asked)
    assert asked.total() >= wanted
    assert asked["200"] * 2 >= asked.total()


def cases(
    operation: schemathesis.schemas.APIOperation, kind: str, places: list[dict[str, str]]
) -> st.SearchStrategy[schemathesis.Case]:
    """Requests of this kind; a valid one begins at the first page: only a page gives continuations."""
    if kind == "broken":
        return operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)
    if kind == "made-up":
        return operation.as_strategy()

    def name_what_is_there(case: schemathesis.Case, place: dict[str, str]) -> schemathesis.Case:
        case.path_parameters = {name: place[name] for name in case.path_parameters or {}}
        (case.query or {}).pop("continuation", None)
        return case

    return st.builds(name_what_is_there, operation.as_strategy(), st.sampled_from(places))


def _judge(ada: Person, kind: str, case: schemathesis.Case, salt: int, asked: Counter[str]) -> None:
    response = ada.ask(case, salt)
    asked[str(response.status_code)] += 1
    if kind == "broken" and response.status_code == 404:
        # A broken path is another address, of which the operation says nothing; it is a problem all the same.
        jsonschema.validate(response.json(), ada.contract["components"]["schemas"]["Problem"])
    else:
        case.validate_response(response, checks=CHECKS)
    assert response.status_code == 200 or kind != "valid"
