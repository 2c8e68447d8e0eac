"""The one door to Azure Table Storage: explicit budgets, and what a failed operation really means.

The SDK's defaults (300 s of read time-out, retries that take their own committed write for a conflict) are switched
off; every figure here is measured in facts/runtime-and-tables.md. A write whose reply is lost is neither failed nor
done: `write` tries again, and when that ends in a conflict asks the caller whether the row is its own. All waiting is
taken from the budget of the request (`shared.budget`); outside of one each operation has its own.
"""

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import requests
from azure.core import MatchConditions
from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.data.tables import TableClient, TableServiceClient, TableTransactionError, UpdateMode
from requests.adapters import HTTPAdapter

from shared import budget
from shared.errors import StoreError
from shared.storage.answers import Conflict, OutcomeUnknownError, asked_to_wait, refuse_what_is_no_page, refused

logging.getLogger("azure").setLevel(logging.WARNING)  # at INFO it logs PartitionKeys and RowKeys

CONNECT_SECONDS = 2
READ_SECONDS = 5
TRIES = 3
BUDGET_SECONDS = 9.0
"""For all tries of an operation that belongs to no request."""
SHARE_OF_A_TRY = 0.6
"""Of what is left of the budget: a try that hangs leaves time for the ones after it."""
SHORTEST_TRY = 0.1
"""Seconds; with less left none is begun."""
PAUSE_SECONDS = 0.25
"""Before the second try at most so much, before the third twice that."""
PROBE_CONNECT_SECONDS = 1
PROBE_READ_SECONDS = 2
TRANSACTION_SIZE = 100

Entity = dict[str, Any]
Operation = tuple[Any, ...]


