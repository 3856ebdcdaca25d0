"""Password Modify as the tools of others ask for it: ldappasswd, python-ldap, ldap3."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import ldap3
import pytest

from tests.interop.conftest import absent, tool
from tests.interop.server import PEOPLE, U1, OurServer, run, running_server

ADMIN = f"uid=admin,{PEOPLE}"
WRONG = 49


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OurServer]:
    """One whose passwords may be changed."""
    with running_server(tmp_path_factory.mktemp("passwords"), "--admin", ADMIN) as ours:
        yield ours


def digest(server: OurServer, user: str, password: str) -> int:
    """The result code of a DIGEST-MD5 bind."""
    how = ("-Q", "-Y", "DIGEST-MD5", "-O", "maxssf=0", "-U", user, "-w", password)
    status, _, _ = run(tool("ldapwhoami"), "-H", server.url, *how)
    return status


@contextmanager
def bound(where: ldap3.Server, user: str | None = None, password: str | None = None) -> Iterator[ldap3.Connection]:
    """A connection that is bound, and unbound at the end."""
    connection = ldap3.Connection(where, user, password)
    assert connection.bind()
    try:
        yield connection
    finally:
        connection.unbind()


def test_ldappasswd(server: OurServer) -> None:
    passwd = (tool("ldappasswd"), "-H", server.url)
    mine = ("-x", "-D", U1, "-w", "password")
    assert run(*passwd, *mine, "-a", "password", "-s", "näw") == (0, "", "")
    assert digest(server, "u1", "näw") == 0
    assert digest(server, "u1", "password") == WRONG
    status, output, _ = run(*passwd, "-x", "-D", U1, "-w", "näw")
    assert (status, output.partition(": ")[0]) == (0, "New password")
    made_up = output.split()[-1]
    assert digest(server, "u1", made_up) == 0
    status, output, _ = run(*passwd, "-x", "-D", U1, "-w", made_up, "-s", "new", ADMIN)
    assert (status, output.splitlines()[0]) == (1, "Result: Insufficient access (50)")


def test_python_ldap(server: OurServer) -> None:
    try:
        ldap = import_module("ldap")
    except ImportError:
        absent("python-ldap")
    connection = ldap.initialize(server.url)
    connection.simple_bind_s(ADMIN, "admin secret")
    connection.passwd_s(U1, None, "from-python")
    connection.unbind_s()
    assert digest(server, "u1", "from-python") == 0


def test_ldap3(server: OurServer) -> None:
    with bound(ldap3.Server(server.url, get_info=ldap3.NONE), U1, "password") as connection:
        extend = connection.extend.standard
        assert extend.modify_password(old_password="guess", new_password="x") is False
        assert extend.modify_password(old_password="password", new_password="from-ldap3") is True
    assert digest(server, "u1", "from-ldap3") == 0


def test_it_is_listed(server: OurServer) -> None:
    where = ldap3.Server(server.url, get_info=ldap3.DSA)
    with bound(where):
        assert "1.3.6.1.4.1.4203.1.11.1" in {each[0] for each in where.info.supported_extensions}
