"""The pytest plugin, as who installs us has it: its fixtures, and runs of pytest that use them."""

import subprocess
import sys
from collections.abc import Callable

import pytest

import ldapserver
from ldapserver.testing import Server
from ldapserver.testing.register import RUNNING

pytest_plugins = ["pytester"]

# Our own suite's way of treating warnings is not everybody's.
OPTIONS = ("--strict-markers", "-p", "no:cacheprovider", "-q")


def test_servers_of_one_test_are_of_their_own(
    ldap_server: Server, ad_server: Server, ldap_server_factory: Callable[..., Server]
) -> None:
    third = ldap_server_factory(suffix="dc=contoso,dc=com")
    assert len({ldap_server.url, ad_server.url, third.url}) == 3
    assert (ldap_server.base_dn, third.base_dn) == ("dc=example,dc=com", "dc=contoso,dc=com")
    assert [ldap_server, ad_server, third] == RUNNING


MARKED = """
import pytest
from ldapserver.testing.register import RUNNING

pytestmark = pytest.mark.ldap_server(suffix="dc=module", lockout_threshold=2)

def test_of_the_module(ldap_server):
    assert (ldap_server.base_dn, ldap_server.policy().lockout_threshold) == ("dc=module", 2)

@pytest.mark.ldap_server(suffix="dc=class", realm="class")
class TestOfAClass:
    @pytest.mark.ldap_server(suffix="dc=test")
    def test_nearest(self, ldap_server, ad_server):
        for server in (ldap_server, ad_server):
            assert (server.base_dn, server.policy().lockout_threshold) == ("dc=test", 2)
        assert (ldap_server.policy().counted, ad_server.policy().counted) == (False, True)

def test_none_is_left():
    assert RUNNING == []

@pytest.mark.ldap_server("dc=a")
def test_by_place(ldap_server):
    raise AssertionError("is not run")

@pytest.mark.ldap_server(lockout_treshold=3)
def test_misspelt(ldap_server):
    raise AssertionError("is not run")
"""


def test_markers_give_settings_the_nearest_first(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MARKED)
    result = pytester.runpytest_inprocess(*OPTIONS)
    result.assert_outcomes(passed=3, errors=2)
    result.stdout.fnmatch_lines(
        [
            "*takes settings by name, not 'dc=a'",
            "*ValueError: lockout_treshold: no such setting; is lockout_threshold meant?",
        ]
    )


SHARED = """
import ldap3
import pytest
from ldapserver.testing import running_server

@pytest.fixture(scope="session")
def directory():
    with running_server(lockout_threshold=3) as server:
        yield server

@pytest.fixture
def server(directory):
    with directory.preserved():
        yield directory

@pytest.mark.parametrize("number", range(6))
def test_shared(server, number):
    assert server.policy().lockout_threshold == 3
    server.policy(lockout_threshold=5)
    assert ldap3.Connection(ldap3.Server(server.url)).bind()
"""


def test_workers_of_xdist_share_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SHARED)
    pytester.runpytest_inprocess(*OPTIONS, "-p", "no:hypothesispytest", "-p", "no:anyio", "-n2").assert_outcomes(
        passed=6
    )


def test_fixtures_and_marker_say_what_they_are(pytester: pytest.Pytester) -> None:
    fixtures = pytester.runpytest_inprocess("--fixtures")
    fixtures.stdout.fnmatch_lines(
        [
            "*fixtures defined from ldapserver.pytest_plugin*",
            "ldap_server_factory *",
            "    Starts LDAP servers for the test*",
            "ldap_server *",
            "    An LDAP server of dc=example,dc=com with nobody in it*",
            "ad_server *",
            "    A domain controller of example.com*",
        ]
    )
    pytester.runpytest_inprocess("--markers").stdout.fnmatch_lines(["@pytest.mark.ldap_server(*settings):*"])


LOADED = """
import sys
import pytest  # which brings much of the standard library
before = set(sys.modules)
import ldapserver.pytest_plugin
print(*sorted(set(sys.modules) - before))
"""


def test_who_uses_no_server_loads_none() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, check=True, text=True)
    loaded = done.stdout.split()
    assert "ldapserver.pytest_plugin" in loaded
    assert [name for name in loaded if name.startswith("ldapserver")] == ["ldapserver", "ldapserver.pytest_plugin"]
    assert not [name for name in loaded if name.startswith(("twisted", "ldap3", "cryptography", "sasl_digest"))]


def test_what_is_loaded_when_it_is_asked_for_is_there() -> None:
    assert all(getattr(ldapserver, name) for name in ldapserver.__all__)
    assert ldapserver.Config.__name__ == "Config"
    assert set(ldapserver.__all__) <= set(dir(ldapserver))
    assert sorted(ldapserver.__all__) == sorted(ldapserver._MODULES)
    with pytest.raises(AttributeError, match="module 'ldapserver' has no attribute 'Confog'"):
        _ = ldapserver.Confog
