"""Certificates, trust, users, and what an endpoint offers."""

import asyncio
import os
import stat
from datetime import UTC, datetime, timedelta

import pytest
from asyncua import Client, ua
from asyncua.common.utils import ServiceError
from asyncua.crypto import security_policies as suites
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from plc_interfaces.host import Role
from plc_interfaces.opcua.base import Security, application_uri, make_server
from plc_interfaces.opcua.patches.server import LoginThrottle
from plc_interfaces.opcua.security import (
    CertificateStore,
    Duty,
    SecurityError,
    TrustList,
    Users,
    is_loopback,
    policies,
    self_signed,
)
from tests.plc_interfaces.opcua.helpers import PASSWORD

CLIENT_URI = "urn:test:client"


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def store(tmp_path):
    store = CertificateStore(tmp_path / "pki")
    store.prepare("urn:here:amtwin", "127.0.0.1")
    return store


def test_own_certificate_names_application_and_host(store):
    certificate = x509.load_der_x509_certificate(store.certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["urn:here:amtwin"]
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    assert "127.0.0.1" in map(str, names.get_values_for_type(x509.IPAddress))
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert {u._name for u in usage} == {"serverAuth", "clientAuth"}
    assert certificate.public_key().key_size == 2048
    assert stat.S_IMODE(os.stat(store.private_key).st_mode) == 0o600


def test_certificate_is_kept_until_the_application_changes(store):
    first = store.certificate.read_bytes()
    store.prepare("urn:here:amtwin", "127.0.0.1")
    assert store.certificate.read_bytes() == first
    store.prepare("urn:there:amtwin", "127.0.0.1")
    assert store.certificate.read_bytes() != first


def test_broken_certificate_file_is_named(store):
    store.certificate.write_bytes(b"nonsense")
    with pytest.raises(SecurityError, match=r"certificate\.der"):
        store.prepare("urn:here:amtwin", "127.0.0.1")


def refused(trust, certificate):
    with pytest.raises(ServiceError) as error:
        trust.check_channel(certificate)
    return ua.StatusCode(error.value.code).name


def test_unknown_certificate_is_kept_aside_and_trusted_once_moved(store, key, caplog):
    trust = TrustList(store)
    certificate = self_signed(key, "scada/../x", CLIENT_URI)
    assert refused(trust, certificate) == "BadSecurityChecksFailed"
    (path,) = store.rejected.iterdir()
    assert str(path) in caplog.text
    path.rename(store.trusted / path.name)
    trust.check_channel(certificate)
    (store.trusted / path.name).unlink()
    assert refused(trust, certificate) == "BadSecurityChecksFailed"


def test_trust_all_records_whom_it_let_in(store, key):
    certificate = self_signed(key, "hmi", CLIENT_URI)
    TrustList(store, trust_all=True).check_channel(certificate)
    assert len(list(store.trusted.iterdir())) == 1
    TrustList(store).check_channel(certificate)


def test_trust_all_refuses_expired_short_and_foreign_keys(store, key):
    trust = TrustList(store, trust_all=True)
    expired = self_signed(key, "old", CLIENT_URI, valid=timedelta(seconds=-60))
    assert refused(trust, expired) == "BadCertificateTimeInvalid"
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    weak = self_signed(short, "weak", CLIENT_URI)
    assert refused(trust, weak) == "BadCertificatePolicyCheckFailed"
    own = self_signed(key, "other", CLIENT_URI)
    data = bytearray(own.public_bytes(serialization.Encoding.DER))
    data[-1] ^= 1  # signature broken
    forged = x509.load_der_x509_certificate(bytes(data))
    assert refused(trust, forged) == "BadSecurityChecksFailed"


def authority(key, name):
    """Certificate of an authority, and a function that issues and revokes with it."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)

    def certify(public_key, holder, is_authority):
        return (
            x509.CertificateBuilder()
            .subject_name(holder)
            .issuer_name(subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .sign(key, hashes.SHA256())
        )

    def revoke(certificate):
        entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number)
        return (
            x509.CertificateRevocationListBuilder()
            .issuer_name(subject)
            .last_update(now)
            .next_update(now + timedelta(hours=1))
            .add_revoked_certificate(entry.revocation_date(now).build())
            .sign(key, hashes.SHA256())
        )

    return certify(key.public_key(), subject, True), certify, revoke


def test_clients_of_a_trusted_authority_come_in_until_revoked(store, key):
    issuer_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    issuer, certify, revoke = authority(issuer_key, "plant CA")
    holder = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "scada")])
    certificate = certify(key.public_key(), holder, False)
    trust = TrustList(store)
    assert refused(trust, certificate) == "BadSecurityChecksFailed"
    pem = issuer.public_bytes(serialization.Encoding.PEM)
    (store.issuer / "plant.pem").write_bytes(pem)
    trust.check_channel(certificate)
    revoked = revoke(certificate).public_bytes(serialization.Encoding.DER)
    (store.issuer / "plant.crl").write_bytes(revoked)
    assert refused(trust, certificate) == "BadSecurityChecksFailed"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("plc", False)],
)
def test_loopback(host, expected):
    assert is_loopback(host) is expected


def test_policy_none_needs_the_flag_and_loopback():
    none = ua.SecurityPolicyType.NoSecurity
    assert none not in policies("127.0.0.1", insecure=False)
    assert none in policies("127.0.0.1", insecure=True)
    with pytest.raises(SecurityError, match=r"loopback only, not on host '0\.0\.0\.0'"):
        policies("0.0.0.0", insecure=True)


def test_users_file_is_made_once_with_hashes_only(tmp_path):
    path = tmp_path / "users.toml"
    passwords = Users.create(path)
    assert set(passwords) == {"observer", "operator", "engineer", "securityadmin", "instructor"}
    text = path.read_text()
    assert not any(password in text for password in passwords.values())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Users.create(path) == {}
    users = Users(path)
    ladder = {n: users.get_user(None, n, p) for n, p in passwords.items()}
    assert ladder["engineer"].access > ladder["operator"].access > ladder["observer"].access
    assert ladder["instructor"].duty is Duty.INSTRUCTOR
    assert ladder["instructor"].access is Role.OBSERVER


@pytest.fixture
def users(tmp_path):
    path = tmp_path / "users.toml"
    path.write_text(Users.entry("olive", PASSWORD, "Operator"))
    return Users(path)


def test_login(users):
    assert users.get_user(None, "olive", PASSWORD).access is Role.OPERATOR
    assert users.get_user(None, "olive", PASSWORD + " ") is None
    assert users.get_user(None, "olive", None) is None
    assert users.get_user(None, "nobody", PASSWORD) is None
    assert users.get_user(None).access is Role.OBSERVER
    users.anonymous = False
    assert users.get_user(None) is None


def test_changed_users_file_counts_at_once_and_a_broken_one_does_not(users):
    assert users.get_user(None, "olive", PASSWORD) is not None
    users.path.write_text("[users]\nolive = 3")
    assert users.get_user(None, "olive", PASSWORD) is not None
    users.path.write_text(Users.entry("olive", "another", "Engineer"))
    assert users.get_user(None, "olive", PASSWORD) is None
    assert users.get_user(None, "olive", "another").access is Role.ENGINEER


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[users.x]\nrole = 'Boss'", "users.x.role: 'Boss' is none of Observer, Operator"),
        ("[users.x]\nrole = 'Operator'\nsalt = 'zz'\nscrypt = ''", "users.x: salt and scrypt"),
        ("nonsense", "cannot read the users file"),
        ("[users]\nx = 3", "users.x: a table"),
    ],
)
def test_bad_users_file_names_file_and_field(tmp_path, text, message):
    path = tmp_path / "users.toml"
    path.write_text(text)
    with pytest.raises(SecurityError, match=message) as error:
        Users(path)
    assert str(path) in str(error.value)


def test_missing_users_file_is_named(tmp_path):
    with pytest.raises(SecurityError, match=r"users\.toml"):
        Users(tmp_path / "users.toml")


def test_throttle_opens_when_the_window_has_passed(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    throttle = LoginThrottle(2, 10.0)
    throttle.failed("host")
    assert not throttle.is_closed("host")
    throttle.failed("host")
    assert throttle.is_closed("host")
    now[0] = 10.5
    assert not throttle.is_closed("host")
    assert not throttle.is_closed("another host")


async def secure_client(server, suite, mode, key, tmp_path, uri=CLIENT_URI):
    certificate = self_signed(key, "test client", uri)
    (tmp_path / "c.der").write_bytes(certificate.public_bytes(serialization.Encoding.DER))
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "k.pem").write_bytes(pem)
    client = Client(server.endpoint.geturl(), timeout=3)
    client.application_uri = CLIENT_URI
    own = str(server.store.certificate)
    await client.set_security(
        suite, str(tmp_path / "c.der"), str(tmp_path / "k.pem"), None, own, mode
    )
    client.set_user("olive")
    client.set_password(PASSWORD)
    return client


async def start(folder, **options):
    if not (folder / "users.toml").exists():
        (folder / "users.toml").write_text(Users.entry("olive", PASSWORD, "Operator"))
    server = await make_server("127.0.0.1", 0, Security(folder, **options))
    server.store = CertificateStore(folder / "pki")
    await server.start()
    return server


async def test_all_secure_policies_serve_a_user(tmp_path, key):
    server = await start(tmp_path, trust_all=True)
    names = ("Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")
    try:
        for name in names:
            for mode in (ua.MessageSecurityMode.Sign, ua.MessageSecurityMode.SignAndEncrypt):
                suite = getattr(suites, f"SecurityPolicy{name}")
                client = await secure_client(server, suite, mode, key, tmp_path)
                async with client:
                    assert await client.nodes.server.read_browse_name()
        offered = await Client(server.endpoint.geturl()).connect_and_get_server_endpoints()
        modes = {e.SecurityMode for e in offered}
        assert modes == {ua.MessageSecurityMode.Sign, ua.MessageSecurityMode.SignAndEncrypt}
        assert {e.EndpointUrl for e in offered} == {server.endpoint.geturl()}
        assert {e.Server.ApplicationUri for e in offered} == {application_uri()}
    finally:
        await server.stop()


async def test_strangers_and_unsecured_sessions_are_turned_away(tmp_path, key):
    server = await start(tmp_path)
    suite, mode = suites.SecurityPolicyBasic256Sha256, ua.MessageSecurityMode.SignAndEncrypt
    try:
        client = await secure_client(server, suite, mode, key, tmp_path)
        with pytest.raises((ua.UaError, ConnectionError, asyncio.TimeoutError)):
            await client.connect()
        (path,) = server.store.rejected.iterdir()
        path.rename(server.store.trusted / path.name)
        client = await secure_client(server, suite, mode, key, tmp_path)
        # asyncua makes a new certificate each time here: trust the one it shows now.
        (server.store.trusted / "now.der").write_bytes((tmp_path / "c.der").read_bytes())
        async with client:
            assert await client.nodes.server.read_browse_name()

        unsecured = Client(server.endpoint.geturl(), timeout=3)
        await unsecured.connect_socket()
        await unsecured.send_hello()
        await unsecured.open_secure_channel()
        with pytest.raises(ua.UaStatusCodeError, match="BadSecurityModeRejected"):
            await unsecured.create_session()
        unsecured.disconnect_socket()
    finally:
        await server.stop()


async def test_certificate_must_name_the_clients_application(tmp_path, key):
    server = await start(tmp_path, trust_all=True)
    suite, mode = suites.SecurityPolicyBasic256Sha256, ua.MessageSecurityMode.SignAndEncrypt
    try:
        client = await secure_client(server, suite, mode, key, tmp_path, uri="urn:other")
        with pytest.raises(ua.UaStatusCodeError, match="BadCertificateUriInvalid"):
            await client.connect()
    finally:
        await server.stop()


async def test_another_clients_certificate_is_no_pass(tmp_path, key):
    """The certificate shown for the session must be the one that secures the channel."""
    server = await start(tmp_path, trust_all=True)
    suite, mode = suites.SecurityPolicyBasic256Sha256, ua.MessageSecurityMode.SignAndEncrypt
    try:
        client = await secure_client(server, suite, mode, key, tmp_path)
        await client.connect_socket()
        await client.send_hello()
        await client.open_secure_channel()
        other = self_signed(key, "somebody else", CLIENT_URI)
        shown = other.public_bytes(serialization.Encoding.DER)
        client.security_policy.host_certificate = shown
        with pytest.raises(ua.UaStatusCodeError, match="BadSecurityChecksFailed"):
            await client.create_session()
        client.disconnect_socket()
    finally:
        await server.stop()
