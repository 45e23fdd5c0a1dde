"""Issuing: chain, names, modes, renewal."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from certs.authority import FILES, open_authority
from certs.issue import ensure_server, issue_client
from certs.revoke import render_crl
from iotsphere.errors import Misconfigured, Refused
from iotsphere.identity import identity, peer_certificate
from tests.support.pki import Pki


def der_of(pem: bytes) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


def test_a_client_certificate_verifies_up_to_the_root(tmp_path: Path) -> None:
    authority = open_authority(tmp_path)
    issued = issue_client(authority, identity("acme", "device", "pump-1"))
    leaf, issuing = x509.load_pem_x509_certificates(issued.certificate_pem)
    root = x509.load_pem_x509_certificate((tmp_path / "root.crt").read_bytes())
    issuing.verify_directly_issued_by(root)
    leaf.verify_directly_issued_by(issuing)
    assert leaf.subject.rfc4514_string() == "CN=pump-1"


def test_what_is_issued_is_read_back_as_the_peer(tmp_path: Path) -> None:
    issued = Pki.create(tmp_path).issue("pump-1", "acme", "simulated")
    peer = peer_certificate(der_of(issued.certificate_pem))
    assert (peer.identity.uri, peer.serial) == ("iotsphere://acme/simulated/pump-1", issued.serial)
    assert peer.not_before < datetime.now(UTC).timestamp() < peer.not_after


def test_a_server_certificate_is_no_identity(tmp_path: Path) -> None:
    certificate, _ = ensure_server(open_authority(tmp_path), ["localhost", "127.0.0.1"])
    with pytest.raises(Refused, match="disagree"):
        peer_certificate(der_of(certificate.read_bytes()))


def test_keys_and_the_directory_are_the_owners_alone(tmp_path: Path) -> None:
    authority = open_authority(tmp_path / "ca")
    assert stat.S_IMODE((tmp_path / "ca").stat().st_mode) == 0o700
    assert {stat.S_IMODE((authority.directory / name).stat().st_mode) for name in FILES} == {0o600}


def test_a_second_start_finds_the_same_authority(tmp_path: Path) -> None:
    assert open_authority(tmp_path).certificate == open_authority(tmp_path).certificate


def test_a_lost_file_is_named(tmp_path: Path) -> None:
    open_authority(tmp_path)
    (tmp_path / "issuing.key").unlink()
    with pytest.raises(Misconfigured, match=r"issuing\.key"):
        open_authority(tmp_path)


def test_the_server_certificate_is_kept_until_its_names_change(tmp_path: Path) -> None:
    authority = open_authority(tmp_path)
    first = ensure_server(authority, ["localhost"])[0].read_bytes()
    assert ensure_server(authority, ["localhost"])[0].read_bytes() == first
    assert ensure_server(authority, ["localhost", "10.0.0.7"])[0].read_bytes() != first


def test_a_revoked_serial_is_in_the_list(tmp_path: Path) -> None:
    authority = open_authority(tmp_path)
    serial = issue_client(authority, identity("acme", "device", "d")).serial
    crl = x509.load_pem_x509_crl(render_crl(authority, [(serial, datetime.now(UTC))]))
    assert crl.get_revoked_certificate_by_serial_number(int(serial, 16)) is not None
