# SPDX-License-Identifier: Apache-2.0
"""Open vSwitch as a program under test: a private instance whose ports are files.

The userspace datapath runs on dummy devices: packets go in by the control socket, and what leaves
a port is appended to a pcap file.  Nothing of the machine's network is touched.  Every packet ends
with eight bytes of its own, by which its copies are known again.
"""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import time

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
TAIL = 8  # bytes that tell packets apart
PROBE_TYPE = 0x88B5
PROBE_PORT = 63  # where probes leave; no rule outputs there


class SwitchError(Exception):
    pass


class Control:
    """The unixctl protocol: JSON-RPC over a UNIX socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(path)
        self.decoder = json.JSONDecoder()

    def call(self, method, *params):
        request = {"id": 0, "method": method, "params": params}
        self.socket.sendall(json.dumps(request).encode())
        text = ""
        while True:
            text += self.socket.recv(65536).decode()
            try:
                reply, _ = self.decoder.raw_decode(text.lstrip())
            except ValueError:
                continue
            if reply["error"]:
                raise SwitchError(f"{method}: {reply['error']}")
            return reply["result"]


class Capture:
    """A pcap file that grows."""

    def __init__(self, path):
        self.file = open(path, "rb")
        self.rest = b""
        self.started = False

    def read(self):
        data = self.rest + self.file.read()
        frames, at = [], 0
        if not self.started:
            if len(data) < 24:
                self.rest = data
                return frames
            self.started, at = True, 24
        while at + 16 <= len(data):
            (size,) = struct.unpack("<I", data[at + 8 : at + 12])
            if at + 16 + size > len(data):
                break
            frames.append(data[at + 16 : at + 16 + size])
            at += 16 + size
        self.rest = data[at:]
        return frames


class Switch:
    def __init__(self, folder, ports):
        self.folder = os.path.abspath(folder)
        self.ports = ports
        self.processes = []
        self.probes = 0
        os.makedirs(self.folder, exist_ok=True)
        self.env = dict(os.environ)
        for name in ("OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR"):
            self.env[name] = self.folder

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, *command):
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise SwitchError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def ofctl(self, *command, version=15):
        return self.run("ovs-ofctl", "-O", f"OpenFlow{version}", *command)

    def daemon(self, name, *command):
        log = open(self.path(name + ".out"), "wb")
        options = ("--no-chdir", "-vconsole:off", f"--unixctl={self.path(name + '.ctl')}",
                   f"--log-file={self.path(name + '.log')}")
        self.processes.append(subprocess.Popen(command + options, env=self.env, stdout=log,
                                               stderr=log, stdin=subprocess.DEVNULL))

    def wait_for(self, what, condition):
        end = time.monotonic() + 30
        while not condition():
            if any(p.poll() is not None for p in self.processes):
                raise SwitchError(f"a daemon has ended; see {self.folder}")
            if time.monotonic() > end:
                raise SwitchError(f"waited in vain for {what}")
            time.sleep(0.005)

    def start(self):
        db = self.path("db.sock")
        self.run("ovsdb-tool", "create", self.path("conf.db"), SCHEMA)
        self.daemon("ovsdb", "ovsdb-server", self.path("conf.db"), f"--remote=punix:{db}")
        self.wait_for("the database", lambda: os.path.exists(db))
        self.run("ovs-vsctl", f"--db=unix:{db}", "--no-wait", "init")
        self.daemon("vswitchd", "ovs-vswitchd", f"unix:{db}", "--enable-dummy", "--disable-system")
        command = ["ovs-vsctl", f"--db=unix:{db}", "--timeout=30",
                   "set", "Open_vSwitch", ".", "other_config:vlan-limit=2", "--",
                   "add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy",
                   "fail_mode=secure", "other_config:disable-in-band=true",
                   "protocols=OpenFlow10,OpenFlow15"]
        for port in [*self.ports, PROBE_PORT]:
            command += ["--", "add-port", "br0", f"p{port}", "--", "set", "interface", f"p{port}",
                        "type=dummy", f"ofport_request={port}",
                        f"options:tx_pcap={self.path(f'p{port}.pcap')}"]
        self.run(*command)
        self.control = Control(self.path("vswitchd.ctl"))
        self.ofctl("set-frags", "br0", "nx-match")
        if PROBE_PORT not in self.port_numbers():
            raise SwitchError("ports have other numbers than asked for")
        # A flood is for the ports, not for the probes and the bridge's own device.
        for port in (f"p{PROBE_PORT}", "br0"):  # an option that only OpenFlow 1.0 has
            self.ofctl("mod-port", "br0", port, "no-flood", version=10)
        self.capture = {port: Capture(self.path(f"p{port}.pcap"))
                        for port in [*self.ports, PROBE_PORT]}

    def port_numbers(self):
        return [int(n) for n in re.findall(r"^ (\d+)\(", self.ofctl("show", "br0"), re.M)]

    def stop(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in reversed(self.processes):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def load(self, flows, version):
        """Replaces all flows by these lines."""
        with open(self.path("flows"), "w", encoding="ascii") as file:
            file.write("\n".join(flows) + "\n")
            file.write(f"priority=65535,dl_type={PROBE_TYPE:#x},cookie={PROBE_TYPE:#x},"
                       f"actions=output:{PROBE_PORT}\n")
        self.ofctl("del-flows", "br0")
        self.ofctl("add-flows", "br0", self.path("flows"), version=version)
        self.control.call("revalidator/purge")  # nothing that was cached survives
        for capture in self.capture.values():
            capture.read()

    def settle(self):
        """Until every port has worked off what it was given: a probe comes out of each."""
        left = set()
        for port in self.ports:
            self.probes += 1
            tail = struct.pack(">Q", self.probes)
            frame = bytes(12) + struct.pack(">H", PROBE_TYPE) + bytes(46) + tail
            self.control.call("netdev-dummy/receive", f"p{port}", frame.hex())
            left.add(tail)

        def all_back():
            left.difference_update(f[-TAIL:] for f in self.capture[PROBE_PORT].read())
            return not left

        self.wait_for("the last packet", all_back)

    def send(self, packets):
        """[(port, bytes)]: what became of each, by port: {tail: {port: [bytes]}}."""
        copies = {}
        for at in range(0, len(packets), 64):  # a dummy device queues 100
            for port, packet in packets[at : at + 64]:
                copies[packet[-TAIL:]] = {}
                self.control.call("netdev-dummy/receive", f"p{port}", packet.hex())
            self.settle()
        for port in self.ports:
            for frame in self.capture[port].read():
                copies[frame[-TAIL:]].setdefault(port, []).append(frame)
        return copies

    def counters(self):
        """{cookie: (packets, bytes)}; what the datapath still has is fetched first."""
        self.control.call("revalidator/purge")
        pattern = r"cookie=(\S+), .* n_packets=(\d+), n_bytes=(\d+)"
        found = re.findall(pattern, self.ofctl("dump-flows", "br0"))
        counts = {int(c, 16): (int(p), int(b)) for c, p, b in found}
        counts.pop(PROBE_TYPE, None)
        return counts
