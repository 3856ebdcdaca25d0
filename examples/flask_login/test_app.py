"""The login of app.py, against real servers, by both ways to bind: `python -m pytest` in this folder.

Each test says who is in the directory, what goes wrong there, and what the browser must be told.
"""

from collections.abc import Callable

import pytest
from app import Directory, create_app

from ldapserver.faults import Busy, Close, NoAnswer, Reset, WrongRspauth
from ldapserver.faults.actions import Action
from ldapserver.testing import Server
from ldapserver.testing.authority import CA
from ldapserver.testing.faults import Defect, bad_certificate

Login = Callable[..., int]
Start = Callable[..., Server]

WELCOME, BAD_REQUEST, NO, UNAVAILABLE = 200, 400, 401, 503


@pytest.fixture(params=[False, True], ids=["simple", "digest"])
def login(request: pytest.FixtureRequest) -> Login:
    """Posts the form to an application of these servers: the status that comes back."""

    def post(
        *urls: str, name: str = "alice", password: str = "wonderland", ca: CA | None = None, timeout: int = 10
    ) -> int:
        directory = Directory(urls, digest=request.param, ca=str(ca.path) if ca else None, timeout=timeout)
        browser = create_app(directory).test_client()
        return browser.post("/login", data={"name": name, "password": password}).status_code

    return post


@pytest.fixture
def start(ldap_server_factory: Start) -> Start:
    """Starts a server that knows alice."""

    def started(**settings: object) -> Server:
        server = ldap_server_factory(**settings)
        server.add_user("alice", "wonderland")
        return server

    return started


@pytest.fixture
def server(start: Start) -> Server:
    return start()


# Who is let in


def test_the_right_password(server: Server, login: Login) -> None:
    assert login(server.url) == WELCOME


def test_a_wrong_password(server: Server, login: Login) -> None:
    assert login(server.url, password="Wonderland") == NO


def test_nobody_of_that_name(server: Server, login: Login) -> None:
    assert login(server.url, name="bob") == NO


def test_an_empty_password_is_not_even_asked_about(server: Server, login: Login) -> None:
    assert login(server.url, password="") == BAD_REQUEST
    assert not server.requests


@pytest.mark.parametrize("name", ["Ames, Alice", 'the "cat"', "a+b=c", "jürgen"])
def test_a_name_with_characters_that_mean_something(server: Server, login: Login, name: str) -> None:
    server.add_user(name, "wonderland")
    assert login(server.url, name=name) == WELCOME
    assert login(server.url, name=name, password="Wonderland") == NO


def test_a_name_is_no_way_to_another_place(server: Server, login: Login) -> None:
    server.add_user("root", "wonderland", under="ou=admins,ou=people")
    assert login(server.url, name="root,ou=admins") == NO


# How often is asked


def test_a_login_is_one_bind(server: Server, login: Login) -> None:
    login(server.url)
    assert server.binds("alice").count == 1


def test_a_wrong_password_counts_once(server: Server, login: Login) -> None:
    login(server.url, password="Wonderland")
    assert (server.binds("alice").count, server.binds("alice").failed) == (1, 1)


def test_a_wrong_password_is_not_tried_elsewhere(start: Start, login: Login) -> None:
    first, second = start(), start()
    assert login(first.url, second.url, password="Wonderland") == NO
    assert not second.requests


def test_a_lockout_comes_with_the_third_mistake_and_ends(start: Start, login: Login) -> None:
    server = start(lockout_threshold=3)
    for _ in range(2):
        assert login(server.url, password="Wonderland") == NO
    assert login(server.url) == WELCOME
    for _ in range(3):
        assert login(server.url, password="Wonderland") == NO
    assert login(server.url) == NO
    server.clock.advance(minutes=31)
    assert login(server.url) == WELCOME


# What fails


def test_the_second_server_where_the_first_is_down(start: Start, login: Login) -> None:
    first, second = start(), start()
    first.stop()
    assert login(first.url, second.url) == WELCOME
    assert second.binds("alice").count == 1


@pytest.mark.parametrize("fault", [Close(), Reset(), Busy()], ids=lambda fault: type(fault).__name__)
def test_the_second_server_where_the_first_fails(start: Start, login: Login, fault: Action) -> None:
    first, second = start(), start()
    first.faults.add(fault, on="bind")
    assert login(first.url, second.url) == WELCOME
    assert second.binds("alice").count == 1


def test_the_second_server_where_the_first_never_answers(start: Start, login: Login) -> None:
    first, second = start(), start()
    first.faults.add(NoAnswer(), on="bind")
    assert login(first.url, second.url, timeout=2) == WELCOME


def test_no_server_left(start: Start, login: Login) -> None:
    first, second = start(), start()
    first.stop()
    second.faults.add(Busy(), on="bind")
    assert login(first.url, second.url) == UNAVAILABLE


@pytest.mark.parametrize("login", [True], ids=["digest"], indirect=True)
def test_a_server_that_does_not_prove_itself_lets_nobody_in(server: Server, login: Login) -> None:
    server.faults.add(WrongRspauth())
    assert login(server.url) == UNAVAILABLE


# TLS


def test_tls(start: Start, login: Login, ldap_ca: CA) -> None:
    server = start(tls=True)
    assert login(server.ldaps_url, ca=ldap_ca) == WELCOME
    server.assert_all_protected()


@pytest.mark.parametrize("defect", ["expired", "wrong-name", "unknown-ca", "self-signed"])
def test_a_certificate_that_is_wrong(start: Start, login: Login, ldap_ca: CA, defect: Defect) -> None:
    server = start(tls=True)
    server.faults.add(bad_certificate(defect))
    assert login(server.ldaps_url, ca=ldap_ca) == UNAVAILABLE
    assert not server.requests  # so no password was sent either


def test_a_ca_that_the_system_does_not_know(start: Start, login: Login) -> None:
    assert login(start(tls=True).ldaps_url) == UNAVAILABLE
