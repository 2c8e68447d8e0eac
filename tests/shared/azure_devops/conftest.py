import contextlib
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from shared.azure_devops.client import ApiRequest, AzureDevOps, Caller
from tests.shared.azure_devops.scripted_server import Response, Script, ScriptedServer, scripted_server

RECORDED = Path(__file__).parents[2] / "data" / "recorded"
ANY_JSON = msgspec.json.Decoder(dict)


@dataclass
class Clock:
    """Time that passes only while somebody sleeps."""

    at: datetime = datetime(2026, 11, 24, 12, tzinfo=UTC)
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.pass_by(seconds)

    def pass_by(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class Upstream:
    """A client and the server it talks to."""

    server: ScriptedServer
    client: AzureDevOps
    clock: Clock
    caller: Caller = field(default_factory=lambda: Caller("token-of-ada", "ada"))

    def get(self, caller: Caller | None = None) -> dict:
        request = ApiRequest(segments=("org", "_apis", "thing"), scope="vso.work")
        return self.client.call(request, caller or self.caller, ANY_JSON).value


@pytest.fixture
def upstream() -> Iterator[Callable[[Script], Upstream]]:
    """A function of (script) that starts a server answering by it, with a client whose clock stands still."""
    with ExitStack() as stack:

        def start(script: Script) -> Upstream:
            server = stack.enter_context(scripted_server(script))
            clock = Clock()
            client = AzureDevOps(
                devops_url=server.url,
                identity_url=server.url + "/",
                now=clock.now,
                sleep=clock.sleep,
                jitter=lambda: 1.0,
            )
            return Upstream(server, client, clock)

        yield start


@pytest.fixture
def recorded() -> Callable[..., Response]:
    """A function of (file name, status, headers) that answers what was once recorded."""

    def answer(name: str, status: int = 200, **headers: str) -> Response:
        return Response(status=status, body=(RECORDED / name).read_bytes(), headers=headers)

    return answer


@pytest.fixture
def untrusted_tls() -> Iterator[tuple[str, list[bytes]]]:
    """The URL of a server with a self-signed certificate, and what it could read of its callers."""
    seen: list[bytes] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listener:
        context.load_cert_chain(*_self_signed(Path(folder)))

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with contextlib.suppress(OSError), connection, context.wrap_socket(connection, server_side=True) as tls:
                    seen.append(tls.recv(65536))

        threading.Thread(target=serve, daemon=True).start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}", seen
        listener.shutdown(socket.SHUT_RDWR)


def _self_signed(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "certificate.pem", folder / "key.pem"
    chain.write_bytes(certificate.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return chain, private
