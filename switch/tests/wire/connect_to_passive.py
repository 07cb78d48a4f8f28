#!/usr/bin/env python3
"""Somebody who waits to be connected to, in a room of a running node.

The offer says `a=setup:passive` and a port of ours; the node has to answer `active`, connect, and
introduce itself octet for octet as it should. Then it is a session like any other. The node has to
be allowed to connect to this host (`msrp.connect_anywhere = true`).

    python3 switch/tests/wire/connect_to_passive.py [--sip 127.0.0.1:5060] [--host NAME] [--verbose]
"""
# Holds: CONN-01, CONN-02, CONN-03, CONN-10, SETUP-06, SETUP-08, sip/SDP-13, sip/SDP-16

import argparse
import re
import socket
import sys

import bind_and_send
from bind_and_send import PATIENCE, Connection, Person


class Waiting(Person):
    """Somebody with a listening socket, and no intention to connect."""

    def __init__(self, name, room, sip, listener):
        super().__init__(name, room, sip)
        self.listener = listener
        port = listener.getsockname()[1]
        self.path = f"msrp://127.0.0.1:{port}/{name}{self.id};tcp".encode()

    def join(self):
        port = self.listener.getsockname()[1]
        offer = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"]
        offer += [f"m=message {port} TCP/MSRP *", "a=accept-types:message/cpim"]
        offer += ["a=accept-wrapped-types:*", "a=setup:passive", f"a=path:{self.path.decode()}", ""]
        response = self.request("INVITE", "\r\n".join(offer))
        assert response.startswith("SIP/2.0 200 "), response.split("\r\n")[0]
        self.to = re.search(r"(?mi)^To: *([^\r]+)", response)[1]
        self.target = re.search(r"(?mi)^Contact: *<([^>]+)>[^\r]*;isfocus", response)[1]
        self.answer = response
        self.switch = re.search(r"(?m)^a=path:(msrp:\S+;tcp)\r$", response)[1].encode()
        self.request("ACK")

    def welcome(self):
        """The connection of the switch, which nobody has asked for but the offer."""
        self.listener.settimeout(PATIENCE)
        self.connection = Connection.__new__(Connection)
        self.connection.name, self.connection.pending = self.name, b""
        self.connection.socket, _ = self.listener.accept()
        self.connection.socket.settimeout(PATIENCE)

    def must_be_greeted(self):
        """The binding SEND, without a body, and our 200 to it."""
        heard = self.connection.receive()
        found = re.match(rb"MSRP (\S+) SEND\r\n", heard)
        identity = re.search(rb"\r\nMessage-ID: (\S+)\r\n", heard)
        assert found and identity, f"{self.name} hears {heard!r}"
        expected = b"MSRP %b SEND\r\nTo-Path: %b\r\nFrom-Path: %b\r\nMessage-ID: %b\r\n"
        expected += b"Byte-Range: 1-0/0\r\n-------%b$\r\n"
        values = (found[1], self.path, self.switch, identity[1], found[1])
        assert heard == expected % values, f"{self.name} hears {heard!r}"
        self.confirm(found[1])


def the_answer_is_active(waiting, _):
    """a passive offer is answered active, with the port that is really listened on"""
    waiting.join()
    assert "\r\na=setup:active\r\n" in waiting.answer, waiting.answer
    port = re.match(rb"msrp://[^:]+:(\d+)/", waiting.switch)[1].decode()
    assert f"\r\nm=message {port} TCP/MSRP *\r\n" in waiting.answer, waiting.answer


def the_switch_connects(waiting, _):
    """the switch connects and sends its binding SEND at once"""
    waiting.welcome()
    waiting.must_be_greeted()


def messages_go_both_ways(waiting, other):
    """the session is one like any other"""
    other.join()
    other.bind()
    # Once this is answered the session is bound: what is said now is due to it.
    head = waiting.head(b"still001")
    waiting.connection.send(head + b"-------still001$\r\n")
    waiting.expect(b"still001", 200)
    body = other.wrap(b"Hello, you who wait")
    other.connection.send(other.message(b"hello001", body))
    other.expect(b"hello001", 200)
    waiting.must_hear(body)
    body = waiting.wrap(b"Here I am")
    waiting.connection.send(waiting.message(b"hello002", body))
    waiting.expect(b"hello002", 200)
    other.must_hear(body)


def a_second_session_shares_the_connection(waiting, other):
    """a second session to the same place has its own binding SEND on the same connection"""
    second = Waiting("dave", waiting.room, waiting.socket.getpeername(), waiting.listener)
    second.join()
    second.connection = waiting.connection
    second.must_be_greeted()
    second.leave()
    waiting.leave()
    other.leave()


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--sip", default="127.0.0.1:5060")
    options.add_argument("--host", default="chat.localhost")
    options.add_argument("--verbose", action="store_true")
    arguments = bind_and_send.arguments = options.parse_args()
    host, port = arguments.sip.rsplit(":", 1)
    room, sip = f"sip:waiting@{arguments.host}", (host, int(port))
    listener = socket.create_server(("127.0.0.1", 0))
    people = (Waiting("carol", room, sip, listener), Person("alice", room, sip))
    steps = (
        the_answer_is_active,
        the_switch_connects,
        messages_go_both_ways,
        a_second_session_shares_the_connection,
    )
    for step in steps:
        try:
            step(*people)
        except (AssertionError, OSError) as reason:
            print(f"FAILED  {step.__doc__}: {reason}")
            return 1
        print(f"ok      {step.__doc__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
