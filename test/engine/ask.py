#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sends the plugin one request, as the engine would: ask.py SOCKET METHOD [BODY]. Prints the answer, or its error."""
import http.client
import json
import socket
import sys


class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.host)


def main():
    connection = Connection(sys.argv[1])
    connection.request("POST", f"/VolumeDriver.{sys.argv[2]}", sys.argv[3] if len(sys.argv) > 3 else "", {"Host": ""})
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status == 200:
        print(text)
        return 0
    print(json.loads(text)["Err"])
    return 1


if __name__ == "__main__":
    sys.exit(main())
