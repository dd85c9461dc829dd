# One connection over a link: `serve SECONDS` prints megabits per second of payload that came in after a warm-up, `send
# ADDRESS SECONDS` sends for so long.
import socket, sys, time

PORT, WARM_UP_S = 5201, 2.0

if sys.argv[1] == "serve":
    listener = socket.create_server(("", PORT))
    connection, _ = listener.accept()
    begun, payload, first = time.monotonic(), 0, None
    while True:
        data = connection.recv(1 << 16)
        now = time.monotonic()
        if first is None and now - begun >= WARM_UP_S:
            first, payload = now, 0
        elif first is not None and now - first >= float(sys.argv[2]):
            break
        if not data:
            sys.exit("the sender went away")
        payload += len(data)
    print(payload * 8 / (now - first) / 1e6, flush=True)
else:
    connection = socket.create_connection((sys.argv[2], PORT), timeout=30)
    until = time.monotonic() + float(sys.argv[3])
    try:
        while time.monotonic() < until:
            connection.send(bytes(1 << 16))
    except OSError:
        pass
