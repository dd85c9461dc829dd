# Numbered datagrams over a link: `receive SECONDS` prints what came as JSON, once none has come for so long; `send ADDRESS
# COUNT RATE BYTES` sends so many per second, each so large on the wire.
import json, socket, sys, time

PORT, HEADERS = 5202, 42

if sys.argv[1] == "receive":
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    receiver.bind(("", PORT))
    receiver.settimeout(60)
    numbers, bits, begun = [], [], None
    try:
        while True:
            data = receiver.recv(2000)
            now = time.monotonic()
            if begun is None:
                begun = now
                receiver.settimeout(float(sys.argv[2]))
            second = int(now - begun)
            bits += [0] * (second + 1 - len(bits))
            bits[second] += (len(data) + HEADERS) * 8
            numbers.append(int.from_bytes(data[:4], "big"))
    except TimeoutError:
        pass
    pairs = zip(numbers, numbers[1:])
    result = {
        "got": len(numbers),
        "unique": len(set(numbers)),
        "out_of_order": sum(later < earlier for earlier, later in pairs),
        "mbit": [second / 1e6 for second in bits],
    }
    print(json.dumps(result), flush=True)
else:
    count, rate, size = int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    begun = time.monotonic()
    for number in range(count):
        late = begun + number / rate - time.monotonic()
        if late > 0:
            time.sleep(late)
        sender.sendto(number.to_bytes(4, "big") + bytes(size - HEADERS - 4), (sys.argv[2], PORT))
