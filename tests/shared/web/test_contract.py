"""The contract says what the code says: valid OpenAPI 3.1, made of the routes, the models and the error tree."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from schemathesis.specs.openapi.definitions import OPENAPI_31

from shared.azure_devops import names
from shared.errors import AppError, NotSignedIn
from shared.web import contract, pages
from tests.route_table import ROUTES

URL = "https://gatehouse.example"
CONTRACT: dict[str, Any] = msgspec.to_builtins(
    contract.document(ROUTES, title="Gatehouse", url=URL, cookies={"session": "__Host-session", "receipt": "__Host-r"})
)
OPERATIONS = {operation["get"]["operationId"]: operation["get"] for operation in CONTRACT["paths"].values()}
SCHEMAS = CONTRACT["components"]["schemas"]
REGISTRY = Registry().with_resource("urn:contract", Resource(CONTRACT, DRAFT202012))


def check(value: object, schema: dict[str, Any]) -> None:
    """Raises ValidationError unless the value fits a schema of the contract."""
    absolute = msgspec.json.decode(msgspec.json.encode(schema).replace(b'"#/components', b'"urn:contract#/components'))
    jsonschema.Draft202012Validator(
        absolute, registry=REGISTRY, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    ).validate(value)


def tree(error: type[AppError] = AppError) -> Iterator[type[AppError]]:
    yield error
    for child in error.__subclasses__():
        if child.__module__ == "shared.errors":
            yield from tree(child)


def contents() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, operation in OPERATIONS.items():
        for status, response in operation["responses"].items():
            for media_type, content in response["content"].items():
                yield f"{name}-{status}-{media_type}", content


def test_it_is_valid_openapi() -> None:
    """By the schema of the OpenAPI Initiative (2022-10-07), which leaves the schemas in it to JSON Schema."""
    jsonschema.Draft202012Validator(OPENAPI_31).validate(CONTRACT)
    schemas = [*SCHEMAS.values(), *(it["schema"] for one in OPERATIONS.values() for it in one["parameters"])]
    for schema in [*schemas, *(content["schema"] for _, content in contents())]:
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_reference_leads_somewhere() -> None:
    text = msgspec.json.encode(CONTRACT).decode()
    assert set(re.findall(r'"\$ref":"#/components/schemas/([^"]+)"', text)) <= set(SCHEMAS)


@pytest.mark.parametrize(
    "content", [content for _, content in contents() if "example" in content],
    ids=[name for name, content in contents() if "example" in content],
)  # fmt: skip
def test_the_example_of_an_answer_fits_its_schema(content: dict[str, Any]) -> None:
    check(content["example"], content["schema"])


@pytest.mark.parametrize("name", [name for name in SCHEMAS if "examples" in SCHEMAS[name]])
def test_the_example_of_a_problem_fits_its_schema_and_no_other(name: str) -> None:
    (example,) = SCHEMAS[name]["examples"]
    fitting = []
    for other in [each for each in SCHEMAS if each.endswith("Problem") and each != "Problem"]:
        try:
            check(example, {"$ref": f"#/components/schemas/{other}"})
            fitting.append(other)
        except jsonschema.ValidationError:
            continue
    assert fitting == [name]


@pytest.mark.parametrize("error", list(tree()), ids=lambda error: error.__name__)
def test_every_error_has_the_schema_of_its_type_with_its_title_and_status(error: type[AppError]) -> None:
    (schema,) = [it for it in SCHEMAS.values() if _type(it) == f"urn:gatehouse:problem:{error.kind}"]
    for status in error.statuses or (error.status,):
        assert status in schema["properties"]["status"]["enum"]
        problem = pages.Problem(f"urn:gatehouse:problem:{error.kind}", schema["title"], status, "…", "id")
        check(msgspec.to_builtins(problem), schema)


def _type(schema: dict[str, Any]) -> str | None:
    return schema.get("properties", {}).get("type", {}).get("const")


def test_an_operation_lists_at_each_status_only_problems_that_have_it() -> None:
    for name, content in contents():
        for reference in content["schema"].get("oneOf", ()):
            schema = SCHEMAS[reference["$ref"].rpartition("/")[2]]
            assert int(name.split("-")[1]) in schema["properties"]["status"]["enum"], name


def test_a_session_is_asked_for_exactly_where_401_not_signed_in_is_possible() -> None:
    """And the cookie of a receipt by the receipt alone."""
    for name, operation in OPERATIONS.items():
        needs = ["session"] if NotSignedIn in ROUTES[name].problems else ["receipt"] if name == "receipt" else []
        assert operation["security"] == [{cookie: []} for cookie in needs]
    schemes = CONTRACT["components"]["securitySchemes"]
    assert {name: (it["in"], it["name"]) for name, it in schemes.items()} == {
        "session": ("cookie", "__Host-session"),
        "receipt": ("cookie", "__Host-r"),
    }


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_answer_that_tells_how_long_to_wait_says_so(name: str) -> None:
    """Whatever is 503: that of `readyz` too, which is no problem document."""
    waiting = {status for status, it in OPERATIONS[name]["responses"].items() if "Retry-After" in it.get("headers", ())}
    assert waiting == {"503"} & OPERATIONS[name]["responses"].keys()


def test_a_receipt_may_fail_for_want_of_our_keys() -> None:
    """They open its cookie."""
    (problem,) = OPERATIONS["receipt"]["responses"]["503"]["content"].values()
    assert {"$ref": "#/components/schemas/VaultUnavailableProblem"} in problem["schema"]["oneOf"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_parameters_are_those_that_the_route_reads_with_their_ranges_and_defaults(name: str) -> None:
    route, parameters = ROUTES[name], OPERATIONS[name]["parameters"]
    queried = {it["name"]: it["schema"] for it in parameters if it["in"] == "query"}
    assert queried == {parameter.name: parameter.schema for parameter in route.query}
    assert [it["name"] for it in parameters if it["in"] == "path"] == re.findall(r"\{(\w+)\}", route.template)
    for parameter in (it for it in route.query if it.schema["type"] == "integer"):
        schema = queried[parameter.name]
        assert parameter.default == schema["default"]
        assert [parameter.read(str(schema[edge])) for edge in ("minimum", "maximum")] == [
            schema["minimum"], schema["maximum"],
        ]  # fmt: skip
        for beyond in (schema["minimum"] - 1, schema["maximum"] + 1):
            with pytest.raises(ValueError, match=parameter.name):
                parameter.read(str(beyond))


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_examples_of_path_parameters_fit(name: str) -> None:
    for parameter in OPERATIONS[name]["parameters"]:
        if parameter["in"] == "path":
            check(parameter["example"], parameter["schema"])


def test_every_field_of_an_answer_is_said_to_be_there() -> None:
    """They are always written, as null where there is nothing; only problems leave out what does not apply."""
    for name, schema in SCHEMAS.items():
        if not name.endswith("Problem"):
            assert sorted(schema["properties"]) == sorted(schema["required"]), name


def test_the_pattern_of_a_project_is_its_rule_for_every_character_at_every_place() -> None:
    """First, within and last; beyond the first 4,096 code points those around every edge of the rule."""
    pattern = re.compile(names.PROJECT_PATTERN)
    edges = [edge + by for edge in (0xD800, 0xDC00, 0xE000, 0x10000) for by in (-2, -1, 0, 1)]
    for code in [*range(0x1000), *edges, 0x1F600, 0x10FFFF]:
        for name in (chr(code), f"a{chr(code)}a", f"a{chr(code)}", f"{chr(code)}a"):
            assert (pattern.fullmatch(name) is not None) == names.is_project(name), ascii(name)


@given(st.text(alphabet=st.sampled_from("a._ é%"), max_size=70))
def test_the_pattern_of_a_project_is_its_rule_for_every_length(name: str) -> None:
    assert (re.fullmatch(names.PROJECT_PATTERN, name) is not None) == names.is_project(name)
