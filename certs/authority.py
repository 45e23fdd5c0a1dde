"""The installation's certificate authority: a root, and an issuing authority below it that signs everything else."""

import fcntl
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from iotsphere.errors import Misconfigured

ROOT_YEARS = 20
ISSUING_YEARS = 10
BACKDATE = timedelta(minutes=5)  # a device's clock may be a little behind ours
FILES = ("root.crt", "root.key", "issuing.crt", "issuing.key", "ca.crt")


@dataclass(frozen=True, slots=True)
class Authority:
    """The issuing authority, ready to sign.

    Attributes:
        directory: where its files lie; keys are mode 0600.
    """

    directory: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def ca_file(self) -> Path:
        """Root and issuing certificate in PEM: what both ends verify with."""
        return self.directory / "ca.crt"

    @property
    def chain_pem(self) -> bytes:
        """The issuing certificate in PEM, sent after each certificate."""
        return pem(self.certificate)


def open_authority(directory: Path) -> Authority:
    """Load the authority, or create it at the first call. Two processes may call it at once.

    Raises:
        Misconfigured: some of its files are missing.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        present = [name for name in FILES if (directory / name).exists()]
        if not present:
            _create(directory)
        elif len(present) != len(FILES):
            missing = ", ".join(sorted(set(FILES) - set(present)))
            raise Misconfigured(
                f"{directory} lacks {missing}: bring them back from a backup, or move the directory away to begin anew"
            )
    return _load(directory)


def _load(directory: Path) -> Authority:
    try:
        certificate = x509.load_pem_x509_certificate((directory / "issuing.crt").read_bytes())
        key = serialization.load_pem_private_key((directory / "issuing.key").read_bytes(), None)
    except (OSError, ValueError) as error:
        raise Misconfigured(f"the certificate authority in {directory} cannot be read: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Misconfigured(f"{directory}/issuing.key is not an elliptic-curve key")
    return Authority(directory, certificate, key)


def _create(directory: Path) -> None:
    root_key, issuing_key = new_key(), new_key()
    root_name, issuing_name = _name("IoTSphere root CA"), _name("IoTSphere issuing CA")
    root = _authority_certificate(root_name, root_key.public_key(), root_name, root_key, ROOT_YEARS, path_length=1)
    issuing = _authority_certificate(issuing_name, issuing_key.public_key(), root_name, root_key, ISSUING_YEARS, path_length=0)
    write_file(directory / "root.key", key_pem(root_key))
    write_file(directory / "issuing.key", key_pem(issuing_key))
    write_file(directory / "root.crt", pem(root))
    write_file(directory / "issuing.crt", pem(issuing))
    write_file(directory / "ca.crt", pem(root) + pem(issuing))


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _authority_certificate(
    subject: x509.Name,
    public: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    years: int,
    path_length: int,
) -> x509.Certificate:
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return (
        x509.CertificateBuilder(
            issuer, subject, public, x509.random_serial_number(), now - BACKDATE, now + timedelta(days=365 * years)
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )


def new_key() -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The key as PEM (PKCS 8, not encrypted: its file is 0600)."""
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def pem(certificate: x509.Certificate) -> bytes:
    """The certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def write_file(path: Path, data: bytes) -> None:
    """Write a file of mode 0600 in one step."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    temporary.replace(path)
