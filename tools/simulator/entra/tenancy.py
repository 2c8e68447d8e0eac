"""Which tenant an address means, and whose account can sign in there (facts 3.1, 3.7)."""

from dataclasses import dataclass

from tools.simulator.entra.failures import failing
from tools.simulator.sample.people import Person
from tools.simulator.sample.tenants import PERSONAL, Tenant, find_tenant
from tools.simulator.settings import Settings

AUDIENCES = ("organizations", "common", "consumers")


@dataclass(frozen=True)
class Place:
    """The tenant of an address. `tenant` is None for `organizations` and `common`: the account's own then."""

    name: str
    tenant: Tenant | None

    @property
    def takes_personal_accounts(self) -> bool:
        return self.name == "common" or self.tenant == PERSONAL

    @property
    def address(self) -> str:
        """As discovery spells it: an alias as it is, a tenant by id."""
        return self.tenant.id if self.tenant and self.name not in AUDIENCES else self.name


def find_place(name: str) -> Place:
    """Raises EntraError 90002."""
    lowered = name.lower()
    if lowered in ("organizations", "common"):
        return Place(lowered, None)
    tenant = PERSONAL if lowered == "consumers" else find_tenant(lowered)
    if tenant is None:
        raise failing(90002, f"Tenant '{name[:64]}' not found. Check to make sure you have the correct tenant ID and "
                      "are signing into the correct cloud.")  # fmt: skip
    return Place(lowered, tenant)


def check_registered(place: Place, settings: Settings) -> None:
    """Whether the application can be used there. Raises EntraError 50194 or 700016."""
    if settings.entra_multi_tenant:
        return
    if place.tenant is None or place.tenant == PERSONAL:
        raise failing(50194)
    if place.tenant.id != settings.entra_tenant_id.lower():
        raise failing(700016)


def account_tenant(place: Place, person: Person) -> Tenant:
    """The tenant that signs this person in: home, or where they are a guest. Raises EntraError 50020, 500208."""
    personal = person.home == PERSONAL
    if personal and not place.takes_personal_accounts and place.tenant is None:
        raise failing(500208)
    if place.tenant is None:
        return person.home
    if place.tenant not in person.tenants:
        provider = "live.com" if personal else f"https://sts.windows.net/{person.home.id}/"
        raise failing(50020, f"User account '{person.mail}' from identity provider '{provider}' does not exist in "
                      f"tenant '{place.tenant.name}' and cannot access the application in that tenant. The account "
                      "needs to be added as an external user in the tenant first. Sign out and sign in again with a "
                      "different account.")  # fmt: skip
    return place.tenant