class Tables:
    """Three named tables of one account, and the operations that the modules per table are made of."""

    def __init__(self, service: TableServiceClient, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._service = service
        self._sleep = sleep
        self._clients: dict[str, TableClient] = {}

    def query(
        self, table: str, condition: str, parameters: Mapping[str, Any], *, select: Sequence[str] = ()
    ) -> list[Entity]:
        """All entities that match, in key order. Raises StoreError."""
        return [entity for page in self.pages(table, condition, parameters, select=select) for entity in page]

    def pages(
        self,
        table: str,
        condition: str,
        parameters: Mapping[str, Any],
        *,
        select: Sequence[str] = (),
        size: int = 1000,
    ) -> Iterator[list[Entity]]:
        """The same in pages of `size`; each page is one operation. `condition` needs exactly one
        blank before each parameter, and one after it except at the end."""
        query: dict[str, Any] = {
            "parameters": dict(parameters),
            "select": list(select) or None,
            "results_per_page": size,
        }
        token: Any = None

        def read() -> tuple[list[Entity], Any]:
            # A pager that failed once takes the next call for the end of its pages: each try has its own.
            found = self._client(table).query_entities(condition, **query, raw_response_hook=refuse_what_is_no_page)
            pager: Any = found.by_page(continuation_token=token)
            return list(next(pager)), pager.continuation_token

        while True:
            page, token = self._read(read)
            yield page
            if not token:
                return

    def probe(self, table: str) -> None:
        """Whether the service answers and the table is there: one point query of no row, one try. Raises StoreError."""
        found = self._client(table).query_entities(
            "PartitionKey eq @key and RowKey eq @key",
            parameters={"key": "readyz"},
            raw_response_hook=refuse_what_is_no_page,
            connection_timeout=PROBE_CONNECT_SECONDS,
            read_timeout=PROBE_READ_SECONDS,
        )
        try:
            list(found)
        except Exception as error:  # noqa: BLE001 - cut replies leak foreign exceptions (facts, Lost replies)
            status = getattr(error, "status_code", None)
            raise StoreError(f"probe of the table service: {type(error).__name__} {status}") from None

    def write(self, attempt: Callable[[], str], landed: Callable[[], str | None]) -> str:
        """Do one conditional write and return the new ETag.

        `attempt` raises Conflict or OutcomeUnknownError; `landed` re-reads and returns the ETag when the row shows
        that the write is our own. Raises Conflict when somebody else's row stands there, StoreError when the budget
        is over.
        """
        unknown = False
        tries = _Tries(self._sleep)
        with budget.granted_or_own(BUDGET_SECONDS):
            for _ in tries:
                try:
                    return attempt() or self._confirmed(landed)
                except OutcomeUnknownError as error:
                    unknown = True
                    tries.asked_to_wait = error.retry_after
                except Conflict:
                    etag = landed() if unknown else None
                    if etag is None:
                        raise
                    return etag
        raise tries.in_vain("a write did not go through within its budget")

    def insert(self, table: str, entity: Entity) -> str:
        """Insert; Conflict(409) when the key is taken. Only a table can be missing here, which the SDK does not say."""
        try:
            return self._attempt(lambda: self._client(table).create_entity(entity))
        except Conflict as conflict:
            if conflict.status != 409:
                raise StoreError(f"table service: insert {conflict.status}") from None
            raise

    def upsert(self, table: str, entity: Entity) -> str:
        """Insert or replace without a condition; safe to repeat."""
        return self.write(
            lambda: self._attempt(lambda: self._client(table).upsert_entity(entity, mode=UpdateMode.REPLACE)),
            lambda: "*",
        )

    def merge(self, table: str, entity: Entity, etag: str | None) -> str:
        """Merge into the row if it still has `etag` (None: if it is there at all); Conflict(412) or Conflict(404)."""
        return self._update(table, entity, etag, UpdateMode.MERGE)

    def replace(self, table: str, entity: Entity, etag: str | None) -> str:
        """Replace the row if it still has `etag` (None: if it is there at all); Conflict(412) or Conflict(404)."""
        return self._update(table, entity, etag, UpdateMode.REPLACE)

    def _update(self, table: str, entity: Entity, etag: str | None, mode: UpdateMode) -> str:
        if etag == "":
            raise StoreError("a row came without the ETag that its write depends on")
        condition: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag else {}
        return self._attempt(lambda: self._client(table).update_entity(entity, mode=mode, **condition))

    def transact(self, table: str, operations: Sequence[Operation]) -> list[str]:
        """All or nothing inside one partition: the new ETags in order. Raises Conflict or OutcomeUnknownError."""
        try:
            answers = self._client(table).submit_transaction(operations)
        except TableTransactionError as error:
            raise refused(error, index=error.index) from None
        except Exception as error:  # noqa: BLE001 - cut replies leak foreign exceptions (facts, Lost replies)
            raise refused(error) from None
        return [answer.get("etag", "") for answer in answers]

    def delete_all(self, table: str, keys: Sequence[tuple[str, str]]) -> None:
        """Delete rows of one partition, each wanted gone: rows that are gone already count as deleted."""
        for start in range(0, len(keys), TRANSACTION_SIZE):
            self._delete_batch(table, keys[start : start + TRANSACTION_SIZE])

    def upsert_all(self, table: str, entities: Sequence[Entity]) -> None:
        """Insert or replace rows of one partition, 100 in a transaction; safe to repeat."""
        for start in range(0, len(entities), TRANSACTION_SIZE):
            some = entities[start : start + TRANSACTION_SIZE]
            batch = [("upsert", entity, {"mode": UpdateMode.REPLACE}) for entity in some]
            self.write(lambda batch=batch: _first(self.transact(table, batch)), lambda: "*")  # type: ignore[misc] # bound

    def _delete_batch(self, table: str, keys: Sequence[tuple[str, str]]) -> None:
        operations = [("delete", {"PartitionKey": partition, "RowKey": row}) for partition, row in keys]
        try:
            self.write(lambda: _first(self.transact(table, operations)), lambda: None)
        except Conflict:
            # One missing row fails the whole batch (404); single deletes take 404 for success.
            for partition, row in keys:
                self._read(lambda p=partition, r=row: self._client(table).delete_entity(p, r))  # type: ignore[misc] # bound

    def _client(self, table: str) -> TableClient:
        client = self._clients.get(table)
        if client is None:
            client = self._clients.setdefault(table, self._service.get_table_client(table))
        return client

    def _attempt(self, call: Callable[[], Mapping[str, Any]]) -> str:
        try:
            answer = call()
        except Exception as error:  # noqa: BLE001 - cut replies leak foreign exceptions (facts, Lost replies)
            raise refused(error) from None
        return str(answer.get("etag") or "")

    def _confirmed(self, landed: Callable[[], str | None]) -> str:
        """A reply without an ETag was cut short."""
        etag = landed()
        if etag is None:
            raise OutcomeUnknownError
        return etag

    def _read[Result](self, call: Callable[[], Result]) -> Result:
        """Repeat what may be repeated: reads, and deletes of what must be gone."""
        tries = _Tries(self._sleep)
        with budget.granted_or_own(BUDGET_SECONDS):
            for _ in tries:
                try:
                    return call()
                except Exception as error:  # noqa: BLE001 - likewise
                    if isinstance(error, HttpResponseError) and error.status_code in (400, 401, 403, 404):
                        raise StoreError(f"table service: {error.status_code}") from None
                    tries.asked_to_wait = asked_to_wait(error)
        raise tries.in_vain("the table service does not answer within its budget")


class _Tries:
    """At most three, full jitter between them on top of what the service asks for, none beyond the budget.

    Whoever makes them notes in `asked_to_wait` the seconds that the service asked for.
    """

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep
        self.asked_to_wait = 0.0

    def __iter__(self) -> Iterator[int]:
        for number in range(TRIES):
            if budget.left() < SHORTEST_TRY:
                return
            self.asked_to_wait = 0.0
            yield number
            jitter = random.uniform(0, PAUSE_SECONDS * 2**number)  # noqa: S311 - not a secret
            pause = self.asked_to_wait + jitter
            if number + 1 == TRIES or pause > budget.left():
                return
            self._sleep(pause)
            budget.spend(pause)

    def in_vain(self, log: str) -> StoreError:
        """The error after the last of them; people wait for as long as the service asks."""
        return StoreError(log, retry_after=self.asked_to_wait) if self.asked_to_wait else StoreError(log)


class _Transport(RequestsTransport):  # type: ignore[misc]  # untyped to mypy: the SDK loads it lazily
    """Spends of the budget what each try takes, and lets none take all of it."""

    def send(self, request: Any, **options: Any) -> Any:
        left = max(budget.left(), SHORTEST_TRY)
        limits = {
            "connection_timeout": min(CONNECT_SECONDS, left * SHARE_OF_A_TRY),
            "read_timeout": min(READ_SECONDS, left * SHARE_OF_A_TRY),
        }
        began = time.monotonic()
        try:
            return super().send(request, **limits | options)
        finally:
            budget.spend(time.monotonic() - began)


def connect(
    *, connection_string: str | None, url: str | None, credential: TokenCredential | None, ca_bundle: str | None = None
) -> TableServiceClient:
    """A service client with our budgets: by connection string (development), or by URL with the identity.

    `ca_bundle` is a file of trusted authorities in place of the built-in ones; the SDK's other clients take it from
    the environment, as this one would if it did not keep away from proxies and .netrc.
    """
    session = requests.Session()
    session.trust_env = False
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_connections=4, pool_maxsize=32, max_retries=0))
    budgets: dict[str, Any] = {
        "transport": _Transport(session=session, session_owner=False, connection_verify=ca_bundle or True),
        "retry_total": 0,
    }
    if url is not None:
        return TableServiceClient(endpoint=url, credential=credential, **budgets)
    return TableServiceClient.from_connection_string(connection_string or "", **budgets)


def _first(etags: Sequence[str]) -> str:
    return (etags[0] if etags else "") or "*"
