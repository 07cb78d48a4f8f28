#!/usr/bin/env python3
"""Three people in one room of a running node, with nothing but sockets between us and it.

They join by SIP over UDP, bind their MSRP sessions and talk. What they send is written out octet
for octet, and what they must hear is compared octet for octet: no MSRP library, ours or another,
stands between the wire and the expectation. One line for each check; the exit status is 1 when one
fails, and the rest is not tried, because each builds on those before it.

    python3 switch/tests/wire/bind_and_send.py [--sip 127.0.0.1:5060] [--host NAME] [--verbose]
"""
# Holds: URI-14, URI-19, CONN-04, CONN-05, CONN-06, CONN-19
# Holds: WIRE-16, WIRE-20, WIRE-21, WIRE-30, WIRE-32, WIRE-34
# Holds: RESP-04, RESP-05, RESP-06, RESP-07, RESP-08, CODE-08, CODE-12, CODE-13, CODE-14
# Holds: CHAT-01, CHAT-02, CHAT-04, CHAT-05, CHAT-11, CHAT-12, CHUNK-16, CPIM-02
# Holds: sip/FOC-25, sip/FOC-26, sip/LEAVE-02

import argparse
import re
import secrets
import socket
import sys

PATIENCE = 5.0  # seconds until a silence counts as a failure; nothing waits this long otherwise


class Connection:
    """A TCP connection to the switch, and what has come in on it and is not read yet."""

    def __init__(self, name, address):
        self.name, self.pending = name, b""
        self.socket = socket.create_connection(address, PATIENCE)

    def send(self, octets):
        say(self.name, ">", octets)
        self.socket.sendall(octets)

    def receive(self):
        """The next message: from its start line to the end-line that repeats its transaction."""
        while True:
            start = re.match(rb"MSRP (\S+) ", self.pending)
            end_line = start and b"\r\n-------" + re.escape(start[1]) + rb"[$+#]\r\n"
            end = end_line and re.search(end_line, self.pending)
            if end:
                message, self.pending = self.pending[: end.end()], self.pending[end.end() :]
                say(self.name, "<", message)
                return message
            octets = self.socket.recv(65536)
            assert octets, f"the switch closed {self.name}'s connection"
            self.pending += octets

    def must_be_closed(self):
        """Nothing more comes, not even an answer."""
        try:
            octets = self.socket.recv(65536)
        except ConnectionResetError:
            octets = b""
        assert self.pending + octets == b"", f"heard {self.pending + octets!r} before the close"

    def must_answer(self, transaction, status, to_path, from_path):
        """The whole response, but for the comment."""
        start = b"MSRP %b %d" % (transaction, status)
        rest = b"\r\nTo-Path: %b\r\nFrom-Path: %b\r\n-------%b$\r\n"
        rest %= (to_path, from_path, transaction)
        heard = self.receive()
        expected = re.escape(start) + rb"( [^\r\n]*)?" + re.escape(rest)
        assert re.fullmatch(expected, heard), f"expected {start + rest!r}, heard {heard!r}"


