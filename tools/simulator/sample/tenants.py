"""The directories (tenants) that people and organizations belong to."""

from dataclasses import dataclass

from tools.simulator.sample.identifiers import guid

PERSONAL_TENANT_ID = "9188040d-6c67-4c5b-b112-36a304b66dad"  # where every personal Microsoft account lives


@dataclass(frozen=True)
class Tenant:
    """One directory; `domain` may stand for the id in an address."""

    id: str
    name: str
    domain: str
    organizations: tuple[str, ...] = ()


FABRIKAM = Tenant(guid("tenant"), "Fabrikam", "fabrikam.example", ("fabrikam",))
CONTOSO = Tenant(guid("tenant", "contoso"), "Contoso", "contoso.example", ("contoso-labs",))
NORTHWIND = Tenant(guid("tenant", "northwind"), "Northwind", "northwind.example", ("northwind-lab",))
PERSONAL = Tenant(PERSONAL_TENANT_ID, "Microsoft account", "live.com")
TENANTS = (FABRIKAM, CONTOSO, NORTHWIND, PERSONAL)


def find_tenant(name: str) -> Tenant | None:
    """By id or domain, case does not matter."""
    wanted = name.casefold()
    return next((each for each in TENANTS if wanted in (each.id, each.domain)), None)


def tenant_of(organization: str) -> Tenant:
    """The tenant that an organization of the sample is connected to."""
    return next(each for each in TENANTS if organization in each.organizations)
