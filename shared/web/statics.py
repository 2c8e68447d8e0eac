"""The files of `shared/static`, under addresses that change with their content."""

from hashlib import sha256
from pathlib import Path

from shared.errors import NotFound
from shared.web.answers import Answer

_FOLDER = Path(__file__).parent.parent / "static"
_TYPES = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml; charset=utf-8"}
# A year, the longest that RFC 9111 caches are asked for; the address changes first.
_CACHE_CONTROL = "public, max-age=31536000, immutable"


class StaticFiles:
    """Reads the folder once; an answer is then a look into a dictionary and touches no file."""

    def __init__(self, folder: Path = _FOLDER) -> None:
        self._urls: dict[str, str] = {}
        self._answers: dict[tuple[str, str], Answer] = {}
        for path in sorted(folder.iterdir()):
            self._add(path.name, path.read_bytes(), _TYPES[path.suffix])

    def url(self, name: str) -> str:
        """The address of a file that exists; KeyError for another."""
        return self._urls[name]

    def find(self, digest: str, name: str) -> Answer:
        """The file under exactly this digest; NotFound for any other pair."""
        try:
            return self._answers[digest, name]
        except KeyError:
            raise NotFound from None

    def _add(self, name: str, content: bytes, content_type: str) -> None:
        digest = sha256(content).hexdigest()[:16]
        self._urls[name] = f"/static/{digest}/{name}"
        headers = {"Cache-Control": _CACHE_CONTROL}
        self._answers[digest, name] = Answer(200, content, content_type, headers, cacheable=True)
