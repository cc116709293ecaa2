# SPDX-License-Identifier: Apache-2.0
"""frames.py send NS DEV HEX [COUNT]      sends a frame from a namespace's device
frames.py count NS DEV HEX... -- COMMAND   runs a command; prints how often each frame arrived at the device
frames.py features NS DEV                  the device's offloads, by the kernel's own words

For selftests. Tags that the kernel took out of a received frame are put back. NS is a name, or "." for here."""
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
import time

ETH_P_ALL = 3
SOL_PACKET, PACKET_AUXDATA, PACKET_OUTGOING = 263, 8, 4


def enter(netns):
    if netns == ".":
        return
    fd = os.open(f"/run/netns/{netns}", os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(fd, 0):
        sys.exit(f"setns {netns}: {os.strerror(ctypes.get_errno())}")
    os.close(fd)


def open_socket(netns, dev):
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    enter(netns)
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    sock.bind((dev, ETH_P_ALL))
    ctypes.CDLL(None).setns(home, 0)
    os.close(home)
    return sock


def receive(sock):
    """One frame, or None for one that this device sent."""
    data, aux, _, address = sock.recvmsg(65536, 256)
    if address[2] == PACKET_OUTGOING:
        return None
    for level, kind, value in aux:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", value[:20])
            if status & 0x10:
                data = data[:12] + struct.pack("!HH", tpid if status & 0x40 else 0x8100, tci) + data[12:]
    return data.hex()


def send(netns, dev, frame, count="1"):
    enter(netns)
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((dev, 0))
    for _ in range(int(count)):
        sock.send(bytes.fromhex(frame))


def count(netns, dev, *rest):
    """After the command, waits until nothing has come for 0.3 s."""
    at = rest.index("--")
    sock = open_socket(netns, dev)
    seen = dict.fromkeys(rest[:at], 0)
    subprocess.run(rest[at + 1:], check=True)
    sock.settimeout(0.3)
    while True:
        try:
            frame = receive(sock)
        except TimeoutError:
            break
        if frame in seen:
            seen[frame] += 1
    print(*seen.values())


def features(netns, dev):
    """The features that attach may change, from ETHTOOL_GFEATURES."""
    enter(netns)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 0)

    def call(buf):
        data = ctypes.create_string_buffer(buf, len(buf))
        fcntl.ioctl(sock, 0x8946, struct.pack("16sP", dev.encode(), ctypes.addressof(data)))
        return data.raw

    n = struct.unpack("IIQI", call(struct.pack("IIQI", 0x37, 0, 1 << 4, 0))[:20])[3]
    names = call(struct.pack("III", 0x1b, 4, n) + bytes(32 * n))[12:]
    names = [names[i * 32:i * 32 + 32].split(b"\0")[0].decode() for i in range(n)]
    blocks = (n + 31) // 32
    bits = call(struct.pack("II", 0x3a, blocks) + bytes(16 * blocks))[8:]
    for i, name in enumerate(names):
        active = struct.unpack_from("I", bits, i // 32 * 16 + 8)[0] >> i % 32 & 1
        if name.startswith(("tx-checksum", "tx-vlan", "rx-vlan-hw", "rx-vlan-stag-hw", "rx-gro", "tx-tcp")):
            print(name, "on" if active else "off")


if __name__ == "__main__":
    start = time.monotonic()
    {"send": send, "count": count, "features": features}[sys.argv[1]](*sys.argv[2:])
