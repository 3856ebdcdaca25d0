"""The options of `ldapserver serve`: what is typed, else what the file says, else the default; or one line of why."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ldapserver.config import Config, InvalidConfig, netbios_name, own_names
from ldapserver.hosting.options import has_tls, read_options
from ldapserver.url import ListenURL
from ldapserver.usage import UsageFault
from sasl_digest import QOP, Cipher

Toml = Callable[[str], str]


@pytest.fixture
def toml(tmp_path: Path) -> Toml:
    """Writes a configuration file; its path."""

    def write(text: str) -> str:
        path = tmp_path / "server.toml"
        path.write_text(text, "utf-8")
        return str(path)

    return write


def refusal(*arguments: str) -> str:
    """The one line that these arguments are answered with."""
    with pytest.raises(UsageFault) as fault:
        read_options(arguments)
    text = str(fault.value)
    assert "\n" not in text
    return text


# What is typed


def test_the_defaults_are_safe() -> None:
    assert vars(read_options([])) == {
        "config": None,
        "listen": [ListenURL("127.0.0.1", 3890)],
        "suffix": [],
        "ldif": [],
        "profile": "plain",
        "schema": "lenient",
        "schema_file": [],
        "store": "memory:",
        "save": None,
        "realm": None,
        "netbios": None,
        "host": [],
        "mechanism": ["DIGEST-MD5", "EXTERNAL", "PLAIN"],
        "charset": "utf-8",
        "qop": (QOP.AUTH, QOP.AUTH_INT, QOP.AUTH_CONF),
        "cipher": (Cipher.TRIPLE_DES, Cipher.RC4),
        "maxbuf": 65536,
        "audit": ["audit.jsonl"],
        "audit_sync": False,
        "audit_best_effort": False,
        "audit_rotate_size": None,
        "audit_rotate_every": None,
        "metrics": None,
        "workstation": "server",
        "events": "credential",
        "admin": [],
        "lockout_threshold": None,
        "lockout_window": None,
        "lockout_duration": None,
        "max_password_age": None,
        "spare_old_passwords": False,
        "channel_binding": "never",
        "remember": 0.0,
        "saslprep": False,
        "anonymous_search": False,
        "insecure_public": False,
        "tls": None,
        "tls_cert": None,
        "tls_key": None,
        "tls_ca_out": None,
        "tls_ca": None,
        "tls_client": None,
        "cert_map": None,
        "require_signing": False,
        "explain": False,
        "no_layer_inside_tls": False,
        "ad_errors": False,
        "ad_build": 17763,
        "loop": "auto",
        "max_connections": 4096,
        "max_message": 1024 * 1024,
        "size_limit": 0,
        "time_limit": 3600.0,
        "sort_limit": 100_000,
        "idle_timeout": 900.0,
        "handshake_timeout": 30.0,
        "workers": 1,
        "ready_file": None,
        "log_level": "info",
    }


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["--suffix", "dc=a", "--suffix", "dc=b"], "suffix", ["dc=a", "dc=b"]),
        (["--ldif=a.ldif", "--ldif=b.ldif"], "ldif", ["a.ldif", "b.ldif"]),
        (["--schema=strict"], "schema", "strict"),
        (["--profile=ad"], "profile", "ad"),
        (["--schema-file=a", "--schema-file=b"], "schema_file", ["a", "b"]),
        (["--audit", "-"], "audit", ["-"]),
        (["--audit", "a", "--audit", "-"], "audit", ["a", "-"]),
        (["--host", "*"], "host", ["*"]),
        (["--realm", ""], "realm", ""),
        (["--charset", "none"], "charset", "none"),
        (["--qop", "auth-conf, auth"], "qop", (QOP.AUTH_CONF, QOP.AUTH)),
        (["--cipher", "rc4,des,rc4"], "cipher", (Cipher.RC4, Cipher.DES)),
        (["--maxbuf", "1024"], "maxbuf", 1024),
        (["--audit-sync"], "audit_sync", True),
        (["--audit-rotate-size", "5000"], "audit_rotate_size", 5000),
        (["--audit-rotate-size", "64K"], "audit_rotate_size", 65536),
        (["--audit-rotate-size", "100M"], "audit_rotate_size", 100 * 1024**2),
        (["--audit-rotate-size", "2G"], "audit_rotate_size", 2 * 1024**3),
        (["--audit-rotate-every", "1d"], "audit_rotate_every", 86400.0),
        (["--metrics", "127.0.0.1:9389"], "metrics", ListenURL("127.0.0.1", 9389)),
        (["--metrics", "[::1]:0"], "metrics", ListenURL("::1", 0)),
        (["--metrics", "localhost:1"], "metrics", ListenURL("localhost", 1)),
        (["--listen", "ldapi://%2Frun%2Fx"], "listen", [ListenURL(path="/run/x")]),
        (["--idle-timeout", "30"], "idle_timeout", 30.0),
        (["--idle-timeout", "30s"], "idle_timeout", 30.0),
        (["--idle-timeout", "1.5m"], "idle_timeout", 90.0),
        (["--idle-timeout", "2h"], "idle_timeout", 7200.0),
        (["--handshake-timeout", "1d"], "handshake_timeout", 86400.0),
        (["--max-message", "2048"], "max_message", 2048),
        (["--events", "logon"], "events", "logon"),
        (["--workstation", "client"], "workstation", "client"),
        (["--tls", "auto"], "tls", "auto"),
        (["--require-signing"], "require_signing", True),
        (["--ad-errors"], "ad_errors", True),
        (["--mechanism", "DIGEST-MD5"], "mechanism", ["DIGEST-MD5"]),
        (["--lockout-threshold", "3"], "lockout_threshold", 3),
        (["--lockout-threshold", "0"], "lockout_threshold", 0),
        (["--lockout-window", "10m"], "lockout_window", 600.0),
        (["--lockout-duration", "0"], "lockout_duration", 0),
        (["--max-password-age", "42d"], "max_password_age", 42 * 86400.0),
        (["--spare-old-passwords"], "spare_old_passwords", True),
    ],
)
def test_what_is_typed_takes_the_place_of_the_default(arguments: list[str], name: str, value: object) -> None:
    options = vars(read_options(arguments))
    assert options[name] == value
    assert {key: each for key, each in options.items() if key != name} == {
        key: each for key, each in vars(read_options([])).items() if key != name
    }


def test_when_logs_rotate_may_stand_in_the_file(toml: Toml) -> None:
    options = read_options(["--config", toml('audit-rotate-size = "64K"\naudit-rotate-every = "1h"\n')])
    assert (options.audit_rotate_size, options.audit_rotate_every) == (65536, 3600.0)
    assert read_options(["--config", toml("audit-rotate-size = 5000\n")]).audit_rotate_size == 5000


def test_the_defaults_are_not_shared_between_readings() -> None:
    read_options(["--suffix", "dc=a"])
    assert read_options([]).suffix == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--nonsense"], ["unrecognized", "--nonsense"]),
        (["--mechanism", "GSSAPI"], ["--mechanism", "'GSSAPI'", "none of DIGEST-MD5, EXTERNAL, PLAIN"]),
        (["--mechanism", "plain"], ["--mechanism", "'plain'"]),
        (["--mechanism", "PLAIN"], ["--mechanism", "PLAIN", "needs TLS", "ldapi://"]),
        (["--mechanism", "EXTERNAL", "--tls", "auto"], ["--mechanism", "EXTERNAL", "needs --tls-ca", "ldapi://"]),
        (["--tls-ca", "ca.pem"], ["--tls-ca", "ca.pem", "without TLS"]),
        (["--tls", "auto", "--tls-client", "required"], ["--tls-client", "without --tls-ca"]),
        (["--tls", "auto", "--cert-map", "upn"], ["--cert-map", "without --tls-ca"]),
        (["--cert-map", "upn,serial"], ["--cert-map", "'serial'", "subject, upn, email, certificate"]),
        (["--qop", "auth,conf"], ["--qop", "'conf'", "auth, auth-int, auth-conf"]),
        (["--qop", ""], ["--qop", "''"]),
        (["--cipher", "aes"], ["--cipher", "'aes'", "3des"]),
        (["--audit-rotate-size", "1.5M"], ["--audit-rotate-size", "'1.5M'", "not a size above 0"]),
        (["--audit-rotate-size", "0K"], ["--audit-rotate-size", "'0K'"]),
        (["--audit-rotate-size", "M"], ["--audit-rotate-size", "'M'"]),
        (["--audit-rotate-every", "0"], ["--audit-rotate-every", "'0'"]),
        (["--lockout-threshold", "-1"], ["--lockout-threshold", "'-1'", "is not a number from 0 on"]),
        (["--lockout-threshold", "00"], ["--lockout-threshold", "'00'", "is not a number from 0 on"]),
        (["--max-password-age", "5y"], ["--max-password-age", "'5y'", "is not a time from 0 on"]),
        (["--lockout-window", "0"], ["--lockout-window", "'0'", "is not a time above 0"]),
        (["--workstation", ""], ["--workstation", "must be server, client or a name"]),
        (["--maxbuf", "16"], ["--maxbuf", "'16'", "from 17"]),
        (["stray"], ["unrecognized", "stray"]),
        (["--list", "ldap://127.0.0.1"], ["unrecognized", "--list"]),  # no abbreviations
        (["--realm"], ["--realm", "expected one argument"]),
        (["--ldif"], ["--ldif", "expected one argument"]),
        (["--audit-sync=yes"], ["--audit-sync", "yes"]),
        (["--events=all"], ["--events", "all"]),
        (["--tls", "manual"], ["--tls", "manual", "auto"]),
        (["--tls-cert", "c.pem"], ["--tls-cert", "c.pem", "needs --tls-key"]),
        (["--tls-key", "k.pem"], ["--tls-key", "k.pem", "needs --tls-cert"]),
        (["--tls", "auto", "--tls-cert", "c.pem"], ["--tls-cert", "c.pem", "not together with --tls auto"]),
        (["--tls", "auto", "--tls-key", "k.pem"], ["--tls-key", "k.pem", "not together with --tls auto"]),
        (["--tls-ca-out", "ca.pem"], ["--tls-ca-out", "ca.pem", "--tls auto"]),
        (["--tls-ca-out", "a", "--tls-cert", "c", "--tls-key", "k"], ["--tls-ca-out", "--tls auto"]),
        (["--listen", "ldaps://127.0.0.1:1"], ["--listen", "ldaps://127.0.0.1:1", "--tls-cert", "--tls auto"]),
        (["--qop", "auth", "--qop", "auth-conf"], ["--qop", "is not repeatable"]),
        (["--realm", "a", "--realm", "b"], ["--realm", "is not repeatable"]),
        (["--qop", "auth", "--cipher", "rc4"], ["--cipher", "auth-conf in --qop"]),
        (["--channel-binding", "always"], ["--channel-binding", "always", "without TLS"]),
        (["--channel-binding", "sometimes"], ["--channel-binding", "sometimes"]),
        (["--no-layer-inside-tls"], ["--no-layer-inside-tls", "without TLS"]),
        (
            ["--tls", "auto", "--no-layer-inside-tls", "--qop", "auth-int"],
            ["--no-layer-inside-tls", "--qop has no auth"],
        ),
        (["--require-signing", "--qop", "auth"], ["--require-signing", "nobody can bind"]),
        (["--remember", "0"], ["--remember", "'0'"]),
        (["--ad-build", "20348"], ["--ad-build", "20348", "without --ad-errors"]),
        (["--ad-errors", "--ad-build", "v4563"], ["--ad-build", "'v4563'"]),
        (["--ad-errors", "--ad-build", "0"], ["--ad-build", "'0'", "above 0"]),
        (["--lockout-threshold", "-1"], ["--lockout-threshold"]),
        (["--lockout-window", "0"], ["--lockout-window", "'0'"]),
        (["--lockout-duration", "soon"], ["--lockout-duration", "'soon'"]),
        (["--charset", "latin-1"], ["--charset", "latin-1", "utf-8"]),
        (["--log-level", "loud"], ["--log-level", "loud"]),
        (["--listen", "http://x"], ["--listen", "http://x", "ldap://"]),
        (["--listen", "ldap://[::1"], ["--listen", "ldap://[::1", "IPv6"]),
        (["--max-message", "0"], ["--max-message", "'0'", "above 0"]),
        (["--max-message", "-1"], ["--max-message"]),
        (["--max-message", "1e6"], ["--max-message", "'1e6'"]),
        (["--max-message", "٣"], ["--max-message"]),
        (["--max-connections", "many"], ["--max-connections", "'many'"]),
        *[
            (["--idle-timeout", text], ["--idle-timeout", f"'{text}'", "like 30"])
            for text in ("", "0", "0s", "s", "soon", "1w", "nan", "inf", "1e30d", "1_0x")
        ],
        *[
            (["--metrics", text], ["--metrics", f"'{text}'", "is not HOST:PORT, like 127.0.0.1:9389"])
            for text in ("", "9389", "127.0.0.1", "127.0.0.1:", ":9389", "::1:9389x", "[::1]", "[::1:9389", "h:65536")
        ],
        *[
            (["--metrics", text], ["--metrics", "is not HOST:PORT"])
            for text in ("h:1/metrics", "http://h:1", "u@h:1", "h:1?x", "h:٣")
        ],
        (["--metrics", "h:1", "--metrics", "h:2"], ["--metrics", "is not repeatable"]),
        (["--idle-timeout=-1"], ["--idle-timeout", "'-1'"]),
    ],
)
def test_what_is_wrong_is_named_in_one_line(arguments: list[str], words: list[str]) -> None:
    text = refusal(*arguments)
    assert [word for word in words if word not in text] == []


def test_a_certificate_is_given_with_its_key_or_made() -> None:
    files = read_options(["--tls-cert", "c.pem", "--tls-key", "k.pem", "--listen", "ldaps://127.0.0.1"])
    assert (files.tls_cert, files.tls_key, files.listen) == (
        "c.pem",
        "k.pem",
        [ListenURL("127.0.0.1", 636, tls=True)],
    )
    made = read_options(["--tls", "auto", "--tls-ca-out", "ca.pem", "--listen", "ldaps://127.0.0.1"])
    assert (made.tls, made.tls_ca_out) == ("auto", "ca.pem")
    assert [has_tls(each) for each in (files, made, read_options([]))] == [True, True, False]


# A file


def test_a_certificate_may_be_named_partly_in_a_file_and_partly_typed(toml: Toml) -> None:
    path = toml('tls-cert = "c.pem"\nrequire-signing = true\n')
    options = read_options(["--config", path, "--tls-key", "k.pem"])
    assert (options.tls_cert, options.tls_key, options.require_signing) == ("c.pem", "k.pem", True)
    assert "--tls-key" in refusal("--config", path)


def test_a_file_has_the_same_names_and_lists_where_an_option_may_be_repeated(toml: Toml) -> None:
    path = toml(
        'listen = ["ldap://127.0.0.1:0", "ldapi://%2Frun%2Fx"]\nldif = "one.ldif"\nidle-timeout = "15m"\n'
        "handshake-timeout = 10\nmax-connections = 5\naudit-sync = true\nanonymous-search = false\n"
        'events = "logon"\nmetrics = "127.0.0.1:0"\n'
        'realm = "contoso.com"\nadmin = ["cn=a,dc=b", "cn=c,dc=d"]\n'
    )
    options = read_options(["--config", path])
    assert options.config == path
    assert options.listen == [ListenURL("127.0.0.1", 0), ListenURL(path="/run/x")]
    assert (options.ldif, options.admin) == (["one.ldif"], ["cn=a,dc=b", "cn=c,dc=d"])
    assert (options.idle_timeout, options.handshake_timeout, options.max_connections) == (900.0, 10.0, 5)
    assert (options.audit_sync, options.anonymous_search, options.events) == (True, False, "logon")
    assert options.realm == "contoso.com"
    assert options.metrics == ListenURL("127.0.0.1", 0)
    assert options.audit == ["audit.jsonl"]


def test_what_is_typed_takes_the_place_of_what_the_file_says(toml: Toml) -> None:
    path = toml('ldif = ["a.ldif", "b.ldif"]\nrealm = "file"\nnetbios = "FILE"\n')
    options = read_options(["--realm", "typed", "--config", path, "--ldif", "c.ldif"])
    assert (options.ldif, options.realm, options.netbios) == (["c.ldif"], "typed", "FILE")


def test_the_build_of_refusals_may_be_in_the_file(toml: Toml) -> None:
    options = read_options(["--config", toml("ad-errors = true\nad-build = 20348\n")])
    assert (options.ad_errors, options.ad_build) == (True, 20348)
    assert "--ad-errors" in refusal("--config", toml("ad-build = 20348\n"))


def test_a_value_that_looks_like_an_option_is_a_value(toml: Toml) -> None:
    assert read_options(["--config", toml('realm = "--audit-sync"\naudit = "-"\n')]).realm == "--audit-sync"


def test_an_empty_file_says_nothing(toml: Toml) -> None:
    path = toml("# nothing\n")
    assert vars(read_options(["--config", path])) == {**vars(read_options([])), "config": path}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("realm = \nldif = 1", ["line 1"]),
        ("realm = 1\nrealm = 2\n", ["line 2"]),
        ("nonsense = 1", ["nonsense", "no such option"]),
        ('config = "x.toml"', ["config", "no such option"]),
        ("[realm]\nx = 1", ["realm", "must be text"]),
        ("realm = true", ["realm", "true or false"]),
        ("max-connections = true", ["max-connections", "true or false"]),
        ("ldif = [true]", ["ldif", "must be text"]),
        ("ldif = [[1]]", ["ldif", "must be text"]),
        ("realm = 2026-01-02", ["realm", "must be text"]),
        ('audit-sync = "yes"', ["audit-sync", "true or false"]),
        ("audit-sync = 1", ["audit-sync", "true or false"]),
        ("max-message = 0", ["--max-message", "above 0"]),
        ("max-message = 1.5", ["--max-message", "1.5"]),
        ('idle-timeout = "soon"', ["--idle-timeout", "soon"]),
        ("idle-timeout = inf", ["--idle-timeout", "inf"]),
        ('listen = "x"', ["--listen", "ldap://"]),
        ('charset = "latin-1"', ["--charset", "latin-1"]),
        ("idle_timeout = 5", ["idle_timeout"]),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_the_file(text: str, words: list[str], toml: Toml) -> None:
    path = toml(text)
    told = refusal("--config", path)
    assert [word for word in [path, *words] if word not in told] == []


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert refusal("--config", str(tmp_path / "none.toml")).endswith("none.toml: No such file or directory")
    assert refusal("--config", str(tmp_path)).endswith(": Is a directory")
    (tmp_path / "latin.toml").write_bytes(b'realm = "\xe4"')
    assert "latin.toml" in refusal("--config", str(tmp_path / "latin.toml"))


# The configuration


@pytest.mark.parametrize(
    "name",
    [
        *("max_connections", "max_message", "max_message_before_bind", "max_outstanding"),
        *("idle_timeout", "handshake_timeout"),
    ],
)
@pytest.mark.parametrize("value", [0, -1])
def test_a_limit_is_more_than_nothing(name: str, value: int) -> None:
    settings: dict[str, Any] = {name: value}
    with pytest.raises(InvalidConfig, match=f"^{name}: must be more than 0$"):
        Config(**settings)


def test_a_realm_must_fit_into_the_charset() -> None:
    assert Config(realm="Жора").realm == "Жора"
    with pytest.raises(InvalidConfig, match=r"^realm: not in ISO 8859-1"):
        Config(realm="Жора", utf8=False)


@pytest.mark.parametrize("name", ["realm", "netbios", "computer", "workstation"])
def test_a_name_is_text(name: str) -> None:
    settings: dict[str, Any] = {name: "\udcff"}
    with pytest.raises(InvalidConfig, match=f"^{name}: must be text"):
        Config(**settings)


def test_a_netbios_name_is_the_first_label_in_upper_case_and_short() -> None:
    assert netbios_name("ldap1.contoso.com") == "LDAP1"
    assert netbios_name("a-very-long-host-name") == "A-VERY-LONG-HOS"


def test_the_own_names_hold_localhost_and_each_once() -> None:
    names = own_names()
    assert "localhost" in names
    assert len(set(names)) == len(names)


def test_lists_in_a_file_are_for_what_is_a_list(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('qop = ["auth-conf", "auth"]\ncipher = ["rc4", "3des"]\n')
    options = read_options(["--config", str(file)])
    assert (options.qop, options.cipher) == ((QOP.AUTH_CONF, QOP.AUTH), (Cipher.RC4, Cipher.TRIPLE_DES))
    file.write_text('realm = ["a", "b"]\n')
    with pytest.raises(UsageFault, match=r"c\.toml: argument --realm: is not repeatable$"):
        read_options(["--config", str(file)])
    file.write_text('require-signing = "yes"\n')
    with pytest.raises(UsageFault, match=r"c\.toml: require-signing: must be true or false$"):
        read_options(["--config", str(file)])


def test_client_certificates_and_what_they_lead_to(toml: Toml) -> None:
    tls = ["--tls", "auto", "--tls-ca", "ca.pem"]
    options = read_options([*tls, "--tls-client", "required", "--cert-map", "email, subject"])
    assert (options.tls_ca, options.tls_client, options.cert_map) == ("ca.pem", "required", ("email", "subject"))
    path = toml('tls = "auto"\ntls-ca = "ca.pem"\ncert-map = ["upn", "email"]\nmechanism = ["PLAIN", "EXTERNAL"]\n')
    options = read_options(["--config", path])
    assert (options.tls_ca, options.cert_map) == ("ca.pem", ("upn", "email"))
    assert options.mechanism == ["PLAIN", "EXTERNAL"]


def test_a_unix_socket_is_enough_for_external_and_plain() -> None:
    listen = ["--listen", "ldapi://%2Frun%2Fx", "--mechanism", "PLAIN", "--mechanism", "EXTERNAL"]
    assert read_options(listen).mechanism == ["PLAIN", "EXTERNAL"]
