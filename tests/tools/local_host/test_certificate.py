"""The certificate for --https."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from tools.local_host.certificate import certificate_files, fingerprint

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def test_it_names_localhost_and_the_loopback_address(tmp_path: Path) -> None:
    certificate, _ = certificate_files(tmp_path, NOW)
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_it_is_kept(tmp_path: Path) -> None:
    first = fingerprint(certificate_files(tmp_path, NOW)[0])
    assert first == fingerprint(certificate_files(tmp_path, NOW + timedelta(days=300))[0])


def test_it_is_made_again_a_day_before_its_end(tmp_path: Path) -> None:
    first = fingerprint(certificate_files(tmp_path, NOW)[0])
    assert first != fingerprint(certificate_files(tmp_path, NOW + timedelta(days=364, hours=1))[0])


def test_it_is_made_again_when_its_key_is_broken_or_another_ones(tmp_path: Path) -> None:
    certificate, key = certificate_files(tmp_path, NOW)
    first = fingerprint(certificate)
    key.write_text("broken")
    second = fingerprint(certificate_files(tmp_path, NOW)[0])
    assert first != second
    key.write_bytes(certificate_files(tmp_path / "other", NOW)[1].read_bytes())
    assert second != fingerprint(certificate_files(tmp_path, NOW)[0])


def test_only_its_owner_reads_the_key(tmp_path: Path) -> None:
    assert stat.S_IMODE(certificate_files(tmp_path, NOW)[1].stat().st_mode) == 0o600
