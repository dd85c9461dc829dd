#!/bin/busybox sh
# The worker: serves a page until it is told to stop. It counts as ready when its port answers.
mkdir -p /tmp/www && echo "hello from $CONTINUUM_NODE" > /tmp/www/index.html
exec busybox httpd -f -p "${CONTINUUM_PORTS%%,*}" -h /tmp/www
