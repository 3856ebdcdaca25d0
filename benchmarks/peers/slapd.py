"""OpenLDAP's slapd: configured here, in a temporary folder; DIGEST-MD5 by Cyrus SASL, passwords from its entries."""

import contextlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.peers.peer import SLAPD, Peer
from benchmarks.process import Listening, at_port, free_port
from benchmarks.server import BASE, write_users

# Where Debian, Fedora and Arch keep slapd, its modules and schemata; a slapd without modules has back_mdb built in.
PATH = "/usr/sbin:/usr/bin:/usr/lib/openldap:/usr/local/libexec:/usr/local/sbin"
MODULES = ("/usr/lib/ldap", "/usr/lib64/openldap", "/usr/lib/openldap")
SCHEMATA = ("/etc/ldap/schema", "/etc/openldap/schema")
REALM = "example.org"


def peers() -> list[Peer]:
    """The one that is installed, or none."""
    slapd, slapadd = (shutil.which(name, path=PATH) for name in ("slapd", "slapadd"))
    if not slapd or not slapadd:
        return []

    @contextlib.contextmanager
    def start(users: int) -> Iterator[Listening]:
        with tempfile.TemporaryDirectory() as name:
            folder, port = Path(name), free_port()
            conf, ldif = folder / "slapd.conf", folder / "users.ldif"
            (folder / "db").mkdir()
            conf.write_text(_configuration(folder))
            write_users(ldif, users)
            added = subprocess.run([slapadd, "-q", "-f", conf, "-l", ldif], capture_output=True, check=False)
            if added.returncode:
                raise RuntimeError(f"slapadd: {added.stderr.decode()}")
            with at_port([slapd, "-d", "0", "-f", str(conf), "-h", f"ldap://127.0.0.1:{port}"], port) as server:
                yield server

    return [Peer("slapd", SLAPD, f"slapd {_version(slapd)}", start)]


def _version(slapd: str) -> str:
    said = subprocess.run([slapd, "-VV"], capture_output=True, text=True, check=False)
    found = re.search(r"slapd (\S+)", said.stdout + said.stderr)
    return found[1] if found else "of an unknown version"


def _configuration(folder: Path) -> str:
    module_path = next((path for path in MODULES if list(Path(path).glob("back_mdb*"))), None)
    schemata = next(path for path in SCHEMATA if Path(path, "core.schema").exists())
    return "\n".join(
        [
            *(f"include {schemata}/{name}.schema" for name in ("core", "cosine", "inetorgperson")),
            *([f"modulepath {module_path}", "moduleload back_mdb"] if module_path else []),
            f"pidfile {folder}/slapd.pid",
            f"argsfile {folder}/slapd.args",
            "loglevel 0",
            f"sasl-realm {REALM}",
            "sasl-host localhost",
            "sasl-auxprops slapd",
            f'authz-regexp "^uid=([^,]+),(cn={REALM},)?cn=digest-md5,cn=auth$" "uid=$1,ou=people,{BASE}"',
            # as here: nobody reads a password, and who has bound reads the rest
            "access to attrs=userPassword by * auth",
            "access to * by * read",
            "database mdb",
            f'suffix "{BASE}"',
            f"directory {folder}/db",
            f"maxsize {1 << 30}",
            "index objectClass,uid eq",
            "",
        ]
    )
