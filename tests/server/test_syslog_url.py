"""The URLs of syslog receivers: what each says, and what is wrong with one that says nothing."""

import pytest

from ldapserver.audit.syslog_url import InvalidSyslogURL, SyslogURL


@pytest.mark.parametrize(
    ("text", "url", "again"),
    [
        ("syslog:///dev/log", SyslogURL("syslog", path="/dev/log"), "syslog:///dev/log"),
        ("syslog:///run/a%20b", SyslogURL("syslog", path="/run/a b"), "syslog:///run/a b"),
        ("syslog+udp://192.0.2.1", SyslogURL("syslog+udp", "192.0.2.1", 514), "syslog+udp://192.0.2.1:514"),
        ("syslog+tcp://logs/", SyslogURL("syslog+tcp", "logs", 601), "syslog+tcp://logs:601"),
        ("syslog+tls://[::1]", SyslogURL("syslog+tls", "::1", 6514), "syslog+tls://[::1]:6514"),
        (
            "syslog+tcp://[2001:db8::1]:99",
            SyslogURL("syslog+tcp", "2001:db8::1", 99),
            "syslog+tcp://[2001:db8::1]:99",
        ),
        (
            "syslog+tls://logs:1?ca=/etc/a%20b.pem",
            SyslogURL("syslog+tls", "logs", 1, ca="/etc/a b.pem"),
            "syslog+tls://logs:1",
        ),
    ],
)
def test_a_url_says_where_to_send(text: str, url: SyslogURL, again: str) -> None:
    assert SyslogURL.parse(text) == url
    assert str(url) == again


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "must begin with syslog://, syslog+udp://"),
        ("syslog+quic://x", "must begin with"),
        ("syslog:/dev/log", "must look like syslog:///dev/log"),
        ("syslog+udp:192.0.2.1", "must look like syslog+udp://"),
        ("syslog://", "absolute path"),
        ("syslog:///", "absolute path"),
        ("syslog://dev/log", "absolute path"),
        ("syslog:///a%00b", "absolute path"),
        ("syslog:///a?ca=b", "only ?ca=FILE, for syslog+tls://"),
        ("syslog+tcp://", "must look like syslog+tcp://"),
        ("syslog+tcp://:601", "must look like syslog+tcp://"),
        ("syslog+tcp://u@x", "must look like syslog+tcp://"),
        ("syslog+tcp://x/y", "must look like syslog+tcp://"),
        ("syslog+tcp://x#y", "must look like syslog+tcp://"),
        ("syslog+tcp://a..b", "no host has such a name"),
        ("syslog+tls://.example.com", "no host has such a name"),
        ("syslog+udp://" + 64 * "x", "no host has such a name"),
        ("syslog+tcp://x:0", "from 1 to 65535"),
        ("syslog+tcp://x:65536", "from 1 to 65535"),
        ("syslog+tcp://x:", "from 1 to 65535"),
        ("syslog+tcp://x:ssh", "from 1 to 65535"),
        ("syslog+tcp://[::1", "IPv6"),
        ("syslog+tcp://x?ca=y", "only ?ca=FILE, for syslog+tls://"),
        ("syslog+tls://x?ca=", "only ?ca=FILE"),
        ("syslog+tls://x?key=y", "only ?ca=FILE"),
        ("syslog+tls://x?ca=a&ca=b", "only ?ca=FILE"),
    ],
)
def test_what_is_no_such_url_is_told_by_its_rule(text: str, words: str) -> None:
    with pytest.raises(InvalidSyslogURL) as error:
        SyslogURL.parse(text)
    assert words in str(error.value)
