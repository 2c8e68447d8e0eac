"""Scopes as Entra wants them: one resource, each of its scopes with the resource's prefix (facts 3.2)."""

from dataclasses import dataclass

from tools.simulator.entra.failures import failing
from tools.simulator.identity.scopes import is_known

RESOURCE = "499b84ac-1321-427f-aa17-267ca6975798"
RESOURCE_URI = "https://app.vssps.visualstudio.com"  # the same resource by its address (facts 3.1)
OIDC = ("openid", "profile", "email", "offline_access")
DEFAULT = ".default"
_GRAPH = "00000003-0000-0000-c000-000000000000"


@dataclass(frozen=True)
class Asked:
    """The scopes of one request: those of Azure DevOps without prefix, and those of OpenID Connect."""

    resource: tuple[str, ...]
    oidc: tuple[str, ...]


def read_scopes(text: str) -> Asked:
    """The checked scopes. Raises EntraError: a bare name is one of Graph and not there, resources don't mix."""
    words = tuple(dict.fromkeys(text.split()))
    oidc = tuple(word for word in words if word in OIDC)
    own = tuple(_without_prefix(word) for word in words if word not in OIDC)
    if not words:
        raise failing(900144, "The request body must contain the following parameter: 'scope'.")
    if DEFAULT in own and len(own) > 1:
        raise failing(70011, f"The provided value for the input parameter 'scope' is not valid. .default scope can't "
                      f"be combined with resource-specific scopes. The scope {text} is not valid.")  # fmt: skip
    for scope in own:
        if scope != DEFAULT and not is_known(scope):
            raise _no_such(scope, RESOURCE)
    return Asked(own, oidc)


def with_prefix(scopes: tuple[str, ...]) -> str:
    """As the token answer shows them."""
    return " ".join(f"{RESOURCE}/{scope}" for scope in scopes)


def _without_prefix(word: str) -> str:
    resource, slash, scope = word.rpartition("/")
    if not slash:
        raise _no_such(word, _GRAPH)
    if resource.rstrip("/") not in (RESOURCE, RESOURCE_URI):
        raise failing(28000, f"Provided value for the input parameter scope is not valid because it contains more "
                      f"than one resource. Scope {word} is not valid.")  # fmt: skip
    return scope


def _no_such(scope: str, resource: str) -> Exception:
    return failing(650053, f"The application asked for scope '{scope}' that doesn't exist on the resource "
                   f"'{resource}'. Contact the app vendor.")  # fmt: skip
