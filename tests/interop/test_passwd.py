"""`ldapserver passwd` of a real slapd: Password Modify, its refusals, and an account that its ppolicy has locked."""

from collections.abc import Iterator
from pathlib import Path

import ldap3
import pytest

from ldapserver.cli import main
from tests.interop.conftest import tool
from tests.interop.server import run
from tests.interop.slapd import BASE, TLS, Slapd, running_slapd

# ldap3 2.9.1 compares the names in a certificate by a function of ssl that is going.
pytestmark = pytest.mark.filterwarnings("ignore:ssl.match_hostname:DeprecationWarning")

PEOPLE = f"ou=people,{BASE}"
U1 = f"uid=u1,{PEOPLE}"
ROOT, ROOT_PASSWORD = f"cn=root,{BASE}", "root secret"
POLICY = (
    f"\ndn: cn=policy,{BASE}\nobjectClass: device\nobjectClass: pwdPolicy\ncn: policy\npwdAttribute: userPassword\n"
    "pwdLockout: TRUE\npwdMaxFailure: 2\npwdSafeModify: TRUE\n"
)
TWIN = f"\ndn: uid=U1,{BASE}\nobjectClass: account\nobjectClass: simpleSecurityObject\nuserPassword: twin\n"
WRONG = 49


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slapd's."""
    return tmp_path_factory.mktemp("passwd")


@pytest.fixture(scope="module")
def authority(slapd: Slapd, folder: Path) -> str:
    """The file of the CA that slapd's certificate is of."""
    return str(folder / "ca.pem")


@pytest.fixture(scope="module")
def slapd(folder: Path) -> Iterator[Slapd]:
    """A slapd whose users write their own passwords, saying the old one, and are locked out after two wrong ones."""
    with running_slapd(
        tool("slapd"),
        tool("slapadd"),
        folder,
        tls=TLS.throw_away(folder),
        more_entries=POLICY + TWIN,
        more_schema=["moduleload ppolicy"] if _has_modules() else [],
        more_of_database=[
            f'rootdn "{ROOT}"',
            f'rootpw "{ROOT_PASSWORD}"',
            "access to attrs=userPassword by self write by anonymous auth by * none",
            "overlay ppolicy",
            f'ppolicy_default "cn=policy,{BASE}"',
        ],
    ) as running:
        yield running


def _has_modules() -> bool:
    return any(list(Path(folder).glob("ppolicy*")) for folder in ("/usr/lib/ldap", "/usr/lib64/openldap"))


def digest(url: str, password: str) -> int:
    """The result code of a DIGEST-MD5 bind as u1."""
    how = ("-Q", "-Y", "DIGEST-MD5", "-O", "maxssf=0", "-U", "u1", "-w", password)
    return run(tool("ldapwhoami"), "-H", url, *how)[0]


def simple(url: str, password: str) -> int:
    """The result code of a simple bind as u1."""
    connection = ldap3.Connection(ldap3.Server(url, get_info=ldap3.NONE), U1, password)
    connection.bind()
    code: int = connection.result["result"]
    connection.unbind()
    return code


def passwd(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, password: str, *arguments: str
) -> tuple[int, str, str]:
    """Status, output and error of one run that binds with this password."""
    monkeypatch.setenv("LDP_PASSWORD", password)
    status = main(["passwd", *arguments])
    told = capfd.readouterr()
    return status, told.out, told.err


def new(password: str) -> tuple[str, str, str]:
    return ("--new-password", password, "--insecure-password-argument")


def test_own_and_anothers(
    slapd: Slapd, authority: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = (0, "", f"ldapserver passwd: {U1}: the password is changed\n")
    url = slapd.url
    assert passwd(capfd, monkeypatch, "password", url, "--user", "u1", *new("own")) == changed
    assert (digest(url, "own"), digest(url, "password"), simple(url, "own")) == (0, WRONG, 0)
    secure = (slapd.ldaps_url or "").replace("127.0.0.1", "localhost")
    root = ("--ca", authority, "--simple", ROOT)
    assert passwd(capfd, monkeypatch, ROOT_PASSWORD, secure, U1, *root, *new("by root")) == changed
    assert (digest(url, "by root"), simple(url, "own"), simple(url, "by root")) == (0, WRONG, 0)
    status, output, error = passwd(capfd, monkeypatch, ROOT_PASSWORD, secure, U1, *root, "--generate")
    assert (status, error) == (0, changed[2])
    assert digest(url, output.strip()) == 0
    assert passwd(capfd, monkeypatch, ROOT_PASSWORD, url, U1, "--simple", ROOT, *new("password")) == changed


def test_refusals(slapd: Slapd, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    url = slapd.url
    status, _, error = passwd(capfd, monkeypatch, ROOT_PASSWORD, url, "u1", "--simple", ROOT, *new("x"))
    assert status == 19
    assert U1 in error
    assert f"uid=U1,{BASE}" in error
    juergen = f"uid=jürgen,{PEOPLE}"
    status, _, error = passwd(capfd, monkeypatch, "password", url, juergen, "--user", "u1", *new("x"))
    assert status == 50
    assert error.startswith("ldapserver passwd: Password Modify: insufficientAccessRights (50)")
    status, _, error = passwd(capfd, monkeypatch, ROOT_PASSWORD, url, U1, "--simple", ROOT, "--must-change")
    assert status == 17
    assert error == "ldapserver passwd: modify: undefinedAttributeType (17): pwdLastSet: attribute type undefined\n"


def test_a_lockout_ends(slapd: Slapd, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    url = slapd.url
    for wrong in ("one", "two"):
        assert simple(url, wrong) == WRONG
    assert simple(url, "password") == WRONG
    status, output, error = passwd(capfd, monkeypatch, ROOT_PASSWORD, url, U1, "--simple", ROOT, "--unlock")
    assert (status, output, error) == (0, "", f"ldapserver passwd: {U1}: the account is unlocked\n")
    assert simple(url, "password") == 0
