"""OPC UA security: certificates, trust lists, users and roles."""

from __future__ import annotations

import enum
import hashlib
import hmac
import ipaddress
import logging
import os
import re
import secrets
import socket
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.user_managers import UserManager
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from plc_interfaces.host import Role

_logger = logging.getLogger(__name__)

POLICIES = (
    ua.SecurityPolicyType.Basic256Sha256_Sign,
    ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    ua.SecurityPolicyType.Aes128Sha256RsaOaep_Sign,
    ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt,
    ua.SecurityPolicyType.Aes256Sha256RsaPss_Sign,
    ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
)
_KEY_BITS = 2048
_VALID_DAYS = 1825  # default
_MAX_RECORDED = 100  # files per folder that strangers can make us write


class SecurityError(ValueError):
    """A security setting, certificate store or users file that cannot be used."""


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is reachable from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def policies(host: str, insecure: bool) -> list[ua.SecurityPolicyType]:
    """Return the security policies offered on ``host``.

    Raises SecurityError when ``insecure`` is asked for beyond loopback.
    """
    if not insecure:
        return list(POLICIES)
    if not is_loopback(host):
        raise SecurityError(
            f"insecure: security policy None is allowed on loopback only, not on host {host!r}"
        )
    return [*POLICIES, ua.SecurityPolicyType.NoSecurity]


# --- certificates ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class CertificateStore:
    """Own key and certificate and the lists of others: own, trusted, issuer, rejected."""

    root: Path

    @property
    def certificate(self) -> Path:
        """Own certificate (DER)."""
        return self.root / "own" / "certificate.der"

    @property
    def private_key(self) -> Path:
        """Own private key (PEM, mode 0600)."""
        return self.root / "own" / "private_key.pem"

    @property
    def trusted(self) -> Path:
        """Certificates of clients that may connect; files may come and go while running."""
        return self.root / "trusted"

    @property
    def issuer(self) -> Path:
        """Certificates of authorities whose clients may connect, and their ``.crl`` lists."""
        return self.root / "issuer"

    @property
    def rejected(self) -> Path:
        """Certificates turned away; move one to ``trusted`` to let its owner in."""
        return self.root / "rejected"

    def prepare(self, application_uri: str, host: str) -> None:
        """Make the folders and, on first run or when out of date, key and certificate."""
        for folder in (self.certificate.parent, self.trusted, self.issuer, self.rejected):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._is_usable(application_uri, host):
            self._create(application_uri, host)

    def _is_usable(self, application_uri: str, host: str) -> bool:
        if not (self.certificate.exists() and self.private_key.exists()):
            return False
        try:
            known = x509.load_der_x509_certificate(self.certificate.read_bytes())
            names = known.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (ValueError, x509.ExtensionNotFound) as error:
            raise SecurityError(f"{self.certificate}: not a usable certificate: {error}") from error
        is_current = known.not_valid_after_utc > datetime.now(UTC) + timedelta(days=1)
        is_ours = application_uri in names.get_values_for_type(x509.UniformResourceIdentifier)
        return is_current and is_ours and set(_alternative_names(host)) <= set(names)

    def _create(self, application_uri: str, host: str) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
        certificate = self_signed(key, "amtwin", application_uri, _alternative_names(host))
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        _write_private(self.private_key, pem)
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.DER))
        _logger.info("made a new OPC UA certificate %s for %s", self.certificate, application_uri)


