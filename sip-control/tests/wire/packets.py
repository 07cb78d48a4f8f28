#!/usr/bin/env python3
"""Whole SIP packets at a running node, as many as are asked for, most of them with something wrong.

Each begins as a sound request or response of one of many kinds, some of them inside dialogs that the
node has made, or as a message of RFC 4475; then a few pieces of it are changed, and a marker is planted
in places of chance. They come by UDP and TCP, from an address whose word is taken and from one whose
is not. The node must live, forget all of it, and answer what is sound among it; and no answer may
repeat what we wrote but where SIP demands that it is quoted:

* in a response: Via, From, To, Call-ID, CSeq and Record-Route (RFC 3261 section 8.2.6), Unsupported
  (8.2.2.3), the Contact of a room that was named by our Request-URI, and an `m=` line that is refused
  (RFC 3264 section 6);
* in a request: the same, its Request-URI and Route, which are the Contact and Record-Route of ours, the
  `id` of an Event (RFC 6665 section 4.5.2), Referred-By, and the names of users and rooms in documents.

What is no such place must not carry the marker, and no header field may be there that a node never
writes: it would be one that we made it write.

    python3 sip-control/tests/wire/packets.py --node target/release/msrp-switch [--packets 20000] [--seed 1]
"""
import argparse
import collections
import os
import pathlib
import random
import re
import selectors
import socket
import struct
import subprocess
import sys
import tempfile
import time

TRUSTED, STRANGER = "127.0.0.1", "127.0.0.2"
HOST = "chat.localhost"
BATCH = 32  # packets between two checks that the node has got as far; fewer than a socket holds
PHASES = 5  # how often it is left alone in between, and its memory looked at
QUIET = 6.0  # seconds in which everything that was begun runs out, by the timers below
GROWTH_MAX = 24 * 2**20  # octets more after the last phase than after the second: caches, not leaks
MARKER = b"zQ7x"
CORPUS = pathlib.Path(__file__).parent.parent / "torture"

CONFIG = """
[node]
cores = [{cpu}]

[msrp]
listen = "127.0.0.1:0"

[sip]
host = "{host}"
listen_udp = ["{sip}"]
listen_tcp = ["{sip}"]
trusted = ["{trusted}"]
identity_from_from_header = true
preconditions = true

[sip.limits]
user_invites = 100000
user_subscribes = 100000
source_requests = 100000
media_load = 100

[sip.timers]
queue_delay_max = "30s"
t1 = "20ms"
t2 = "100ms"
t4 = "100ms"
binding = "1s"
media_grace = "1s"
ringing = "1s"
preconditions = "1s"
subscription_min = "1s"
subscription_max = "2s"

[sip.digest]
[[sip.digest.user]]
name = "carol"
password = "opensesame"

[rooms.any]
anonymity = "everyone"
inviters = "everyone"
watchers = "everyone"

[rooms.ad_hoc]
factory = "sip:factory@{host}"
"""

OFFER = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=message 9 TCP/MSRP *\r\na=accept-types:message/cpim\r\na=accept-wrapped-types:*\r\n"
    "a=setup:active\r\na=path:msrp://127.0.0.1:9/{token};tcp\r\n"
)
AUDIO = OFFER + "m=audio 4000 RTP/AVP 0 {token}\r\na=rtpmap:0 PCMU/8000\r\n"
LIST = (
    '<?xml version="1.0"?><resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list>'
    '<entry uri="sip:{token}@127.0.0.1:9"/></list></resource-lists>'
)
MIXED = (
    "--b1\r\nContent-Type: application/sdp\r\n\r\n" + OFFER + "\r\n--b1\r\n"
    "Content-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list\r\n\r\n"
    + LIST + "\r\n--b1--\r\n"
)

