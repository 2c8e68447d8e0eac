"""WIQL queries, work items by id, and the batch (facts 4.4 and 4.5)."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from tools.simulator.messages import Response, json_response
from tools.simulator.rest.caller import Call
from tools.simulator.rest.errors import WORK_ITEMS, RestError, bad_argument, no_such_work_item, service_error
from tools.simulator.sample.times import milliseconds, parse_time
from tools.simulator.sample.work_items import WorkItem
from tools.simulator.wiql.evaluation import Asker, run
from tools.simulator.wiql.fields import Field, find_field
from tools.simulator.wiql.syntax import Query, WiqlError, parse

MAX_IDS = 200
_BATCH_KEYS = {"ids", "fields", "asOf", "errorPolicy", "$expand"}


def query_work_items(call: Call) -> Response:
    """The ids that a WIQL query finds, whatever it selects."""
    body = _json_body(call)
    text = body.get("query")
    if not isinstance(text, str) or not text.strip():
        raise _query_error("TF51000: The query statement is missing.")
    top = call.number("$top", 0, lowest=1)
    precise = call.request.query.get("timeprecision", "false").lower() == "true"
    project = call.project.name if call.project else None
    now = call.world.now()
    try:
        query = parse(text)
        found = run(query, call.organization.work_items.values(), Asker(call.person, project, now, precise))
    except WiqlError as error:
        raise _query_error(str(error)) from error
    limit = call.world.settings().query_limit
    found = found[:top] if top else found
    if len(found) > limit:
        raise _query_error(
            f"VS402337: The number of work items returned exceeds the size limit of {limit}. "
            "Change the query to return fewer items."
        )
    return json_response(_query_result(call, query, found, now))


def _query_result(call: Call, query: Query, found: list[WorkItem], now: datetime) -> dict[str, Any]:
    base = f"https://dev.azure.com/{call.organization.name}/_apis/wit/fields/"

    def column(field: Field) -> dict[str, str]:
        name = field.reference_name
        return {"referenceName": name, "name": field.name, "url": base + name}

    order = [{"field": column(key.field), "descending": key.descending} for key in query.order]
    return {
        "queryType": "flat",
        "queryResultType": "workItem",
        "asOf": milliseconds(now),
        "columns": [column(field) for field in query.columns],
        **({"sortColumns": order} if order else {}),
        "workItems": [{"id": item.id, "url": item.url} for item in found],
    }


def list_work_items(call: Call) -> Response:
    """Work items by the query parameter `ids`, in the order asked for."""
    query = call.request.query
    try:
        ids = [int(part) for part in query.get("ids", "").split(",")]
    except ValueError:
        raise bad_argument("The query parameter ids is not a list of work item ids.") from None
    names = query["fields"].split(",") if query.get("fields") else None
    return _details(call, ids, names, query)


def batch_work_items(call: Call) -> Response:
    """The same as a POST, for long lists."""
    body = _json_body(call)
    if unknown := set(body) - _BATCH_KEYS:
        raise bad_argument(f"Could not find member '{min(unknown)}' on object of type 'WorkItemBatchGetRequest'.")
    ids, names = body.get("ids"), body.get("fields")
    if not isinstance(ids, list) or not all(type(each) is int for each in ids):
        raise bad_argument("The parameter ids is missing or not a list of work item ids.")
    if names is not None and not (isinstance(names, list) and all(isinstance(each, str) for each in names)):
        raise bad_argument("The parameter fields is not a list of field names.")
    options = {key.lower(): str(value) for key, value in body.items() if key not in ("ids", "fields")}
    return _details(call, ids, names, options)


def get_work_item(call: Call) -> Response:
    """One work item."""
    if not call.rest[0].isdigit():
        raise bad_argument(f"The value '{call.rest[0]}' is not a work item id.")
    names = call.request.query.get("fields")
    as_of = _as_of(call.request.query)
    item = _visible(call, int(call.rest[0]), as_of)
    if item is None:
        raise no_such_work_item(int(call.rest[0]))
    return json_response(_shown(item, _known_fields(names.split(",") if names else None)))


def _details(call: Call, ids: list[int], names: list[str] | None, options: dict[str, str]) -> Response:
    if len(ids) > MAX_IDS:
        raise service_error(
            400,
            f"VS403474: You requested {len(ids)} work items which exceeds the limit of {MAX_IDS}.",
            f"{WORK_ITEMS}.WorkItemPageSizeExceededException, {WORK_ITEMS}",
            event_id=3200,
        )
    if names and options.get("$expand", "none").lower() != "none":
        raise bad_argument("The expand parameter can not be used with the fields parameter.")
    wanted, as_of = _known_fields(names), _as_of(options)
    omit = options.get("errorpolicy", "fail").lower() == "omit"
    value: list[dict[str, Any] | None] = []
    for item_id in dict.fromkeys(ids):
        item = _visible(call, item_id, as_of)
        if item is None and not omit:
            raise no_such_work_item(item_id)
        value.append(_shown(item, wanted) if item else None)
    return json_response({"count": len(value), "value": value})


def _visible(call: Call, item_id: int, as_of: datetime | None) -> WorkItem | None:
    item = call.organization.work_items.get(item_id)
    if item is None or (as_of and item.created_at > as_of):
        return None
    return item if call.project in (None, item.project) else None


def _shown(item: WorkItem, wanted: frozenset[str] | None) -> dict[str, Any]:
    """Unset fields are absent; `System.Id` is a field only when asked for (as recorded)."""
    fields = {
        name: value
        for name, value in item.fields.items()
        if (name != "System.Id" if wanted is None else name in wanted)
    }
    return {"id": item.id, "rev": item.rev, "fields": fields, "url": item.url}


def _known_fields(names: Iterable[str] | None) -> frozenset[str] | None:
    if names is None:
        return None
    wanted = set()
    for name in names:
        field = find_field(name.strip())
        if field is None or field.reference_name.lower() != name.strip().lower():
            raise service_error(
                400,
                f"TF51535: Cannot find field {name.strip()}.",
                f"{WORK_ITEMS}.WorkItemTrackingFieldDefinitionNotFoundException, {WORK_ITEMS}",
                event_id=3200,
            )
        wanted.add(field.reference_name)
    return frozenset(wanted)


def _as_of(options: dict[str, str]) -> datetime | None:
    text = options.get("asof")
    try:
        return parse_time(text) if text else None
    except ValueError:
        raise bad_argument(f"The value '{text}' is not a date-time.") from None


def _json_body(call: Call) -> dict[str, Any]:
    if call.request.media_type != "application/json":
        raise service_error(
            415,
            f"The request content type '{call.request.media_type}' is not supported.",
            "Microsoft.VisualStudio.Services.WebApi.VssRequestContentTypeNotSupportedException, "
            "Microsoft.VisualStudio.Services.WebApi",
        )
    try:
        body = msgspec.json.decode(call.request.body)
    except msgspec.DecodeError as error:
        raise bad_argument(f"The request body is not valid JSON: {error}") from error
    if not isinstance(body, dict):
        raise bad_argument("Value cannot be null.\r\nParameter name: body", "System.ArgumentNullException, mscorlib")
    return body


def _query_error(message: str) -> RestError:
    return service_error(400, message, f"{WORK_ITEMS}.Query.QueryException, {WORK_ITEMS}", event_id=3200)