class Person:
    """Somebody with a SIP dialog, an MSRP session, and the connection it is bound to."""

    def __init__(self, name, room, sip):
        self.name, self.room = name, room
        self.address = f"sip:{name}@example.org"
        self.id, self.cseq, self.to = secrets.token_hex(8), 0, f"<{room}>"
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(sip)
        self.socket.settimeout(0.5)
        here = "{}:{}".format(*self.socket.getsockname())
        self.contact, self.via = f"<sip:{name}@{here}>", f"SIP/2.0/UDP {here}"
        self.target = room
        self.path = f"msrp://127.0.0.1:9/{name}{self.id};tcp".encode()

    def request(self, method, body=""):
        """Sends a request and returns its final response. An ACK has none."""
        self.cseq += method != "ACK"
        branch = f"z9hG4bK{secrets.token_hex(8)}"
        head = [
            f"{method} {self.target} SIP/2.0",
            f"Via: {self.via};branch={branch};rport",
            "Max-Forwards: 70",
            f"From: <{self.address}>;tag={self.id}",
            f"To: {self.to}",
            f"Call-ID: {self.id}@127.0.0.1",
            f"CSeq: {self.cseq} {method}",
            f"Contact: {self.contact}",
            f"P-Asserted-Identity: <{self.address}>",
        ]
        head += ["Content-Type: application/sdp"] * bool(body) + [f"Content-Length: {len(body)}"]
        request = "\r\n".join([*head, "", body]).encode()
        say(self.name, ">", request)
        self.socket.send(request)
        for _ in range(int(PATIENCE / 0.5)):
            if method == "ACK":
                return None
            try:
                response = self.socket.recv(65536)
            except TimeoutError:
                self.socket.send(request)  # Timer A and E of RFC 3261, without the doubling
                continue
            say(self.name, "<", response)
            ours = branch.encode() in response and response.startswith(b"SIP/2.0 ")
            if ours and not response.startswith(b"SIP/2.0 1"):
                return response.decode()
        raise AssertionError(f"{self.name} hears nothing to {method}")

    def join(self):
        offer = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"]
        offer += ["m=message 9 TCP/MSRP *", "a=accept-types:message/cpim"]
        offer += ["a=accept-wrapped-types:*", "a=setup:active", f"a=path:{self.path.decode()}"]
        # Who does not know chat rooms is greeted.
        offer += ["a=chatroom:nickname private-messages", ""]
        response = self.request("INVITE", "\r\n".join(offer))
        assert response.startswith("SIP/2.0 200 "), response.split("\r\n")[0]
        self.to = re.search(r"(?mi)^To: *([^\r]+)", response)[1]
        self.target = re.search(r"(?mi)^Contact: *<([^>]+)>[^\r]*;isfocus", response)[1]
        assert re.search(r"(?m)^m=message \d+ TCP/MSRP \*\r$", response), "no m= line like ours"
        self.switch = re.search(r"(?m)^a=path:(msrp:\S+;tcp)\r$", response)[1].encode()
        self.request("ACK")

    def leave(self):
        assert self.request("BYE").startswith("SIP/2.0 200 ")

    def connect(self):
        host, port = re.match(rb"msrp://([^:]+):(\d+)/", self.switch).groups()
        return Connection(self.name, (host.decode(), int(port)))

    def head(self, transaction, method=b"SEND"):
        """The start line and both paths of a request on this session."""
        paths = b"To-Path: %b\r\nFrom-Path: %b\r\n" % (self.switch, self.path)
        return b"MSRP %b %b\r\n" % (transaction, method) + paths

    def bind(self):
        self.connection = self.connect()
        self.connection.send(self.head(b"bind0001") + b"-------bind0001$\r\n")
        self.expect(b"bind0001", 200)

    def wrap(self, content, to=None, sender=None):
        head = f"To: <{to or self.room}>\r\nFrom: <{sender or self.address}>\r\n\r\n"
        return head.encode() + b"Content-Type: text/plain\r\n\r\n" + content

    def message(self, transaction, body, more=b"", content_type=b"message/cpim"):
        """A whole message in one chunk."""
        span = b"Message-ID: id-%b\r\nByte-Range: 1-%d/%d\r\n" % (transaction, len(body), len(body))
        framed = b"Content-Type: %b\r\n\r\n%b\r\n-------%b$\r\n" % (content_type, body, transaction)
        return self.head(transaction) + span + more + framed

    def expect(self, transaction, status):
        self.connection.must_answer(transaction, status, self.path, self.switch)

    def must_hear(self, body):
        """A copy of a message that was small enough to come in one chunk, and nothing else."""
        heard = self.connection.receive()
        found = re.match(rb"MSRP (\S+) SEND\r\n", heard)
        identity = re.search(rb"\r\nMessage-ID: (\S+)\r\n", heard)
        assert found and identity, f"{self.name} hears {heard!r}"
        assert not identity[1].startswith(b"id-"), "the sender's Message-ID was passed on"
        expected = b"MSRP %b SEND\r\nTo-Path: %b\r\nFrom-Path: %b\r\nMessage-ID: %b\r\n"
        expected += b"Byte-Range: 1-%d/%d\r\nContent-Type: message/cpim\r\n\r\n%b\r\n-------%b$\r\n"
        values = (found[1], self.path, self.switch, identity[1], len(body), len(body), body)
        assert heard == expected % (*values, found[1]), f"{self.name} hears {heard!r}"
        self.confirm(found[1])

    def must_gather(self, body):
        """A message in however many chunks, put together by their ranges."""
        gathered, flag = b"", b"+"
        while flag == b"+":
            heard = self.connection.receive()
            transaction = heard.split(b" ")[1]
            start = re.search(rb"\r\nByte-Range: (\d+)-(?:\d+|\*)/(?:\d+|\*)\r\n", heard)
            assert start and int(start[1]) == len(gathered) + 1, f"a gap before {heard!r}"
            end_line = len(b"\r\n-------$\r\n") + len(transaction)
            gathered += heard[heard.index(b"\r\n\r\n") + 4 : -end_line]
            flag = heard[-3:-2]
            self.confirm(transaction)
        assert (gathered, flag) == (body, b"$"), f"{self.name} gathers {gathered!r}, {flag!r}"

    def confirm(self, transaction):
        paths = b"To-Path: %b\r\nFrom-Path: %b\r\n" % (self.switch, self.path)
        self.connection.send(b"MSRP %b 200 OK\r\n%b-------%b$\r\n" % (transaction, paths, transaction))


