# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Programs for hosts and clients, as text for python3 -c: traffic that no tool makes."""

# LEARN_MTU ADDRESS MTU: send more than the way carries until the kernel has learnt how much it carries.
LEARN_MTU = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER: never fragment
s.connect((sys.argv[1], 9))
end = time.monotonic() + 10
while s.getsockopt(socket.IPPROTO_IP, 14) != int(sys.argv[2]):  # IP_MTU
    if time.monotonic() > end:
        sys.exit("not learnt: %d" % s.getsockopt(socket.IPPROTO_IP, 14))
    try:
        s.send(bytes(1400))
    except OSError:
        pass
    time.sleep(0.05)
"""

# LISTEN PORT: print what comes to a UDP port, a line each, until it says end; "ready" first.
LISTEN = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", int(sys.argv[1])))
s.settimeout(20)
text = "ready"
while True:
    print(text, flush=True)
    if text == "end":
        break
    text = s.recv(100).decode()
"""

# OFFER ADDRESS...: to a DHCP client's port, from a port that is not a server's and from a server's.
OFFER = """
import socket, sys
for port, text in ((1067, "not a server"), (67, "offer"), (67, "end")):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", port))
    for address in sys.argv[1:]:
        s.sendto(text.encode(), (address, 68))
    s.close()
"""

# ECHO PORT: a server that sends back what it gets, on connections that stay open.
ECHO = """
import selectors, socket, sys
listener = socket.create_server(("0.0.0.0", int(sys.argv[1])))
ready = selectors.DefaultSelector()
ready.register(listener, selectors.EVENT_READ)
while True:
    for key, _events in ready.select():
        if key.fileobj is listener:
            ready.register(listener.accept()[0], selectors.EVENT_READ)
            continue
        try:
            data = key.fileobj.recv(1000)
        except OSError:
            data = b""
        if data:
            key.fileobj.sendall(data)
        else:
            ready.unregister(key.fileobj)
            key.fileobj.close()
"""

# TALK ADDRESS,PORT...: hold connections; for each line of input say it on all of them, and print which of them answer.
TALK = """
import json, socket, sys
places = [place.rsplit(",", 1) for place in sys.argv[1:]]
connections = [socket.create_connection((address, int(port)), timeout=5) for address, port in places]
for connection in connections:
    connection.settimeout(1)
print(json.dumps([True] * len(places)), flush=True)
for line in sys.stdin:
    for connection in connections:
        try:
            connection.send(line.encode())
        except OSError:
            pass  # closed by the host: told below
    told = []
    for connection in connections:
        try:
            told.append(connection.recv(1000).endswith(line.encode()))
        except OSError:
            told.append(False)
    print(json.dumps(told), flush=True)
"""

# HAMMER ADDRESS,PORT...: try all places again and again until the input ends, then print how often, and what was open.
HAMMER = """
import json, select, socket, sys
places = [place.rsplit(",", 1) for place in sys.argv[1:]]
tried, found = 0, []
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    pending = {}
    for address, port in places:
        s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        s.setblocking(False)
        s.connect_ex((address, int(port)))
        pending[s] = address + "," + port
        tried += 1
    for s in select.select([], list(pending), [], 0.05)[1]:
        if s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            found.append(pending[s])
    for s in pending:
        s.close()
print(json.dumps([tried, found]), flush=True)
"""
