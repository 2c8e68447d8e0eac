"""The software bill of materials of a package, CycloneDX 1.6, out of the hashed requirements.txt.

Deterministic like the package: its time is that of the commit, its serial number follows from the package's digest.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement

DIRECT = "-r requirements.in"


@dataclass(frozen=True, slots=True)
class Application:
    """What the bill is about. digest: SHA-256 of the package, hexadecimal; committed_at: seconds since 1970, UTC."""

    name: str
    version: str
    digest: str
    commit: str
    committed_at: int


@dataclass(frozen=True, slots=True)
class Pinned:
    """One package of requirements.txt; `via` names the packages that want it, or `-r requirements.in`."""

    requirement: Requirement
    version: str
    hashes: tuple[str, ...]
    via: tuple[str, ...]


def read_pinned(requirements: str) -> list[Pinned]:
    """The packages of a file compiled by uv with hashes and annotations.

    Raises ValueError for a package without an exact version or without a hash.
    """
    entries = re.split(r"\n(?=[^\s#])", requirements.strip())
    return [_pinned(entry) for entry in entries]


def bill(application: Application, pinned: Iterable[Pinned]) -> str:
    """The bill as JSON, with who depends on whom."""
    packages = list(pinned)
    components = {it.requirement.name: _component(it) for it in packages}
    bom = Bom(components=components.values(), serial_number=_serial_number(application.digest))
    bom.metadata.timestamp = datetime.fromtimestamp(application.committed_at, UTC)
    bom.metadata.component = subject = _subject(application)
    bom.register_dependency(subject, [components[it.requirement.name] for it in packages if DIRECT in it.via])
    for name, component in components.items():
        bom.register_dependency(component, [components[it.requirement.name] for it in packages if name in it.via])
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _pinned(entry: str) -> Pinned:
    requirement = Requirement(re.split(r"\s\\?\n", entry)[0])
    version = re.fullmatch(r"==([^,*]+)", str(requirement.specifier))
    hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})\b", entry)
    if not version or not hashes:
        raise ValueError(f"{requirement.name} is not pinned by version and hash: compile requirements.txt anew")
    via = re.findall(r"^\s+#\s+(?:via +)?(?!via$)(\S.*)$", entry, re.MULTILINE)
    return Pinned(requirement, version[1], tuple(hashes), tuple(via))


def _component(package: Pinned) -> Component:
    """Each hash is that of one of the files that may be installed: a wheel per platform, or the source."""
    name = package.requirement.name
    url = PackageURL("pypi", name=name, version=package.version)
    marker = package.requirement.marker
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=package.version,
        purl=url,
        bom_ref=url.to_string(),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=it) for it in package.hashes],
        properties=[Property(name="gatehouse:marker", value=str(marker))] if marker else [],
    )


def _subject(application: Application) -> Component:
    return Component(
        type=ComponentType.APPLICATION,
        name=application.name,
        version=application.version,
        bom_ref=application.name,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=application.digest)],
        properties=[Property(name="gatehouse:commit", value=application.commit)],
    )


def _serial_number(digest: str) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_URL, f"gatehouse:{digest}")
