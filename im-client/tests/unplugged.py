#!/usr/bin/env python3
"""Two people chat on two hosts; the cable of one is pulled and put back.

Three network namespaces stand for three hosts: one with the node, two with an `im-client` each, in a
terminal of its own (tmux). The one without a cable has to notice, to rejoin by itself as soon as it
can, and to go on talking; the other has to see the right people come and go. Needs root, ip and tmux.

    im-client/tests/unplugged.py --binaries target/release [--frames]

With --frames it prints the screens, which are those in the README.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time

NET = "198.18.77"  # RFC 2544: belongs to nobody.
WIDTH, HEIGHT = 72, 14
PATIENCE = 90

CONFIG = f"""
[node]
cores = [{min(os.sched_getaffinity(0))}]
[msrp]
listen = "{NET}.1:2855"
[sip]
host = "chat.localhost"
listen_udp = ["{NET}.1:5060"]
listen_tcp = ["{NET}.1:5060"]
trusted = ["{NET}.0/24"]
identity_from_from_header = true
"""


def run(*command):
    return subprocess.run(command, check=True, text=True, capture_output=True).stdout


class Host:
    """A namespace with one cable to the bridge."""

    def __init__(self, name, number):
        self.name = f"im{os.getpid()}-{name}"
        self.number = number
        run("ip", "netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *command):
        run("ip", "-n", self.name, *command)

    def inside(self, *command):
        return ["ip", "netns", "exec", self.name, *command]

    def connect(self, hub):
        port = f"port{self.number}"
        self.ip("link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", hub.name)
        hub.ip("link", "set", port, "master", "bridge", "up")
        self.ip("address", "add", f"{NET}.{self.number}/24", "dev", "eth0")
        self.plug(True)

    def plug(self, is_in):
        self.ip("link", "set", "eth0", "up" if is_in else "down")

    def remove(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False)


class Terminal:
    """A tmux session in which one person chats."""

    def __init__(self, host, user, binary):
        self.user = user
        self.socket = f"{host.name}-tmux"
        chat = host.inside(
            binary, "--user", f"sip:{user}@example.com", "--focus", f"{NET}.1:5060"
        )
        size = ["-x", str(WIDTH), "-y", str(HEIGHT)]
        self.tmux("new-session", "-d", "-s", "chat", *size, *chat)
        self.tmux("set-option", "-g", "status", "off")

    def tmux(self, *command):
        return run("tmux", "-u", "-L", self.socket, "-f", "/dev/null", *command)

    def type(self, text):
        self.tmux("send-keys", "-t", "chat", "-l", text)

    def say(self, line):
        self.type(line)
        self.tmux("send-keys", "-t", "chat", "Enter")

    def screen(self):
        return self.tmux("capture-pane", "-p", "-t", "chat").rstrip("\n")

    def wait_for(self, *texts, without=()):
        """Waits until all of these are on the screen, and none of those."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            screen = self.screen()
            if all(text in screen for text in texts) and not any(it in screen for it in without):
                return
            time.sleep(0.1)
        sys.exit(f"{self.user} never sees {texts} without {without}:\n{self.screen()}")

    def close(self):
        subprocess.run(["tmux", "-L", self.socket, "kill-server"], check=False, capture_output=True)


def frame(title, terminal):
    rows = [row.ljust(WIDTH) for row in terminal.screen().split("\n")]
    edge = "─" * WIDTH
    return "\n".join([title, f"┌{edge}┐", *(f"│{row}│" for row in rows), f"└{edge}┘"])


def chat(alice, bob, bobs_host):
    frames = []
    alice.wait_for("bob is here.")
    alice.say("/nick Ally")
    bob.wait_for("● Ally")
    alice.say("Shall we eat at noon?")
    bob.wait_for("Ally: Shall we eat at noon?")
    alice.wait_for("noon?  ✓✓ 1")
    bob.type("Yes, at the")
    alice.wait_for("bob is typing")
    frames.append(frame("Alice, while Bob types:", alice))
    bob.say(" usual place")
    alice.wait_for("bob: Yes, at the usual place", without=("is typing",))

    bobs_host.plug(False)
    bob.wait_for("lost, rejoining")
    frames.append(frame("Bob, without a cable:", bob))
    bobs_host.plug(True)
    bob.wait_for("· joined ·", "● Ally")
    bob.say("Here I am again")
    alice.wait_for("bob: Here I am again")
    alice.say("You pay")
    bob.wait_for("Ally: You pay")
    bob.say("/msg ally Do I?")
    alice.wait_for("bob (to you alone): Do I?")
    frames.append(frame("Bob, when it is back:", bob))
    frames.append(frame("Alice, all the while:", alice))

    bob.say("/leave")
    alice.wait_for("bob has gone.")
    alice.say("/leave")
    return frames


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--binaries", required=True, help="where msrp-switch and im-client are")
    parser.add_argument("--frames", action="store_true", help="print the screens")
    args = parser.parse_args()
    switch, client = (
        os.path.abspath(os.path.join(args.binaries, name)) for name in ("msrp-switch", "im-client")
    )

    hosts, terminals, node = [], [], None
    with tempfile.TemporaryDirectory() as scratch:
        try:
            for number, name in enumerate(("hub", "alice", "bob"), start=1):
                hosts.append(Host(name, number))
            hub, alices, bobs = hosts
            hub.ip("link", "add", "bridge", "type", "bridge")
            hub.ip("address", "add", f"{NET}.1/24", "dev", "bridge")
            hub.ip("link", "set", "bridge", "up")
            alices.connect(hub)
            bobs.connect(hub)
            config = os.path.join(scratch, "node.toml")
            with open(config, "w", encoding="utf-8") as file:
                file.write(CONFIG)
            node = subprocess.Popen(
                hub.inside(switch, "--config", config), stdout=subprocess.PIPE, text=True
            )
            if not node.stdout.readline().startswith("ready"):
                sys.exit("the node does not start")
            for host, user in ((alices, "alice"), (bobs, "bob")):
                terminals.append(Terminal(host, user, client))
                terminals[-1].wait_for("You are in.")
            frames = chat(*terminals, bobs)
            if args.frames:
                print("\n\n".join(frames))
        finally:
            for terminal in terminals:
                terminal.close()
            if node:
                node.terminate()
                node.wait()
            for host in hosts:
                host.remove()
    print("Two people chatted; one was unplugged and came back.")


if __name__ == "__main__":
    main()
