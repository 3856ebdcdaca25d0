"""Records that are JSON, in winlogbeat's shape: read, and made of what was read from XML.

A line that our own server has written is read by one pattern, which costs half of what `json` does; any other by
`json`. The suite holds the pattern against `JSONRenderer`: what it does not match is read all the same, at
the other's price.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from ldapserver.viewer.event import EXCHANGE, FAILURE, SUCCESS, UNKNOWN, Event, NotARecord, seen_in
from ldapserver.viewer.times import canonical

_NANOSECONDS = "00"  # behind the seven digits of a second that our server writes

_CHARACTERS = r'[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})[^"\\\x00-\x1f]*+)*+'
_ANY = f'"{_CHARACTERS}"'
_STRING = f'"({_CHARACTERS})"'
_OR_NULL = f"(?:null|{_STRING})"
_PLAIN = r'"([^"\\\x00-\x1f]*+)"'  # without an escape, as every word of our own is
_PLAIN_OR_NULL = f"(?:null|{_PLAIN})"

# A 4776 of `ldapserver.audit.render`, whole: nothing that `json` would refuse is taken.
_OURS = re.compile(
    r'\{"@timestamp":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7})Z","ecs":\{"version":' + _ANY + r"\},"
    r'"event":\{"action":"credential-validated","category":\["authentication"\],"code":"4776","kind":"event",'
    r'"module":"security","outcome":"([a-z]++)","provider":' + _ANY + r',"type":\["start"\]\},'
    r'"host":\{"name":' + _ANY + r'\},"log":\{"level":"information"\},"message":' + _ANY + ","
    r'"related":\{"user":\[' + _ANY + r'\]\},(?:"source":\{"ip":' + _PLAIN + r',"port":\d++\},)?'
    r'"user":\{"name":' + _ANY + r'\},"winlog":\{"channel":"Security","computer_name":' + _ANY + ","
    r'"event_data":\{"PackageName":' + _PLAIN + ',"TargetUserName":' + _STRING + ',"Workstation":' + _STRING + ","
    r'"Status":"(0x(?:0|[1-9a-f][0-9a-f]*+))"\},"event_id":"4776","keywords":\["Audit [A-Za-z]++"\],'
    r'"logon":\{"failure":\{"status":' + _ANY + r'\}\},"opcode":"Info",'
    r'"process":\{"pid":\d++,"thread":\{"id":\d++\}\},"provider_guid":' + _ANY + ',"provider_name":' + _ANY + ","
    r'"record_id":"\d++","task":' + _ANY + r"\},"
    r'"ldap":\{"connection":\d++,"message_id":\d++,"mechanism":' + _STRING + ',"realm":' + _OR_NULL + ","
    r'"authzid":' + f"(?:null|{_ANY})" + ',"qop":' + _PLAIN_OR_NULL + ',"cipher":' + _PLAIN_OR_NULL + ","
    r'"digest_uri":' + _OR_NULL + r',"result_code":(?:null|\d++),"tls":(true|false),"reason":' + _PLAIN_OR_NULL + ","
    r'"detail":' + f"(?:null|{_ANY})" + r',"reading":' + f"(?:null|{_ANY})" + r"\}\}\s*",
    re.ASCII,
)


def read_json(line: bytes) -> Event:
    """The record in a line. Raises NotARecord."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise NotARecord("not UTF-8") from None
    found = _OURS.fullmatch(text)
    if found is None:
        return read_any_json(text)
    (time, outcome, ip, package, account, workstation, status, mechanism, realm, qop, cipher, uri, tls, reason) = (
        found.groups()
    )
    return Event(
        time + _NANOSECONDS,
        account if "\\" not in account else _unescaped(account),
        ip,
        workstation if "\\" not in workstation else _unescaped(workstation),
        "4776",
        outcome,
        package,
        status,
        None,
        reason,
        mechanism if "\\" not in mechanism else _unescaped(mechanism),
        realm if realm is None or "\\" not in realm else _unescaped(realm),
        qop,
        cipher,
        tls == "true",
        uri if uri is None or "\\" not in uri else _unescaped(uri),
        text,
    )


def _unescaped(characters: str) -> str:
    text: str = json.loads(f'"{characters}"')
    return text


def read_any_json(text: str) -> Event:
    """The record in a line, by `json`: of any program that writes winlogbeat's shape. Raises NotARecord."""
    try:
        value = json.loads(text)
        time = canonical(value["@timestamp"])
        event = _object(value, "event")
        winlog, ldap = _object(value, "winlog"), _object(value, "ldap")
        code = _string(winlog, "event_id") or _string(event, "code")
        if code is None or not (winlog or code == EXCHANGE):
            raise NotARecord("no event")
        data = {name: each for name, each in _object(winlog, "event_data").items() if isinstance(each, str)}
        package, account, workstation, status, general = seen_in(code, data)
        tls = ldap.get("tls")
        return Event(
            time,
            account,
            _string(_object(value, "source"), "ip") or address(data),
            workstation,
            code,
            _string(event, "outcome") or _outcome_of(winlog.get("keywords")),
            package,
            status,
            general,
            _string(ldap, "reason"),
            _string(ldap, "mechanism"),
            _string(ldap, "realm"),
            _string(ldap, "qop"),
            _string(ldap, "cipher"),
            tls if isinstance(tls, bool) else None,
            _string(ldap, "digest_uri"),
            text,
        )
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise NotARecord(str(error)) from None


def address(data: Mapping[str, str]) -> str | None:
    """The IpAddress of a logon; None for the `-` that stands for none."""
    given = data.get("IpAddress")
    return None if given in (None, "", "-") else given


def _object(value: Any, key: str) -> dict[str, Any]:
    found = value.get(key, {})
    if not isinstance(found, dict):
        raise NotARecord(f"{key} is no object")
    return found


def _string(value: dict[str, Any], key: str) -> str | None:
    found = value.get(key)
    if found is None or isinstance(found, str):
        return found
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)  # winlogbeat has written event ids as numbers, once
    raise NotARecord(f"{key} is no text")


def _outcome_of(keywords: Any) -> str:
    if isinstance(keywords, list):
        for keyword, outcome in (("Audit Failure", FAILURE), ("Audit Success", SUCCESS)):
            if keyword in keywords:
                return outcome
    return UNKNOWN
