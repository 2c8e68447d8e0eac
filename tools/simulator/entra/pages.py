"""The pages that people see at Entra: choose an account, errors without a way back, signed out."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit
from uuid import uuid4

from tools.simulator.entra.failures import Failure
from tools.simulator.entra.scopes import DEFAULT
from tools.simulator.entra.tenancy import Place
from tools.simulator.identity.consent_page import PAGES
from tools.simulator.identity.scopes import in_words
from tools.simulator.sample.people import MAIN_PEOPLE

_NOT_SENT_AGAIN = ("user", "decision")


@dataclass(frozen=True)
class SignIn:
    """What somebody is asked; `fields` are sent along with the decision, `chosen` is an address to preselect."""

    action: str
    fields: dict[str, str]
    redirect_uri: str
    scopes: tuple[str, ...]
    place: Place
    chosen: str


def sign_in_page(sign_in: SignIn) -> str:
    """A form that posts `user` and `decision` back to the authorize endpoint."""
    first = next((each for each in MAIN_PEOPLE if each.mail == sign_in.chosen), MAIN_PEOPLE[0])
    return PAGES.get_template("entra_sign_in.html").render(
        action=sign_in.action,
        fields={name: value for name, value in sign_in.fields.items() if name not in _NOT_SENT_AGAIN},
        scopes=[(scope, "Everything it was granted before" if scope == DEFAULT else in_words(scope))
                for scope in sign_in.scopes],
        people=MAIN_PEOPLE,
        checked=first.key,
        tenant=sign_in.place.tenant.name if sign_in.place.tenant else sign_in.place.name,
        back_to=sign_in.redirect_uri,
        plain_http=urlsplit(sign_in.redirect_uri).scheme == "http",
    )  # fmt: skip


def error_page(failure: Failure, moment: datetime, again: str) -> str:
    """Says what went wrong; `again` is where another account can be chosen, or empty."""
    description = failure.description(moment, str(uuid4()), str(uuid4()))
    return PAGES.get_template("entra_error.html").render(lines=description.split("\r\n"), again=again)


def posting_page(action: str, fields: dict[str, str]) -> str:
    """`response_mode=form_post`, with a button where the real page has a script."""
    return PAGES.get_template("entra_form_post.html").render(action=action, fields=fields)


def signed_out_page() -> str:
    return PAGES.get_template("entra_signed_out.html").render()