def say(name, direction, octets):
    if arguments.verbose:
        lines = re.findall(rb"[^\n]*\n|[^\n]+", octets)
        print(*(f"{name:>9} {direction} {str(line)[2:-1]}" for line in lines), sep="\n")


def all_join(alice, bob, carol):
    """three users join; each gets a path of its own and the Contact of a focus"""
    for person in (alice, bob, carol):
        person.join()
    assert len({person.switch for person in (alice, bob, carol)}) == 3
    assert alice.target == bob.target == carol.target, "they are not in one conference"


def all_bind(alice, bob, carol):
    """an empty SEND binds a session, and is answered along the right paths"""
    for person in (alice, bob, carol):
        person.bind()


def plain(alice, bob, carol):
    """a message reaches the two others, and its sender hears the 200 alone"""
    body = alice.wrap(b"Hello room")
    alice.connection.send(alice.message(b"hello001", body))
    alice.expect(b"hello001", 200)
    bob.must_hear(body)
    carol.must_hear(body)
    # Had Alice got a copy, it would come before the answer to this.
    alice.connection.send(alice.head(b"alive001") + b"-------alive001$\r\n")
    alice.expect(b"alive001", 200)


def binary(alice, bob, carol):
    """all 256 octets and the look-alikes of an end-line arrive as they were sent"""
    # Not among them: our own transaction behind seven hyphens and before a flag. That is the one
    # thing a sender may not write, at a line start or elsewhere (RFC 4975 section 7.1).
    alike = [b"-------other001$", b"--------other001$", b"-------binary01!", b"-------BINARY01$"]
    alike += [b"-------binary0$", b"-------", b"\r\n", b"\r", b"\n-------binary"]
    body = alice.wrap(bytes(range(256)) + b"\r\n" + b"\r\n".join(alike))
    alice.connection.send(alice.message(b"binary01", body))
    alice.expect(b"binary01", 200)
    bob.must_hear(body)
    carol.must_hear(body)


def one_by_one(alice, bob, carol):
    """a message sent one octet at a time is the same message"""
    body = bob.wrap(b"slow\r\n-------slow")
    message = bob.message(b"slow0001", body)
    bob.connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(len(message)):
        bob.connection.socket.sendall(message[at : at + 1])
    bob.expect(b"slow0001", 200)
    alice.must_hear(body)
    carol.must_hear(body)


def in_chunks(alice, bob, carol):
    """a message sent in two chunks is put together again"""
    body = alice.wrap(b"".join(b"%04d\r\n" % number for number in range(1000)))
    chunk = b"Message-ID: id-halves\r\nByte-Range: %d-*/%d\r\nContent-Type: message/cpim\r\n\r\n%b"
    chunk += b"\r\n-------%b\r\n"
    alice.connection.send(alice.head(b"half0001") + chunk % (1, len(body), body[:3000], b"half0001+"))
    alice.expect(b"half0001", 200)
    alice.connection.send(alice.head(b"half0002") + chunk % (3001, len(body), body[3000:], b"half0002$"))
    alice.expect(b"half0002", 200)
    bob.must_gather(body)
    carol.must_gather(body)


def empty_body(alice, bob, carol):
    """an empty text is a message like any other"""
    body = carol.wrap(b"")
    carol.connection.send(carol.message(b"empty001", body))
    carol.expect(b"empty001", 200)
    alice.must_hear(body)
    bob.must_hear(body)


