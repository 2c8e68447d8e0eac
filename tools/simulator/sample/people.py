"""Who can sign in, and who else appears in the data."""

from base64 import urlsafe_b64encode
from dataclasses import dataclass, replace
from typing import Any

from tools.simulator.sample.identifiers import guid
from tools.simulator.sample.tenants import CONTOSO, FABRIKAM, NORTHWIND, PERSONAL, Tenant


@dataclass(frozen=True)
class Person:
    """Somebody with an identity; only those with a `key` can sign in.

    `organizations` are those of a legacy token. An Entra token belongs to one of `tenants` (home first, then
    those the person is a guest in) and shows the organizations of that tenant only.
    """

    name: str
    mail: str
    key: str = ""
    organizations: tuple[str, ...] = ()
    tenants: tuple[Tenant, ...] = ()
    guest_organizations: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return guid("person", self.mail)

    @property
    def home(self) -> Tenant:
        return self.tenants[0]

    def seen_from(self, tenant: Tenant) -> "Person":
        """The same person with the organizations that a token of `tenant` shows (facts 3.7)."""
        everywhere = self.organizations + self.guest_organizations
        return replace(self, organizations=tuple(name for name in everywhere if name in tenant.organizations))

    def identity(self, organization: str) -> dict[str, Any]:
        """The identity object inside work items, builds and pull requests."""
        descriptor = "aad." + urlsafe_b64encode(self.id.encode()).decode().rstrip("=")
        avatar = f"https://dev.azure.com/{organization}/_apis/GraphProfile/MemberAvatars/{descriptor}"
        return {
            "displayName": self.name,
            "url": f"https://spsprodweu5.vssps.visualstudio.com/A{guid('host', organization)}"
            f"/_apis/Identities/{self.id}",
            "_links": {"avatar": {"href": avatar}},
            "id": self.id,
            "uniqueName": self.mail,
            "imageUrl": avatar,
            "descriptor": descriptor,
        }


ADA = Person(
    "Ada Lovelace",
    "ada@fabrikam.example",
    "ada",
    ("fabrikam", "contoso-labs"),
    (FABRIKAM, NORTHWIND),
    ("northwind-lab",),
)
BJORN = Person("Björn Åkesson", "bjorn@contoso.example", "bjorn", ("contoso-labs",), (CONTOSO,))
CHEN = Person("Chen Wei", "chen@elsewhere.example", "chen", tenants=(PERSONAL,))
MAIN_PEOPLE = (ADA, BJORN, CHEN)
COLLEAGUES = (
    ADA,
    BJORN,
    Person("Sinéad O'Brien", "sinead@fabrikam.example"),
    Person("Jürgen Müller-Lüdenscheidt", "juergen@contoso.example"),
    Person("山田 太郎", "taro@fabrikam.example"),
    Person("Priya Raghunathan", "priya@contoso.example"),
)


def load_person(number: int) -> Person:
    """One of the people made by the setting `people_count`: user0001, user0002, …"""
    key = f"user{number:04d}"
    return Person(f"Load User {number:04d}", f"{key}@contoso.example", key, ("contoso-labs",), (CONTOSO,))


class Directory:
    """Finds people by key; grows with the setting `people_count`."""

    def __init__(self) -> None:
        self._people = {person.key: person for person in MAIN_PEOPLE}

    def resize(self, people_count: int) -> None:
        """Have exactly `people_count` load users besides the main people."""
        extra = [load_person(number + 1) for number in range(people_count)]
        self._people = {person.key: person for person in (*MAIN_PEOPLE, *extra)}

    def find(self, key: str) -> Person | None:
        return self._people.get(key)

    def __getitem__(self, key: str) -> Person:
        return self._people[key]