# Method, who is asked, more header lines, a body and its type. `room` may be the session of a dialog.
KINDS = [
    ("INVITE", "room", "Supported: timer, 100rel", OFFER, "application/sdp"),
    ("INVITE", "room", "Privacy: id\r\nAllow: INVITE, ACK, BYE, UPDATE", OFFER, "application/sdp"),
    ("INVITE", "room", "Session-Expires: 1800;refresher=uac", AUDIO, "application/sdp"),
    ("INVITE", "room", "Require: {token}", OFFER, "application/sdp"),
    ("INVITE", "room", "Record-Route: <sip:127.0.0.1:9;lr;{token}>", "", ""),
    ("INVITE", "factory", "Require: recipient-list-invite", MIXED, "multipart/mixed;boundary=b1"),
    ("INVITE", "nobody", "", OFFER, "application/sdp"),
    ("OPTIONS", "room", "Accept: application/sdp", "", ""),
    ("OPTIONS", "focus", "Max-Forwards: 0", "", ""),
    ("SUBSCRIBE", "room", "Event: conference;id={token}\r\nExpires: 2", "", ""),
    ("SUBSCRIBE", "room", "Event: presence", "", ""),
    ("REFER", "room", "Refer-To: <sip:{token}@127.0.0.1:9>", "", ""),
    ("REFER", "room", "Refer-To: <sip:{token}@127.0.0.1:9;method=BYE>\r\nRefer-Sub: false", "", ""),
    ("REFER", "room", "Require: multiple-refer\r\nRefer-To: <cid:{token}>\r\nContent-ID: <{token}>"
     "\r\nContent-Disposition: recipient-list", LIST, "application/resource-lists+xml"),
    ("UPDATE", "room", "", OFFER, "application/sdp"),
    ("PRACK", "room", "RAck: 1 1 INVITE", "", ""),
    ("BYE", "room", "Reason: SIP;cause=200;text=\"{token}\"", "", ""),
    ("CANCEL", "room", "", "", ""),
    ("ACK", "room", "", OFFER, "application/sdp"),
    ("NOTIFY", "room", "Event: conference\r\nSubscription-State: active", "", ""),
    ("MESSAGE", "room", "", "{token}", "text/plain"),
    ("PUBLISH", "room", "Event: presence", "", ""),
    ("REGISTER", "focus", "Authorization: Digest username=\"carol\", realm=\"{token}\", nonce=\"x\","
     " uri=\"sip:x\", response=\"00\"", "", ""),
    ("{token}", "room", "", "", ""),
]

# All header fields that a node ever writes.
WRITTEN = frozenset(
    "via from to call-id cseq content-length max-forwards contact server user-agent allow "
    "allow-events accept accept-encoding supported unsupported require warning retry-after "
    "min-expires min-se session-expires expires event subscription-state content-type content-id "
    "content-disposition record-route route reason rseq www-authenticate refer-sub referred-by "
    "mime-version p-asserted-identity p-asserted-service accept-contact contribution-id "
    "conversation-id session-id date privacy timestamp".split()
)
QUOTED = frozenset("via from to call-id cseq record-route contact".split())
QUOTED_IN_RESPONSES = QUOTED | {"unsupported"}
QUOTED_IN_REQUESTS = QUOTED | {"route", "event", "referred-by"}
# Users and rooms, by the names that they have given themselves.
NAMES = re.compile(
    rb'entity="[^"]*"|<display-text>[^<]*</display-text>|<uri>[^<]*</uri>|<by>[^<]*</by>'
    rb'|<entry uri="[^"]*"|<reason>[^<]*</reason>'
)
# In documents a control octet would be no document; in heads it ends a line.
HURTFUL = [
    b"", b"\r\n", b"\r", b"\n", b"\r\n\r\n", b"\r\n ", b"\0", b"\xff", b"\xc3\x28", b'"', b"\\", b"%",
    b"%0d%0a", b"%00", b"[::1]", b"<", b">", b"*", b"-1", b"4294967296", b"18446744073709551616",
    b";tag=", b";lr", b"sips:", b"tel:+1", b", ", b"\r\nX-", b"&amp;", b"<!", b"a" * 300, b"(" * 2000,
]


class Fault(Exception):
    """The node did what it must not do."""


