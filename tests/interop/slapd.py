"""A private OpenLDAP slapd with Cyrus SASL's DIGEST-MD5: its own folder, a free port, gone with the `with` block."""

import socket
import subprocess
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import serialization

from ldapserver.certificates import throw_away

BASE = "dc=contoso,dc=com"
REALM = "contoso.com"
PASSWORDS = {"u1": "password", "jürgen": "pässwörd"}

# Where Debian, Fedora and Arch keep slapd's modules and schemata; a slapd without modules has back_mdb built in.
_MODULES = ("/usr/lib/ldap", "/usr/lib64/openldap", "/usr/lib/openldap")
_SCHEMATA = ("/etc/ldap/schema", "/etc/openldap/schema")


@dataclass(frozen=True)
class TLS:
    """PEM files of a server: who answers for it, it, and its key."""

    authority: Path
    certificate: Path
    key: Path

    @classmethod
    def throw_away(cls, folder: Path) -> Self:
        """Those of a server on this machine, written into a folder."""
        made, ca = throw_away(["localhost", "127.0.0.1"])
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        files = cls(folder / "ca.pem", folder / "certificate.pem", folder / "key.pem")
        files.authority.write_bytes(ca)
        files.certificate.write_bytes(b"".join(each.public_bytes(pem) for each in made.chain))
        files.key.write_bytes(made.key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
        return files


@dataclass(frozen=True)
class Slapd:
    """A running slapd."""

    url: str
    ldaps_url: str | None


@contextmanager
def running_slapd(
    slapd: str,
    slapadd: str,
    folder: Path,
    *,
    tls: TLS | None = None,
    entries: str | None = None,
    more_entries: str = "",
    more_schema: Iterable[str] = (),
    more_of_database: Iterable[str] = (),
) -> Iterator[Slapd]:
    """Start it on 127.0.0.1 with these entries in LDIF, or those of `PASSWORDS` below ou=people, and others.

    With `tls` it takes StartTLS, and ldaps at another port. `more_schema` are lines of slapd.conf for what the schema
    files have not got, `more_of_database` such as stand behind `database`.
    """
    conf, data = folder / "slapd.conf", folder / "data.ldif"
    (folder / "db").mkdir()
    conf.write_text(_configuration(folder, tls, more_schema, more_of_database))
    data.write_text((_entries() if entries is None else entries) + more_entries)
    added = subprocess.run([slapadd, "-f", conf, "-l", data], check=False, capture_output=True)
    if added.returncode:
        raise RuntimeError("slapadd took no such entries:\n" + added.stderr.decode())
    with socket.create_server(("127.0.0.1", 0)) as free, socket.create_server(("127.0.0.1", 0)) as another:
        address, secure_address = free.getsockname(), another.getsockname()
    running = Slapd(f"ldap://127.0.0.1:{address[1]}", f"ldaps://127.0.0.1:{secure_address[1]}" if tls else None)
    urls = " ".join(filter(None, (running.url, running.ldaps_url)))
    log = folder / "slapd.log"
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            [slapd, "-f", conf, "-h", urls, "-d", "none"], stdin=subprocess.DEVNULL, stderr=stderr
        ) as process,
    ):
        try:
            _wait_until_it_answers(process, address, log)
            yield running
        finally:
            process.terminate()


def _wait_until_it_answers(process: subprocess.Popen[bytes], address: tuple[str, int], log: Path) -> None:
    for _ in range(1000):
        try:
            socket.create_connection(address).close()
        except ConnectionRefusedError:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.02)
        else:
            if process.poll() is None:
                return
        if process.returncode is not None:
            break
    raise RuntimeError("slapd did not start:\n" + log.read_text())


def _configuration(folder: Path, tls: TLS | None, more_schema: Iterable[str], more_of_database: Iterable[str]) -> str:
    module_path = next((path for path in _MODULES if list(Path(path).glob("back_mdb*"))), None)
    schemata = next(path for path in _SCHEMATA if Path(path, "core.schema").exists())
    return "\n".join(
        [
            *(f"include {schemata}/{name}.schema" for name in ("core", "cosine", "inetorgperson", "nis")),
            *more_schema,
            *([f"modulepath {module_path}", "moduleload back_mdb"] if module_path else []),
            f"pidfile {folder}/slapd.pid",
            f"argsfile {folder}/slapd.args",
            f"sasl-realm {REALM}",
            "sasl-host localhost",
            "sasl-secprops noanonymous",
            *([f"TLSCertificateFile {tls.certificate}", f"TLSCertificateKeyFile {tls.key}"] if tls else []),
            *([f"TLSCACertificateFile {tls.authority}"] if tls else []),
            # who has proved a name in the realm is the entry of that uid
            f'authz-regexp "^uid=([^,]+),(cn={REALM},)?cn=digest-md5,cn=auth$" "uid=$1,ou=people,{BASE}"',
            "password-hash {CLEARTEXT}",
            "database mdb",
            f'suffix "{BASE}"',
            *more_of_database,
            f"directory {folder}/db",
            "maxsize 16777216",
            "access to attrs=userPassword by anonymous auth by * none",
            "access to * by users read by anonymous auth",
            "",
        ]
    )


def _entries() -> str:
    def base64(text: str) -> str:
        return b64encode(text.encode()).decode()

    people = f"ou=people,{BASE}"
    blocks = [
        f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: Contoso\ndc: contoso",
        f"dn: {people}\nobjectClass: organizationalUnit\nou: people",
    ]
    for name, password in PASSWORDS.items():
        blocks.append(
            f"dn:: {base64(f'uid={name},{people}')}\nobjectClass: inetOrgPerson\n"
            f"uid:: {base64(name)}\ncn:: {base64(name)}\nsn:: {base64(name)}\nuserPassword:: {base64(password)}"
        )
    return "\n\n".join(blocks) + "\n"
