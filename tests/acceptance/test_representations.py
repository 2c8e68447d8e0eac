"""G1: what holds a secret does not show it when it is printed: neither a record, nor an object, nor one in another."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
from base64 import b64encode
from collections.abc import Iterator
from enum import Enum
from secrets import token_bytes, token_hex
from typing import Any

import msgspec
import pytest

import functions
import shared
from shared.services import build_services
from tests.evidence import Report
from tests.shared.test_config import WITH_ENTRA
from tools.chaos.canaries import Canaries

SECRET = "Q7r2LwZ0sJ8vXk3NfTe5"
MAY_HOLD_ONE = re.compile(
    r"tokens?$|secrets?$|keys?$|verifier|nonce|state$|csrf|cookies?$|code$|connection_string|body|headers|query|value$"
)
"""By its name; what such a field really holds is a question for the reader, so it is shown only where named below."""
SHOWN = {
    "ApiRequest.query": "filters; the token is in Caller",
    "ApiRequest.body": "WIQL",
    "Answer.value": "what Azure DevOps told",
    "Envelope.value": "the same",
    "_Fields.state": "of a work item",
    "WorkItem.state": "of a work item",
    "RevocationState.state": "a fixed word",
    "Custody.keys": "a function",
    "SignedIn.key": "a SessionKey, which is a record of its own",
    "TickReport.old_key": "a number of rows",
    "TickReport.old_secret": "a number of rows",
    "TickReport.refreshed_by_key": "numbers by the id of a key",
    "TickReport.refreshed_by_secret": "numbers by the id of a secret",
    "Place.partition_key": "a user id",
    "Place.row_key": "a hash or a fixed word",
    "Services.cookies": "an object without a secret",
    "Route.max_query": "a number",
    "Route.query": "what parameters a page takes",
}
"""Fields of such names that hold no secret, and what they hold."""


def classes() -> Iterator[type]:
    """Every class of ours that is no error and no enumeration."""
    for package in (shared, functions):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(found.name)
            for each in vars(module).values():
                if inspect.isclass(each) and each.__module__ == module.__name__ and not issubclass(each, BaseException):
                    yield each


def name_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def fields_of(kind: type) -> tuple[str, ...]:
    """Of a record; nothing for other classes."""
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    return getattr(kind, "_fields", ())


def filled(kind: type, secret: list[str]) -> Any:
    """An instance with the secret in these fields and nothing in the others, whatever their types."""
    values = [SECRET if name in secret else None for name in fields_of(kind)]
    if not dataclasses.is_dataclass(kind):
        return kind(*values)
    made = object.__new__(kind)
    for name, value in zip(fields_of(kind), values, strict=True):
        object.__setattr__(made, name, value)
    return made


def shows(printed: str) -> bool:
    canaries = Canaries()
    canaries.learn("secret", SECRET)
    canaries.note("print", printed.encode())
    return bool(canaries.hits())


def secret_fields(kind: type) -> list[str]:
    return [name for name in fields_of(kind) if MAY_HOLD_ONE.search(name) and f"{kind.__name__}.{name}" not in SHOWN]


RECORDS = {name_of(kind): kind for kind in classes() if secret_fields(kind)}
OBJECTS = {name_of(kind): kind for kind in classes() if not fields_of(kind)}


@pytest.mark.acceptance("G1")
@pytest.mark.parametrize("name", sorted(RECORDS))
def test_a_record_does_not_show_the_secrets_that_it_holds(name: str, evidence: Report) -> None:
    """Filled with a secret where its name tells of one, and printed in every way that logs print."""
    kind = RECORDS[name]
    made = filled(kind, secret_fields(kind))
    for printed in (repr(made), str(made), f"{made}", "%s" % made, "%r" % [made], repr({"it": made})):  # noqa: UP031
        assert not shows(printed), f"{name} shows a field"
    evidence(cases=1)


def test_a_record_that_does_show_it_would_be_noticed() -> None:
    """And every exception above is still a field of ours."""
    careless = dataclasses.make_dataclass("Careless", ["access_token"])
    assert secret_fields(careless) == ["access_token"]
    assert shows(repr(filled(careless, ["access_token"])))
    assert SHOWN.keys() <= {f"{kind.__name__}.{name}" for kind in classes() for name in fields_of(kind)}
    assert len(RECORDS) >= 15


@pytest.mark.acceptance("G1")
def test_no_other_object_prints_its_inside(evidence: Report) -> None:
    """All but records and enumerations have the representation of `object`, or that of a library."""
    talking = {
        name
        for name, kind in OBJECTS.items()
        if not issubclass(kind, Enum) and not getattr(kind, "_is_protocol", False) and "__repr__" in vars(kind)
    }
    assert talking == {"shared.sealing.Keyring"}
    evidence(cases=1)


@pytest.mark.acceptance("G1")
def test_a_composition_shows_no_setting(evidence: Report) -> None:
    """The services with all their collaborators, as deep as printing goes, and the keyring that prints itself."""
    key = b64encode(token_bytes(64)).decode()
    settings = {
        "AZURE_DEVOPS_CLIENT_SECRET": f"{SECRET}, {SECRET[::-1]}",
        "ENTRA_CLIENT_SECRET": f"another-{SECRET}",
        "TOKEN_ENCRYPTION_KEY": token_hex(32),
        "AzureWebJobsStorage": f"AccountName=here;AccountKey={key};EndpointSuffix=core.windows.net",
    }
    canaries = Canaries()
    for name, value in settings.items():
        canaries.learn(name, *re.split(r", |AccountKey=|;", value))
    services = build_services(WITH_ENTRA | settings)
    keys = services.custody.keys()
    for each in (services, services.config, services.custody, keys, vars(keys), *services.custody.providers.values()):
        canaries.note(type(each).__name__, f"{each!r} {each}".encode())
    assert canaries.hits() == []
    assert all(canaries.kinds.values())
    evidence(cases=len(canaries.kinds))
