"""Servers under test, for the scripts beside this file: how they are configured, started and asked."""

import json
import os
import socket
import subprocess
import sys
import urllib.request


def free_port():
    """A port that is free for UDP and for TCP."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return tcp.getsockname()[1]


def start(arguments, cpu):
    """Starts a server on one CPU. Returns it, and what it said when it was ready."""
    server = subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
    )
    ready = server.stdout.readline()
    if not ready.startswith("ready "):
        server.kill()
        sys.exit(f"{arguments[0]} does not get ready")
    words = dict(word.split("=", 1) for word in ready.split()[1:])
    return server, words


def stop(server):
    """Ends a server, as its operator would."""
    server.terminate()
    server.wait()


def configure(cpu, scratch, msrp=None, timers=None, limits=None):
    """The switch on one core, with rooms for everybody, and these keys of [msrp], [sip.timers] and
    [sip.limits] beside its own. Returns file, SIP address, figures address."""

    def lines(table):
        return "".join(f"{key} = {value}\n" for key, value in (table or {}).items())

    path = os.path.join(scratch, "node.toml")
    sip, metrics = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(
            f'[node]\ncores = [{cpu}]\n\n[msrp]\nlisten = "127.0.0.1:0"\n'
            # No person writes as fast as a closed loop does.
            f'message_rate_max = 0\n{lines(msrp)}\n'
            f'[sip]\nhost = "chat.localhost"\nlisten_udp = ["{sip}"]\nlisten_tcp = ["{sip}"]\n'
            f'trusted = ["127.0.0.0/8"]\n\n'
            # One CPU for all of it, maybe of a busy host: slow is no reason to refuse here.
            f'[sip.limits]\nmedia_load = 100\n{lines(limits)}\n'
            f'[sip.timers]\nqueue_delay_max = "10s"\ninstall = "10s"\n{lines(timers)}\n'
            f'[metrics]\nlisten = "{metrics}"\n'
        )
    return path, sip, metrics


def figures(metrics, keep=()):
    """What the switch counts: the sum over all cores of each figure, by its name, and by those of its
    labels that are to be kept."""
    with urllib.request.urlopen(f"http://{metrics}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    sums = {}
    for line in lines:
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            name, _, labels = name.removeprefix("msrp_switch_").rstrip("}").partition("{")
            kept = [label for label in labels.split(",") if label.split("=")[0] in keep]
            name += f"{{{','.join(kept)}}}" if kept else ""
            sums[name] = sums.get(name, 0) + float(value)
    return sums


def load(binaries, arguments):
    """One run of the load tool: its report."""
    command = [os.path.join(binaries, "msrp-bench"), *map(str, arguments), "--json", "--quiet"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{run.stdout}{run.stderr}")
    return json.loads(run.stdout)
