#!/bin/busybox sh
# The endpoint: asks its worker for the page, again and again, and prints how long each answer took, one JSON line each.
now_ms() {
    read -r up _ < /proc/uptime
    echo "$(( ${up%.*} * 1000 + 1${up#*.} * 10 - 1000 ))"
}
echo '{"event":"ready"}'
end=$(( $(now_ms) + ${CONTINUUM_DURATION_S%.*} * 1000 ))
while [ "$(now_ms)" -lt "$end" ]; do
    begun=$(now_ms)
    busybox wget -q -T 10 -O /dev/null "http://$CONTINUUM_WORKER:${CONTINUUM_PORTS%%,*}/" || exit 1
    echo "{\"metric\":\"response_ms\",\"value\":$(( $(now_ms) - begun ))}"
    busybox sleep 0.2
done
