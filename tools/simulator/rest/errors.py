"""Errors as Azure DevOps answers them (facts 4.8 and 4.9; tests compare them with recorded ones)."""

import json
from base64 import b64encode

from tools.simulator.messages import Headers, Response, html_response, json_response
from tools.simulator.sample.tenants import FABRIKAM, Tenant
from tools.simulator.settings import Json

NOT_FOUND_PAGE = "<!DOCTYPE html><html lang='en'><title>404</title><h1>404 - Page not found</h1></html>"
_COMMON = "Microsoft.VisualStudio.Services.Common"
_SIGN_IN_PAGE = """<!DOCTYPE html>
<html lang="en"><head><title>Azure DevOps Services | Sign In</title></head>
<body><h1>Sign in to Azure DevOps</h1><p>The bearer token is missing or not valid now.</p></body></html>
"""


class RestError(Exception):
    """Ends a REST call with an error answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def service_error(
    status: int, message: str, type_name: str, *, event_id: int = 3000, headers: Headers | None = None
) -> RestError:
    """The service's error JSON; `type_name` is "Namespace.Type, Assembly", the typeKey is derived from it."""
    body = {
        "$id": "1",
        "innerException": None,
        "message": message,
        "typeName": type_name,
        "typeKey": type_name.partition(",")[0].rpartition(".")[2],
        "errorCode": 0,
        "eventId": event_id,
    }
    return RestError(json_response(body, status, headers))


def sign_in_page() -> RestError:
    """203 with the HTML of the sign-in page: the answer to an expired or foreign bearer on GET and POST."""
    return RestError(html_response(_SIGN_IN_PAGE, 203))


def not_authorized(user: str, tenant: Tenant = FABRIKAM) -> RestError:
    """401 TF400813: no user, or one who is not in the organization. Names the tenant to sign in at (facts 3.7)."""
    tenant_hint = f"Bearer authorization_uri=https://login.microsoftonline.com/{tenant.id}"
    assembly = "Microsoft.TeamFoundation.Framework.Server"
    return service_error(
        401,
        f"TF400813: The user '{user}' is not authorized to access this resource.",
        f"{assembly}.UnauthorizedRequestException, {assembly}",
        headers=[
            ("WWW-Authenticate", tenant_hint),
            ("WWW-Authenticate", "TFS-Federated"),
            ("X-VSS-ResourceTenant", tenant.id),
        ],
    )


def insufficient_claims(tenant: Tenant, claims: Json) -> RestError:
    """401 that asks for a token with `claims` (facts 3.8). What its body says is not documented: it has none."""
    encoded = b64encode(json.dumps(claims).encode()).decode()
    challenge = (
        f'Bearer realm="", authorization_uri="https://login.microsoftonline.com/{tenant.id}", '
        f'error="insufficient_claims", claims="{encoded}"'
    )
    return RestError(Response(401, [("WWW-Authenticate", challenge), ("X-VSS-ResourceTenant", tenant.id)]))


def missing_scope() -> RestError:
    """403 for a token without the API's scope, in the words of the source document."""
    return service_error(
        403,
        "The access token is not authorized for the requested scope.",
        f"{_COMMON}.VssUnauthorizedException, {_COMMON}",
    )


def no_such_route(path: str) -> Response:
    """404 in plain text: no controller has this path."""
    message = f"The controller for path '{path}' was not found or does not implement IController."
    return Response(404, [("Content-Type", "text/plain; charset=utf-8")], message.encode())


def no_such_organization() -> RestError:
    """404 with an HTML page, as for any address that is not there."""
    return RestError(html_response(NOT_FOUND_PAGE, 404))


def no_such_project(name: str) -> RestError:
    """404 TF200016: missing, or hidden from this user."""
    assembly = "Microsoft.TeamFoundation.Core.WebApi"
    return service_error(
        404,
        f"TF200016: The following project does not exist: {name}. Verify that the name of the project is "
        "correct and that the project exists on the specified Azure DevOps Server.",
        f"{assembly}.ProjectDoesNotExistWithNameException, {assembly}",
    )


def no_such_work_item(item_id: int) -> RestError:
    """404 TF401232: missing, or hidden from this user."""
    return service_error(
        404,
        f"TF401232: Work item {item_id} does not exist, or you do not have permissions to read it.",
        f"{WORK_ITEMS}.WorkItemUnauthorizedAccessException, {WORK_ITEMS}",
        event_id=3200,
    )


def bad_argument(message: str, type_name: str = "System.ArgumentException, mscorlib") -> RestError:
    """400 for a parameter with a wrong value."""
    return service_error(400, message, type_name, event_id=0)


WORK_ITEMS = "Microsoft.TeamFoundation.WorkItemTracking.Server"
