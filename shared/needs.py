"""What the site still needs before people can sign in: one list for the set-up page."""

from collections.abc import Mapping
from typing import NamedTuple

from shared.config import Config
from shared.errors import NotConfigured

PROVIDERS = ("ENTRA_CLIENT_ID", "AZURE_DEVOPS_APP_ID")

_NEEDS = (
    ("PUBLIC_URL", "The address of this site; redirect URIs are built from it.", "Set it to https://your-host."),
    (
        "ENTRA_CLIENT_ID",
        "The application that people grant access to.",
        "Register one with Microsoft Entra ID and set ENTRA_CLIENT_ID and ENTRA_TENANT_ID; or set AZURE_DEVOPS_APP_ID "
        "and AZURE_DEVOPS_CLIENT_SECRET of an existing legacy registration.",
    ),
    (
        "TOKEN_ENCRYPTION_KEY",
        "Seals every token before it is stored.",
        "Set 64 random hex digits, for example from: openssl rand -hex 32",
    ),
    (
        "TOKEN_STORE_URL",
        "The table endpoint that holds the sealed tokens.",
        "Set it, or AzureWebJobsStorage for development.",
    ),
)


class Need(NamedTuple):
    """One thing that the site needs before people can sign in."""

    ok: bool
    setting: str
    purpose: str
    remedy: str


def needs(environ: Mapping[str, str]) -> list[Need]:
    """Each need with a tick or a cross, and every other setting that is wrong."""
    try:
        Config.from_env(environ)
        problems: tuple[str, ...] = ()
    except NotConfigured as error:
        problems = error.problems
    wrong = {problem.split(" ", 1)[0]: problem for problem in problems}
    if not any(environ.get(name, "").strip() for name in PROVIDERS):
        wrong["ENTRA_CLIENT_ID"] = "ENTRA_CLIENT_ID is missing"
    listed = [Need(name not in wrong, name, purpose, remedy) for name, purpose, remedy in _NEEDS]
    known = {name for name, _, _ in _NEEDS}
    others = [Need(False, name, text, "Correct this setting.") for name, text in wrong.items() if name not in known]
    return listed + others