def unknown_session(alice, bob, carol):
    """a SEND to a session that nobody has is answered 481 from the URI it named"""
    nobody = re.sub(rb"/[^/;]+;tcp$", b"/nOsUcHsEsSiOn12345;tcp", alice.switch)
    request = alice.message(b"nobody01", b"hi", content_type=b"text/plain")
    alice.connection.send(request.replace(alice.switch, nobody))
    alice.connection.must_answer(b"nobody01", 481, alice.path, nobody)


def second_connection(alice, bob, carol):
    """a session that is bound cannot be taken by another connection: 506"""
    thief = alice.connect()
    thief.send(alice.message(b"thief001", alice.wrap(b"not me")))
    thief.must_answer(b"thief001", 506, alice.path, alice.switch)
    plain(alice, bob, carol)


def refusals(alice, bob, carol):
    """text/plain is 415, a foreign From 403, two rooms at once 403; nobody else hears of it"""
    twice = alice.wrap(b"two").replace(b"From:", f"To: <{bob.address}>\r\nFrom:".encode())
    for transaction, status, body, content_type in [
        (b"plain001", 415, b"hi", b"text/plain"),
        (b"forged01", 403, alice.wrap(b"hi", sender=bob.address), b"message/cpim"),
        (b"twice001", 403, twice, b"message/cpim"),
    ]:
        alice.connection.send(alice.message(transaction, body, content_type=content_type))
        alice.expect(transaction, status)
    plain(alice, bob, carol)


def unknown_method(alice, bob, carol):
    """an unknown method is 501, an uncalled-for REPORT is met with silence"""
    alice.connection.send(alice.head(b"ping0001", b"PING") + b"-------ping0001$\r\n")
    alice.expect(b"ping0001", 501)
    status = b"Message-ID: nobody01\r\nByte-Range: 1-5/5\r\nStatus: 000 200 OK\r\n"
    alice.connection.send(alice.head(b"rprt0001", b"REPORT") + status + b"-------rprt0001$\r\n")
    plain(alice, bob, carol)


def malformed(alice, bob, carol):
    """a malformed request is 400 and its connection lives on"""
    folded = alice.message(b"folded01", alice.wrap(b"hi"), more=b" folded: yes\r\n")
    alice.connection.send(folded)
    alice.expect(b"folded01", 400)
    plain(alice, bob, carol)


def garbage(alice, bob, carol):
    """what is no MSRP closes the connection without a word"""
    for line in [b"GET / HTTP/1.1\r\n\r\n", b"MSRP abc SEND\r\n", b"\x16\x03\x01\x02\x00\x01\x00\r\n"]:
        stranger = alice.connect()
        stranger.send(line)
        stranger.must_be_closed()
    plain(alice, bob, carol)


def one_leaves(alice, bob, carol):
    """who has left hears nothing more; who stays does"""
    carol.leave()
    body = alice.wrap(b"Is she gone?")
    alice.connection.send(alice.message(b"gone0001", body))
    alice.expect(b"gone0001", 200)
    bob.must_hear(body)
    # The copies were queued together: hers would be here by now.
    carol.connection.socket.setblocking(False)
    try:
        octets = carol.connection.socket.recv(65536)
    except (BlockingIOError, ConnectionResetError):
        octets = b""
    assert octets == b"", f"carol hears {octets!r}"
    alice.leave()
    bob.leave()


CHECKS = [
    all_join,
    all_bind,
    plain,
    binary,
    one_by_one,
    in_chunks,
    empty_body,
    unknown_session,
    second_connection,
    refusals,
    unknown_method,
    malformed,
    garbage,
    one_leaves,
]


def main():
    host, port = arguments.sip.rsplit(":", 1)
    room = f"sip:wire-{secrets.token_hex(4)}@{arguments.host}"
    people = [Person(name, room, (host, int(port))) for name in ("alice", "bob", "carol")]
    for check in CHECKS:
        try:
            check(*people)
        except (AssertionError, OSError, TypeError, ValueError) as error:
            print(f"FAIL  {check.__doc__}\n      {error!r}")
            return 1
        print(f"ok    {check.__doc__}")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--sip", default="127.0.0.1:5060", help="where the node listens for SIP")
    parser.add_argument("--host", default="chat.localhost", help="the host of its room URIs")
    parser.add_argument("--verbose", action="store_true", help="show every octet that passes")
    arguments = parser.parse_args()
    sys.exit(main())
