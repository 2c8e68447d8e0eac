"""The keys that a tenant's id tokens are signed with (OpenID Connect Discovery 1.0 section 4), read and kept."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt

from shared.errors import Unavailable
from shared.http_session import new_session
from shared.oauth.token_request import bounded, json_object

ALGORITHM = "RS256"
METADATA_SECONDS = 5.0
KEPT_FOR = timedelta(hours=24)
SEARCH_EVERY = timedelta(minutes=1)
"""Key ids that nobody published must not make us fetch without end; the first unknown one is always worth a look."""
REST = timedelta(seconds=10)
"""After a failed read; who comes meanwhile learns of it at once."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A published key; `issuer` is whose tokens it signs, where the list says so."""

    public: jwt.PyJWK
    issuer: object

    def signs_for(self, issuer: str, tenant: str) -> bool:
        """Whether tokens of this issuer may carry its signature; Microsoft's list has `{tenantid}` in the names."""
        if self.issuer is None:
            return True
        return isinstance(self.issuer, str) and self.issuer.replace("{tenantid}", tenant) == issuer


class SigningKeys:
    """The keys of one metadata document, read again after a day and for an unknown key id.

    One caller reads while those go on who ask for a key that is known. Keys serve until others were read.
    """

    def __init__(self, metadata_url: str, now: Callable[[], datetime]) -> None:
        self._metadata_url = metadata_url
        self._now = now
        self._session = new_session()
        self._reading = threading.Lock()
        self._keys: Mapping[str, SigningKey] = {}
        self._read_at: datetime | None = None
        self._searched_at: datetime | None = None
        self._failed: tuple[datetime, str] | None = None

    def find(self, key_id: str) -> SigningKey | None:
        """The key of this id; None when it is not published. Raises Unavailable where that can't be known."""
        if self._is_wanting(key_id) and self._reading.acquire(blocking=key_id not in self._keys):
            try:
                if self._is_wanting(key_id):
                    self._read(key_id)
            finally:
                self._reading.release()
        return self._keys.get(key_id)

    def _is_wanting(self, key_id: str) -> bool:
        now = self._now()
        if self._read_at is None or now - self._read_at > KEPT_FOR:
            return True
        return key_id not in self._keys and (self._searched_at is None or now - self._searched_at > SEARCH_EVERY)

    def _read(self, key_id: str) -> None:
        """Read all keys. Raises Unavailable when that fails, or failed a moment ago, and this one is not known."""
        now = self._now()
        if self._failed is None or now - self._failed[0] >= REST:
            try:
                found = self._fetch()
            except Unavailable as error:
                self._failed = (now, str(error))
            else:
                if self._read_at is not None and key_id not in self._keys:
                    self._searched_at = now
                self._keys, self._read_at, self._failed = found, now, None
                return
        if key_id not in self._keys:
            raise Unavailable(self._failed[1])

    def _fetch(self) -> Mapping[str, SigningKey]:
        metadata = self._get(self._metadata_url)
        keys_url = metadata.get("jwks_uri")
        origin = self._metadata_url.split("/", 3)[:3]
        if not isinstance(keys_url, str) or keys_url.split("/", 3)[:3] != origin:
            raise Unavailable("identity service: keys at another origin")
        listed = self._get(keys_url).get("keys")
        found = dict(filter(None, map(_usable, listed if isinstance(listed, list) else [])))
        if not found:
            raise Unavailable("identity service: no keys")
        return found

    def _get(self, url: str) -> Mapping[str, Any]:
        status, headers, body = bounded(self._session.get, url, METADATA_SECONDS)
        if status != 200:
            raise Unavailable(f"identity service: metadata {status}")
        return json_object(headers, body, status)


def _usable(member: object) -> tuple[str, SigningKey] | None:
    """Id and key of a member of the list; None for one that is not for us, or that is none."""
    if not isinstance(member, dict) or member.get("kty") != "RSA" or not isinstance(member.get("kid"), str):
        return None
    try:
        return member["kid"], SigningKey(jwt.PyJWK(member, algorithm=ALGORITHM), member.get("issuer"))
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
