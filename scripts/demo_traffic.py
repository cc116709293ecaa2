#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Traffic of the demo: TCP transfers with a digest of the data, numbered UDP datagrams.

    demo_traffic.py tcp-receive PORT RESULT
    demo_traffic.py tcp-send ADDRESS PORT RESULT [--mbytes N] [--until FILE] [--rate MBYTES_PER_S]
    demo_traffic.py udp-receive PORT RESULT --until FILE
    demo_traffic.py udp-send ADDRESS PORT RESULT --count N --rate PER_SECOND [--until FILE]

RESULT becomes a JSON object when the program ends. A receiver makes RESULT.ready when it listens, and keeps
the bytes or datagrams that it has in RESULT.progress. A sender with --until goes on until FILE exists; a
UDP receiver ends when FILE exists and nothing has come for a while. All loops end: LIMIT seconds at most.
"""
import argparse
import hashlib
import json
import os
import socket
import sys
import time

LIMIT = 60
CHUNK = 1 << 16
SO_RCVBUFFORCE = 33  # Python 3.11 has no name for it
QUIET = 0.3  # seconds without a datagram, after which no more are expected


class Progress:
    """A file that holds a number, renewed a few times a second."""

    def __init__(self, result):
        self.path = result + ".progress"
        self.next = 0

    def show(self, number, last=False):
        now = time.monotonic()
        if now < self.next and not last:
            return
        self.next = now + 0.02
        with open(self.path + ".new", "w", encoding="ascii") as file:
            file.write(f"{number}\n")
        os.rename(self.path + ".new", self.path)


def finish(result, **values):
    with open(result + ".new", "w", encoding="ascii") as file:
        json.dump(values, file)
        file.write("\n")
    os.rename(result + ".new", result)


def ready(result):
    Progress(result).show(0)
    with open(result + ".ready", "w", encoding="ascii"):
        pass


def tcp_receive(args):
    listener = socket.create_server(("0.0.0.0", args.port))
    listener.settimeout(LIMIT)
    ready(args.result)
    connection, _ = listener.accept()
    connection.settimeout(LIMIT)
    progress, digest = Progress(args.result), hashlib.sha256()
    start = last = time.monotonic()
    total, pause = 0, 0
    while data := connection.recv(CHUNK):
        now = time.monotonic()
        pause = max(pause, now - last)
        last = now
        total += len(data)
        digest.update(data)
        progress.show(total)
    progress.show(total, last=True)
    connection.close()
    finish(args.result, bytes=total, sha256=digest.hexdigest(), seconds=last - start,
           longest_pause=pause)


def tcp_send(args):
    connection = socket.create_connection((args.address, args.port), timeout=LIMIT)
    noise, digest = os.urandom(2 * CHUNK), hashlib.sha256()
    start, total, number = time.monotonic(), 0, 0
    while time.monotonic() - start < LIMIT:
        if args.until and os.path.exists(args.until):
            break
        if args.mbytes and total >= args.mbytes << 20:
            break
        # Each chunk is another one, so a lost, doubled or misplaced one shows.
        at = number * 7919 % CHUNK
        data = number.to_bytes(8, "little") + noise[at:at + CHUNK - 8]
        connection.sendall(data)
        digest.update(data)
        total += len(data)
        number += 1
        if args.rate:
            ahead = total / (args.rate << 20) - (time.monotonic() - start)
            if ahead > 0:
                time.sleep(ahead)
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)  # until the receiver has read all and closes
    finish(args.result, bytes=total, sha256=digest.hexdigest(), seconds=time.monotonic() - start)


def udp_receive(args):
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    receiver.bind(("0.0.0.0", args.port))
    receiver.settimeout(QUIET)
    ready(args.result)
    progress, numbers, deadline = Progress(args.result), [], time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        try:
            numbers.append(int.from_bytes(receiver.recv(2048)[:8], "little"))
            progress.show(len(numbers))
        except TimeoutError:
            if os.path.exists(args.until):
                break
    distinct = len(set(numbers))
    finish(args.result, received=len(numbers), distinct=distinct,
           first=min(numbers, default=None), last=max(numbers, default=None),
           in_order=numbers == sorted(numbers))


def udp_send(args):
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect((args.address, args.port))
    start, sent = time.monotonic(), 0
    for number in range(args.count):
        if args.until and os.path.exists(args.until):
            break
        ahead = number / args.rate - (time.monotonic() - start)
        if ahead > 0:
            time.sleep(ahead)
        sender.send(number.to_bytes(8, "little") + bytes(92))
        sent += 1
    finish(args.result, sent=sent, seconds=time.monotonic() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)

    def command(name, function, sends):
        sub = commands.add_parser(name)
        sub.set_defaults(function=function)
        if sends:
            sub.add_argument("address")
        sub.add_argument("port", type=int)
        sub.add_argument("result")
        return sub

    command("tcp-receive", tcp_receive, False)
    sub = command("tcp-send", tcp_send, True)
    sub.add_argument("--mbytes", type=int)
    sub.add_argument("--until")
    sub.add_argument("--rate", type=int)
    command("udp-receive", udp_receive, False).add_argument("--until", required=True)
    sub = command("udp-send", udp_send, True)
    sub.add_argument("--until")
    sub.add_argument("--count", type=int, required=True)
    sub.add_argument("--rate", type=int, required=True)
    args = parser.parse_args()
    try:
        args.function(args)
    except OSError as error:
        sys.exit(f"demo_traffic.py {sys.argv[1]}: {error}")


main()
