"""A self-signed certificate for localhost, kept so that a browser's exception survives a restart."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

# Apple's platforms refuse server certificates that are valid longer than 825 days; a year is plenty.
_LIFETIME = timedelta(days=365)
_CLOCK_SKEW = timedelta(hours=1)


def certificate_files(directory: Path, now: datetime) -> tuple[Path, Path]:
    """Certificate and private key (PEM) in `directory`.

    Made when absent or unreadable, and made again within a day of its end.
    """
    paths = directory / "localhost-certificate.pem", directory / "localhost-key.pem"
    if not _is_usable(*paths, now):
        directory.mkdir(parents=True, exist_ok=True)
        _make(*paths, now)
    return paths


def fingerprint(certificate: Path) -> str:
    """SHA-256 of the certificate, as browsers show it."""
    digest = x509.load_pem_x509_certificate(certificate.read_bytes()).fingerprint(hashes.SHA256())
    return digest.hex(":").upper()


def _is_usable(certificate: Path, key: Path, now: datetime) -> bool:
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), None)
    except (OSError, ValueError):
        return False
    return found.public_key() == private.public_key() and now + timedelta(days=1) < found.not_valid_after_utc


def _make(certificate: Path, key: Path, now: datetime) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    addresses = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - _CLOCK_SKEW)
        .not_valid_after(now.astimezone(UTC) + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    key.touch(mode=0o600)
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
