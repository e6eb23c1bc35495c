#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A TCP flow that never rests: it asks, waits for the answer, and connects again whenever the connection breaks or stalls.

talk.py listen PORT                  accepts any number of connections, and answers
talk.py talk SOURCE ADDRESS PORT     until it is ended; says "flowing" now and then while it is answered
"""
import itertools
import socket
import sys
import threading
import time

PAUSE_S = 0.02
STALL_S = 1.0
REPORT_EVERY = 5


def answer(connection):
    with connection:
        try:
            while connection.recv(65536):
                connection.sendall(b"!")
        except OSError:
            pass


def listen(port):
    server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    print("ready", flush=True)
    while True:
        connection, _ = server.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def talk(source, address, port):
    while True:
        try:
            with socket.create_connection((address, port), timeout=STALL_S, source_address=(source, 0)) as connection:
                for number in itertools.count():
                    connection.sendall(bytes(2000))
                    if not connection.recv(65536):
                        break
                    if number % REPORT_EVERY == 0:
                        print("flowing", flush=True)
                    time.sleep(PAUSE_S)
        except OSError:
            time.sleep(PAUSE_S)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "listen":
        listen(int(sys.argv[2]))
    elif len(sys.argv) == 5 and sys.argv[1] == "talk":
        talk(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        sys.exit(__doc__)
