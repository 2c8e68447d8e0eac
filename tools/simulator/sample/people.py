"""Who can sign in, and who else appears in the data."""

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5


def guid(*names: str) -> str:
    """The same GUID for the same names at every start."""
    return str(uuid5(NAMESPACE_URL, "gatehouse-simulator/" + "/".join(names)))


@dataclass(frozen=True)
class Person:
    """Somebody with an identity; only those with a `key` can sign in."""

    name: str
    mail: str
    key: str = ""
    organizations: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return guid("person", self.mail)

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


ADA = Person("Ada Lovelace", "ada@fabrikam.example", "ada", ("fabrikam", "contoso-labs"))
BJORN = Person("Björn Åkesson", "bjorn@contoso.example", "bjorn", ("contoso-labs",))
CHEN = Person("Chen Wei", "chen@elsewhere.example", "chen")
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
    return Person(f"Load User {number:04d}", f"{key}@contoso.example", key, ("contoso-labs",))


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