def _write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    aside = path.with_name(path.name + ".new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    aside.replace(path)


def _alternative_names(host: str) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    name = socket.gethostname()
    if name != "localhost" and name.isascii():
        names.append(x509.DNSName(name))
    addresses = {"127.0.0.1"}
    try:
        if not ipaddress.ip_address(host).is_unspecified:
            addresses.add(host)
    except ValueError:
        if host not in ("localhost", name):
            names.append(x509.DNSName(host))
    names.extend(x509.IPAddress(ipaddress.ip_address(a)) for a in sorted(addresses))
    return names


def self_signed(
    key: rsa.RSAPrivateKey,
    common_name: str,
    application_uri: str,
    names: Iterable[x509.GeneralName] = (),
    valid: timedelta = timedelta(days=_VALID_DAYS),
) -> x509.Certificate:
    """Make an application instance certificate (Part 6, 6.2.2) for ``key``, signed by itself."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.now(UTC)
    usage = {name: False for name in _KEY_USAGES} | {
        "digital_signature": True,
        "content_commitment": True,
        "key_encipherment": True,
        "data_encipherment": True,
        "key_cert_sign": True,
    }
    alternative = [x509.UniformResourceIdentifier(application_uri), *names]
    extended = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))  # clocks of clients differ
        .not_valid_after(now + valid)
        .add_extension(x509.SubjectAlternativeName(alternative), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage(extended), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(issuer, critical=False)
        .sign(key, hashes.SHA256())
    )


_KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


class TrustList:
    """Decides on client certificates from the files in the store as they are at that moment.

    With ``trust_all`` any valid self-signed certificate is let in and put into ``trusted``: for
    an emulator on loopback. Otherwise an unknown one goes to ``rejected``.
    """

    def __init__(self, store: CertificateStore, *, trust_all: bool = False) -> None:
        self._store = store
        self._trust_all = trust_all

    def check_channel(self, certificate: x509.Certificate) -> None:
        """Raise ServiceError unless ``certificate`` may open a secure channel."""
        codes = ua.StatusCodes
        now = datetime.now(UTC)
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            self._reject(certificate, "is not valid today")
            raise ServiceError(codes.BadCertificateTimeInvalid)
        key = certificate.public_key()
        if not isinstance(key, rsa.RSAPublicKey) or key.key_size < _KEY_BITS:
            self._reject(certificate, f"has no RSA key of at least {_KEY_BITS} bits")
            raise ServiceError(codes.BadCertificatePolicyCheckFailed)
        data = certificate.public_bytes(serialization.Encoding.DER)
        if any(data == _der(path) for path in self._files(self._store.trusted)):
            return
        if self._is_issued(certificate):
            return
        if self._trust_all and _is_signed_by(certificate, certificate):
            if len(list(self._store.trusted.iterdir())) < _MAX_RECORDED:
                _write_private(self._store.trusted / _file_name(certificate), data)
            _logger.warning("trusted on first use: client certificate %s", _label(certificate))
            return
        self._reject(certificate, "is not trusted")
        raise ServiceError(codes.BadSecurityChecksFailed)

    async def check_session(
        self, certificate: x509.Certificate, application: ua.ApplicationDescription
    ) -> None:
        """Raise ServiceError unless the certificate names the client's ApplicationUri."""
        try:
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            raise ServiceError(ua.StatusCodes.BadCertificateInvalid) from None
        uris = names.value.get_values_for_type(x509.UniformResourceIdentifier)
        if application.ApplicationUri not in uris:
            _logger.warning(
                "client says it is %s but its certificate says %s",
                application.ApplicationUri,
                ", ".join(uris),
            )
            raise ServiceError(ua.StatusCodes.BadCertificateUriInvalid)

    @staticmethod
    def _files(folder: Path) -> list[Path]:
        return [p for p in folder.iterdir() if p.suffix.lower() in (".der", ".pem", ".crt", ".cer")]

    def _is_issued(self, certificate: x509.Certificate) -> bool:
        """Tell whether a trusted authority issued the certificate and has not revoked it."""
        for path in self._files(self._store.issuer):
            issuer = _load(path)
            if issuer is not None and _is_signed_by(certificate, issuer):
                return not self._is_revoked(certificate, issuer)
        return False

    def _is_revoked(self, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        for path in self._store.issuer.glob("*.crl"):
            data = path.read_bytes()
            is_pem = data.startswith(b"-----")
            crl = x509.load_pem_x509_crl(data) if is_pem else x509.load_der_x509_crl(data)
            if (
                crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
                and crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
                is not None
            ):
                return True
        return False

    def _reject(self, certificate: x509.Certificate, reason: str) -> None:
        path = self._store.rejected / _file_name(certificate)
        if not path.exists() and len(list(self._store.rejected.iterdir())) < _MAX_RECORDED:
            _write_private(path, certificate.public_bytes(serialization.Encoding.DER))
        _logger.warning(
            "client certificate %s %s; to let it in, move %s to %s",
            _label(certificate),
            reason,
            path,
            self._store.trusted,
        )


def _load(path: Path) -> x509.Certificate | None:
    try:
        data = path.read_bytes()
        is_pem = data.startswith(b"-----")
        return (
            x509.load_pem_x509_certificate(data) if is_pem else x509.load_der_x509_certificate(data)
        )
    except (OSError, ValueError) as error:
        _logger.warning("%s: not a certificate: %s", path, error)
        return None


def _der(path: Path) -> bytes | None:
    certificate = _load(path)
    if certificate is None:
        return None
    return certificate.public_bytes(serialization.Encoding.DER)


def _is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _label(certificate: x509.Certificate) -> str:
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex()[:16]
    return f"{certificate.subject.rfc4514_string()!r} [{fingerprint}]"


def _file_name(certificate: x509.Certificate) -> str:
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    name = re.sub(r"[^A-Za-z0-9._-]", "_", str(common[0].value))[:40] if common else "client"
    return f"{name.lstrip('.')}[{certificate.fingerprint(hashes.SHA1()).hex()}].der"


# --- users ----------------------------------------------------------------------------------------


class Duty(enum.StrEnum):
    """Roles apart from the ladder: their users may only observe a machine's own endpoint."""

    SECURITY_ADMIN = "SecurityAdmin"
    INSTRUCTOR = "Instructor"


_ROLES: dict[str, tuple[Role, Duty | None]] = {
    "Observer": (Role.OBSERVER, None),
    "Operator": (Role.OPERATOR, None),
    "Engineer": (Role.ENGINEER, None),
    Duty.SECURITY_ADMIN: (Role.OBSERVER, Duty.SECURITY_ADMIN),
    Duty.INSTRUCTOR: (Role.OBSERVER, Duty.INSTRUCTOR),
}


@dataclass
class Account(User):  # type: ignore[misc]
    """Logged-in user with a role; to asyncua always a plain user, never its administrator."""

    role: UserRole = UserRole.User
    name: str = "anonymous"
    access: Role = Role.OBSERVER
    duty: Duty | None = None


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1, dklen=32)


@dataclass(frozen=True)
class _Entry:
    role: str
    salt: bytes
    digest: bytes


@dataclass
class Users(UserManager):  # type: ignore[misc]
    """Users file (TOML) with scrypt hashes; anonymous clients may observe unless switched off."""

    path: Path
    anonymous: bool = True
    _entries: dict[str, _Entry] = field(default_factory=dict)
    _stamp: tuple[int, int] = (0, 0)
    _right: set[bytes] = field(default_factory=set)
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def __post_init__(self) -> None:
        self._reload()

    @classmethod
    def create(cls, path: Path) -> dict[str, str]:
        """Write a users file with one user per role; return their passwords.

        The file holds only hashes: show the passwords to the person at once. Nothing happens,
        and no password is returned, when the file exists.
        """
        if path.exists():
            return {}
        passwords = {name: secrets.token_urlsafe(12) for name in map(str.lower, _ROLES)}
        lines = ["# OPC UA users: role, and scrypt (n=16384 r=8 p=1) salt and digest in hex."]
        lines += [cls.entry(role.lower(), passwords[role.lower()], role) for role in _ROLES]
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_private(path, "\n".join(lines).encode())
        return passwords

    @classmethod
    def put(cls, path: Path, name: str, password: str, role: str) -> None:
        """Add a user, or give one another password and role; running servers notice.

        SecurityError for a name or role that cannot be, or a file that is no users file.
        """
        known = {each.lower(): each for each in _ROLES}
        if role.lower() not in known:
            raise SecurityError(f"role {role!r}: one of {', '.join(known)}")
        if len(password) < 8:
            raise SecurityError("password: 8 characters or more")
        fresh = cls.entry(name, password, known[role.lower()])
        text = ""
        if path.exists():
            cls(path)
            text = re.sub(
                rf"^\[users\.{re.escape(name)}\]\n(?:[^\[].*\n?)*", "", path.read_text(), flags=re.M
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_private(path, (text.rstrip("\n") + "\n" + fresh).lstrip("\n").encode())

    @staticmethod
    def entry(name: str, password: str, role: str) -> str:
        """Return the TOML lines of one user."""
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
            raise SecurityError(
                f"user name {name!r}: letters, digits, - and _ only, 1 to 64 of them"
            )
        salt = secrets.token_bytes(16)
        return (
            f'[users.{name}]\nrole = "{role}"\n'
            f'salt = "{salt.hex()}"\nscrypt = "{_hash(password, salt).hex()}"\n'
        )

    def _reload(self) -> None:
        """Read the file again when it has changed."""
        try:
            stat = self.path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            if stamp == self._stamp:
                return
            content = tomllib.loads(self.path.read_text())
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SecurityError(f"{self.path}: cannot read the users file: {error}") from error
        entries = {}
        for name, user in content.get("users", {}).items():
            if not isinstance(user, dict):
                raise SecurityError(
                    f"{self.path}: users.{name}: a table with role, salt and scrypt"
                )
            role = user.get("role")
            if role not in _ROLES:
                allowed = ", ".join(_ROLES)
                raise SecurityError(
                    f"{self.path}: users.{name}.role: {role!r} is none of {allowed}"
                )
            try:
                salt, digest = bytes.fromhex(user["salt"]), bytes.fromhex(user["scrypt"])
            except (KeyError, ValueError, TypeError) as error:
                raise SecurityError(
                    f"{self.path}: users.{name}: salt and scrypt must be hexadecimal: {error!r}"
                ) from error
            entries[name] = _Entry(role, salt, digest)
        self._entries, self._stamp = entries, stamp
        self._right.clear()

    def get_user(
        self,
        iserver: Any,
        username: str | None = None,
        password: str | None = None,
        certificate: Any = None,
    ) -> Account | None:
        """Return the account that logs in, None when it may not."""
        if username is None:
            return Account() if self.anonymous and certificate is None else None
        try:
            self._reload()
        except SecurityError as error:
            _logger.error("the users read before stay in force: %s", error)
        entry = self._entries.get(username)
        if not self._is_right(entry, password or "") or entry is None:
            return None
        access, duty = _ROLES[entry.role]
        return Account(name=username, access=access, duty=duty)

    def _is_right(self, entry: _Entry | None, password: str) -> bool:
        """Compare with the digest; a right password is not computed anew at each reconnect."""
        if entry is None:
            _hash(password, bytes(16))  # an unknown user takes as long as a wrong password
            return False
        seen = hmac.digest(self._secret, entry.digest + password.encode(), "sha256")
        if seen in self._right:
            return True
        is_right = hmac.compare_digest(_hash(password, entry.salt), entry.digest)
        if is_right:
            self._right.add(seen)
        return is_right