def free_port():
    """A port that is free for UDP and for TCP."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind((TRUSTED, 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return tcp.getsockname()[1]


class Node:
    """A node of our own, on ports of its own."""

    def __init__(self, binary, folder):
        port = free_port()
        self.sip = (TRUSTED, port)
        file = folder / "node.toml"
        cpu = min(os.sched_getaffinity(0))
        sip = f"{TRUSTED}:{port}"
        file.write_text(CONFIG.format(cpu=cpu, host=HOST, sip=sip, trusted=TRUSTED))
        self.log = open(folder / "node.log", "wb")
        command = [binary, "--config", str(file)]
        environment = {**os.environ, "RUST_LOG": "error"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.log, env=environment
        )
        ready = self.process.stdout.readline()
        if not ready.startswith(b"ready"):
            raise Fault(f"the node says {ready!r}: " + (folder / "node.log").read_text())

    def must_live(self):
        if self.process.poll() is not None:
            raise Fault(f"the node ended with {self.process.returncode}")

    def memory(self):
        """Octets that are resident."""
        pages = int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE")

    def stop(self):
        self.process.terminate()
        status = self.process.wait(timeout=10)
        if status != 0:
            raise Fault(f"the node ended with {status} after SIGTERM")


class Storm:
    """Sends, and reads what comes back."""

    def __init__(self, node, seed):
        self.node, self.chance = node, random.Random(seed)
        self.selector = selectors.DefaultSelector()
        self.ways = {}
        for address in (TRUSTED, STRANGER):
            way = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            way.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 2**20)
            way.bind((address, 0))
            way.setblocking(False)
            self.ways[address] = way
            self.selector.register(way, selectors.EVENT_READ, None)
        self.streams = collections.deque()
        self.dialogs = collections.deque(maxlen=64)
        self.corpus = [file.read_bytes() for file in sorted(CORPUS.glob("*.dat"))]
        self.number = 0
        self.pinged = None
        self.counts = collections.Counter()
        self.answers = collections.Counter()

    # --- What is sent --------------------------------------------------------------------------

    def token(self):
        self.number += 1
        return f"{self.number:x}{self.chance.getrandbits(24):06x}"

    def sound(self, address, protocol):
        """A message that is as it should be."""
        chance, token = self.chance, self.token()
        here = "{}:{}".format(*self.ways[address].getsockname())
        method, whom, lines, body, kind = chance.choice(KINDS)
        uris = {
            "room": f"sip:room{chance.randrange(20)}@{HOST}",
            "factory": f"sip:factory@{HOST}",
            "focus": f"sip:{HOST}",
            "nobody": f"sip:s-{token:0>32}@{HOST};gr",
        }
        uri, to, call_id, tag, cseq = uris[whom], f"<{uris[whom]}>", token, token, 1
        user = f"sip:user{chance.randrange(50)}@example.com"
        if self.dialogs and whom == "room" and chance.random() < 0.4:
            uri, to, call_id, tag, cseq, user = chance.choice(self.dialogs)
            cseq += chance.choice([0, 1, 1, 2, 100])
        branch = f"z9hG4bK{token}"
        body = body.replace("{token}", token)
        head = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/{protocol} {here};branch={branch};rport",
            "Max-Forwards: 70",
            f"From: \"{token}\" <{user}>;tag={tag}",
            f"To: {to}",
            f"Call-ID: {call_id}",
            f"CSeq: {cseq} {method}",
            f"Contact: <sip:{here};transport={protocol.lower()}>",
            *filter(None, lines.split("\r\n")),
            *([f"Content-Type: {kind}"] if kind else []),
            f"Content-Length: {len(body)}",
        ]
        if chance.random() < 0.05:
            head[0] = f"SIP/2.0 {chance.choice([100, 180, 200, 302, 401, 486, 503])} {token}"
        return "\r\n".join([*head, "", body]).replace("{token}", token).encode()

    def packet(self, address, protocol):
        """A message with some things wrong, and the marker in it."""
        chance = self.chance
        octets = bytearray(
            chance.choice(self.corpus) if chance.random() < 0.2 else self.sound(address, protocol)
        )
        for _ in range(chance.choice([0, 0, 1, 1, 2, 3, 5])):
            at = chance.randrange(len(octets) + 1)
            end = min(len(octets), at + chance.randrange(40))
            change = chance.randrange(6)
            if change == 0:
                del octets[at:end]
            elif change == 1:
                octets[at:at] = octets[at:end]
            elif change == 2:
                piece = octets[at:end]
                del octets[at:end]
                to = chance.randrange(len(octets) + 1)
                octets[to:to] = piece
            elif change == 3 and octets:
                octets[chance.randrange(len(octets))] = chance.randrange(256)
            elif change == 4:
                octets[at:end] = chance.choice(HURTFUL)
            else:
                lines = bytes(octets).split(b"\r\n")
                line = chance.choice(lines)
                lines.insert(chance.randrange(len(lines)), line)
                octets = bytearray(b"\r\n".join(lines))
        for _ in range(chance.choice([1, 1, 2, 4])):
            marker = MARKER + f"{chance.getrandbits(16):04x}".encode()
            place = chance.randrange(4)
            if place == 0:
                marker = b"\r\n" + marker + b": " + marker
                at = octets.find(b"\r\n")
            elif place == 1:
                # In a value, where one begins.
                colons = [found.end() for found in re.finditer(rb"[:;=<\"] ?", bytes(octets))]
                at = chance.choice(colons or [0])
            else:
                at = chance.randrange(len(octets) + 1)
            at = max(at, 0)
            octets[at:at] = marker
        return bytes(octets[:60000])

    def send(self):
        chance = self.chance
        address = TRUSTED if chance.random() < 0.8 else STRANGER
        if chance.random() < 0.15:
            self.send_on_stream(address)
        else:
            self.send_datagram(address, self.packet(address, "UDP"))
            self.counts["by UDP"] += 1

    def send_datagram(self, address, octets):
        while True:
            try:
                self.ways[address].sendto(octets, self.node.sip)
                return
            except BlockingIOError:
                self.hear(0.01)

    def send_on_stream(self, address):
        if not self.streams or self.chance.random() < 0.1:
            stream = socket.socket()
            # Ends with a reset: ports are few, and the node has to bear that, too.
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            stream.bind((address, 0))
            stream.connect(self.node.sip)
            stream.setblocking(False)
            self.streams.append(stream)
            self.selector.register(stream, selectors.EVENT_READ, bytearray())
        if len(self.streams) > 30:
            self.close(self.streams[0])
        stream = self.chance.choice(self.streams)
        try:
            stream.send(self.packet(address, "TCP"))
            self.counts["by TCP"] += 1
        except (BlockingIOError, ConnectionError):
            self.close(stream)

    def close(self, stream):
        self.streams.remove(stream)
        self.selector.unregister(stream)
        stream.close()

    # --- What comes back -----------------------------------------------------------------------

    def hear(self, patience):
        for key, _ in self.selector.select(patience):
            if key.data is None:
                self.hear_datagrams(key.fileobj)
            else:
                self.hear_stream(key.fileobj, key.data)

    def hear_datagrams(self, way):
        while True:
            try:
                octets = way.recv(65536)
            except (BlockingIOError, ConnectionError):
                return
            self.judge(octets)

    def hear_stream(self, stream, pending):
        try:
            octets = stream.recv(65536)
        except (BlockingIOError, ConnectionError):
            octets = b""
        if not octets:
            return self.close(stream)
        pending += octets
        while True:
            # Two empty lines are answered by one (RFC 5626 section 4.4.1).
            while pending.startswith(b"\r\n"):
                del pending[:2]
            end = pending.find(b"\r\n\r\n")
            if end < 0:
                return
            length = re.search(rb"\r\nContent-Length: (\d+)\r\n", pending[: end + 4])
            if length is None:
                raise Fault(f"no length in {bytes(pending)!r}")
            size = end + 4 + int(length[1])
            if len(pending) < size:
                return
            self.judge(bytes(pending[:size]))
            del pending[:size]

    def judge(self, octets):
        """Whether an answer, or a request of the node, is fit to be seen."""
        head, _, body = octets.partition(b"\r\n\r\n")
        start, *lines = head.split(b"\r\n")
        is_response = start.startswith(b"SIP/2.0 ")
        quoted = QUOTED_IN_RESPONSES if is_response else QUOTED_IN_REQUESTS
        if re.search(rb"[\0\r\n]", head.replace(b"\r\n", b"")):
            raise Fault(f"a line within a line of {octets!r}")
        if is_response and MARKER in start:
            raise Fault(f"the start line repeats us: {octets!r}")
        fields = {}
        for line in lines:
            name, colon, value = line.partition(b": ")
            name = name.decode("latin-1").lower()
            if not colon or name not in WRITTEN:
                raise Fault(f"we wrote {line!r} in {octets!r}")
            if MARKER in value and name not in quoted:
                raise Fault(f"{name} repeats us: {octets!r}")
            fields.setdefault(name, value.decode("latin-1"))
        if is_response:
            body = b"".join(line for line in body.split(b"\r\n") if not line.startswith(b"m="))
        else:
            body = NAMES.sub(b"", body)
        if MARKER in body:
            raise Fault(f"the body repeats us: {octets!r}")
        self.answers[start.split(b" ")[1 if is_response else 0].decode("latin-1")] += 1
        if self.pinged is not None and fields.get("call-id") == self.pinged:
            self.pinged = None
        self.learn(start, fields)

    def learn(self, start, fields):
        """Dialogs that the node has made are good to go on with."""
        contact = re.search(r"<([^>]+)>", fields.get("contact", ""))
        sender = re.search(r"<([^>]+)>;tag=(\S+)", fields.get("from", ""))
        cseq = re.match(r"(\d{1,9}) (INVITE|SUBSCRIBE)$", fields.get("cseq", ""))
        if start.startswith(b"SIP/2.0 200 ") and contact and sender and cseq:
            dialog = (contact[1], fields["to"], fields["call-id"], sender[2], int(cseq[1]), sender[1])
            self.dialogs.append(dialog)

    def ping(self):
        """Everything that was sent before has been served when this is answered."""
        self.pinged = self.token()
        here = "{}:{}".format(*self.ways[TRUSTED].getsockname())
        ping = (
            f"OPTIONS sip:{HOST} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{self.pinged};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:ping@example.com>;tag=1\r\nTo: <sip:{HOST}>\r\n"
            f"Call-ID: {self.pinged}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        ).encode()
        for _ in range(100):
            self.send_datagram(TRUSTED, ping)
            end = time.monotonic() + 0.2
            while self.pinged and time.monotonic() < end:
                self.hear(0.2)
            if not self.pinged:
                return
            self.node.must_live()
        raise Fault("the node answers no more")


def run(arguments, node):
    storm = Storm(node, arguments.seed)
    storm.ping()
    memory, each = [], arguments.packets // PHASES
    for _ in range(PHASES):
        for number in range(each):
            storm.send()
            if number % BATCH == 0:
                storm.ping()
                node.must_live()
        storm.ping()
        end = time.monotonic() + QUIET
        while time.monotonic() < end:
            storm.hear(0.1)
        for stream in list(storm.streams):
            storm.close(stream)
        memory.append(node.memory())
    if memory[-1] - memory[1] > GROWTH_MAX:
        raise Fault(f"memory grows: {memory}")
    node.stop()
    how = ", ".join(f"{count} {way}" for way, count in sorted(storm.counts.items()))
    print(f"{sum(storm.counts.values())} packets, {how}; {sum(storm.answers.values())} answers:")
    print("  " + ", ".join(f"{what}: {count}" for what, count in sorted(storm.answers.items())))
    print("  MiB resident after each part: " + ", ".join(f"{it / 2**20:.1f}" for it in memory))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--node", required=True, help="the binary of the node")
    parser.add_argument("--packets", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        node = Node(arguments.node, folder)
        try:
            run(arguments, node)
        except Fault as fault:
            print(f"FAILED (--seed {arguments.seed}): {fault}", file=sys.stderr)
            print((folder / "node.log").read_text()[-4000:], file=sys.stderr)
            sys.exit(1)
        finally:
            # Gone already, if all has gone well.
            node.process.kill()
