"""Ways on through Entra ID are offered where they can cure."""

import pytest

from shared.custody.sign_in import SessionKey
from shared.errors import AccessDenied, ScopeMissing
from shared.sealing import Keyring
from shared.web import step_up

KEYS = Keyring([b"1" * 32])
SESSION = SessionKey("a" * 32, "s" * 43)


@pytest.mark.parametrize(
    ("scopes", "offered"),
    [
        ("vso.work vso.build", True),
        ("vso.work_write", True),
        ("vso.code user_impersonation", True),
        ("vso.build vso.workitemsearch", False),
        ("vso.profile", False),
    ],
)
def test_a_scope_can_be_granted_only_where_the_site_asks_for_it(scopes, offered):
    """By itself, within a wider one, or with all there is; else Microsoft would ask for what is granted already."""
    remedy = step_up.remedy(ScopeMissing("vso.work"), SESSION, "/org/a/projects", KEYS, scopes)
    address = "/auth/login/entra?consent=1&return_to=%2Forg%2Fa%2Fprojects"
    assert remedy == (("Grant it at Microsoft", address) if offered else None)


def test_what_no_sign_in_cures_has_no_way_on():
    assert step_up.remedy(AccessDenied(), SESSION, "/", KEYS, "vso.work") is None
