"""The engine alone: a client and a server in one process, and the four strings that pass between them.

    .venv/bin/python examples/engine_alone.py

No socket, no file, no callback: each step takes what the other side sent and returns a value that says what is next.
"""

from sasl_digest import Challenge, DigestClient, DigestServer, Lookup, Password, Response, Success

PASSWORDS = {"alice": "wonderland"}


def main() -> None:
    """One bind that goes well."""
    server = DigestServer(realms=["example.org"], service="ldap", hosts=["ldap.example.org"])
    client = DigestClient("alice", Password("wonderland"), service="ldap", host="ldap.example.org")

    # 1. In DIGEST-MD5 it is the server that begins, so the client's first string is empty.
    initial_response = b""
    show("C", initial_response)

    # 2. The server states its terms, with a nonce that nobody has seen before.
    challenge = server.step(initial_response)
    assert isinstance(challenge, Challenge)
    show("S", challenge.data)

    # 3. The client answers with a digest of the nonce and the password.
    response = client.step(challenge.data)
    assert isinstance(response, Response)
    show("C", response.data)

    # The server can read the name now, and asks: what is known of this user? The answer may come from anywhere, and
    # later. None stands for nobody; it costs the same time and ends in a Failure, as a wrong password does.
    question = server.step(response.data)
    assert isinstance(question, Lookup)
    password = PASSWORDS.get(question.username)
    verdict = server.verify(None if password is None else Password(password))
    assert isinstance(verdict, Success)

    # 4. The server proves that it knows the password too.
    show("S", verdict.data)
    proved = client.step(verdict.data)
    assert isinstance(proved, Success)

    print(f"The server is sure of {verdict.username} in {verdict.realm}, and the client of the server.")


def show(who: str, message: bytes) -> None:
    """Print one string: C for the client's, S for the server's."""
    print(f"{who}: {message.decode()}")


if __name__ == "__main__":
    main()
