# What a link carries, as its kernel counts it: `serve` prints megabits per second on the wire that came in and payload,
# `send ADDRESS` sends for as long as it is told. Arguments: serve SECONDS | send ADDRESS SECONDS
import socket, sys, time

PORT, WARM_UP_S = 5201, 2.0


def received():
    with open("/sys/class/net/eth0/statistics/rx_bytes") as file:
        return int(file.read())


if sys.argv[1] == "serve":
    listener = socket.create_server(("", PORT))
    print("listening", flush=True)
    connection, _ = listener.accept()
    begun, payload, first = time.monotonic(), 0, None
    while True:
        data = connection.recv(1 << 16)
        now = time.monotonic()
        if first is None and now - begun >= WARM_UP_S:
            first, wire, payload = now, received(), 0
        elif first is not None and now - first >= float(sys.argv[2]):
            break
        if not data:
            sys.exit("the sender went away")
        payload += len(data)
    seconds, wire = now - first, received() - wire
    print(f"{wire * 8 / seconds / 1e6} {payload * 8 / seconds / 1e6}", flush=True)
else:
    connection = socket.create_connection((sys.argv[2], PORT), timeout=30)
    until = time.monotonic() + float(sys.argv[3])
    try:
        while time.monotonic() < until:
            connection.send(bytes(1 << 16))
    except OSError:
        pass
