"""Profile and accounts: the two APIs of the identity host (facts 4.2)."""

from datetime import timedelta
from uuid import UUID

from tools.simulator.messages import Response, json_response
from tools.simulator.rest.caller import Call
from tools.simulator.rest.errors import bad_argument, no_such_route
from tools.simulator.sample.identifiers import guid
from tools.simulator.sample.times import ticks


def profile(call: Call) -> Response:
    """The signed-in person; `me` and the own id are the only profiles that can be asked for."""
    person = call.person
    if call.rest[0].lower() not in ("me", person.id):
        return no_such_route(call.request.path)
    revision = 300_000_000 + int(person.id[:6], 16)
    changed_at = call.world.now() - timedelta(days=40)
    return json_response(
        {
            "displayName": person.name,
            "publicAlias": person.id,
            "emailAddress": person.mail,
            "coreRevision": revision,
            "timeStamp": ticks(changed_at).replace("Z", "+00:00"),
            "id": person.id,
            "revision": revision,
        }
    )


def accounts(call: Call) -> Response:
    """The organizations of `memberId` or owned by `ownerId`; nobody sees those of somebody else."""
    query = call.request.query
    asked = query.get("memberid") or query.get("ownerid")
    if not asked:
        raise bad_argument("Necessary parameters ownerId or memberId were not provided in the request")
    try:
        asked = str(UUID(asked))
    except ValueError:
        raise bad_argument(f"The value '{asked}' is not a valid GUID.") from None
    names = call.person.organizations if asked == call.person.id else ()
    if "memberid" not in query:
        names = names[:1]  # each person of the sample owns the first of their organizations
    value = [
        {
            "accountId": guid("account", name),
            "accountUri": f"https://vssps.dev.azure.com:443/{name}/",
            "accountName": name,
            "properties": {},
        }
        for name in names
    ]
    return json_response({"count": len(value), "value": value})
