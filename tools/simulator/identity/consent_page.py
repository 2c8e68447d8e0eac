"""The two pages that people see at the token service: consent, and the refusal of a wrong request."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tools.simulator.identity.scopes import in_words
from tools.simulator.sample.people import MAIN_PEOPLE

PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parents[1] / "pages"), autoescape=True, undefined=StrictUndefined
)


@dataclass(frozen=True)
class Consent:
    """What somebody is asked to accept; `fields` are sent along with the decision."""

    action: str
    fields: dict[str, str]
    redirect_uri: str
    scopes: list[str]


def consent_page(consent: Consent) -> str:
    """A form that posts `user` and `decision` back to the authorize endpoint."""
    return PAGES.get_template("consent.html").render(
        action=consent.action,
        fields=consent.fields,
        scopes=[(scope, in_words(scope)) for scope in consent.scopes],
        people=MAIN_PEOPLE,
        back_to=consent.redirect_uri,
        plain_http=urlsplit(consent.redirect_uri).scheme == "http",
    )


def refusal_page(reason: str) -> str:
    """Says why there is no way back to the application."""
    return PAGES.get_template("refusal.html").render(reason=reason)
