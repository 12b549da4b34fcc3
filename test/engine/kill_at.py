#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Kills the plugin at one request of the engine, or stops it: kill_at.py SOCKET METHOD MOMENT NUMBER PID

Takes the place of the plugin's SOCKET and hands everything on, up to request NUMBER of METHOD. MOMENT says what happens
there to the process PID:
  before  it is killed before it gets that request
  after   it is killed when it has answered it, before the engine has the answer
  hang    it stops before it reads the request, until the engine has given up waiting; then it goes on
When the plugin is killed this ends, too, and the engine's connections break.
"""
import http.client
import http.server
import os
import signal
import socket
import socketserver
import sys
import threading

PATH, METHOD, MOMENT, NUMBER, PID = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
BEHIND = PATH + ".behind"


class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(BEHIND)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    lock = threading.Lock()
    seen = 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        here = self.path == f"/VolumeDriver.{METHOD}" and self.number() == NUMBER
        if here and MOMENT == "before":
            kill()
        connection = Connection("plugin")
        if here and MOMENT == "hang":
            os.kill(PID, signal.SIGSTOP)
        connection.request("POST", self.path, body)
        if here and MOMENT == "hang":
            self.rfile.read(1)
            connection.close()
            os.kill(PID, signal.SIGCONT)
            self.close_connection = True
            return
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if here:
            kill()
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    @classmethod
    def number(cls):
        with cls.lock:
            cls.seen += 1
            return cls.seen

    def log_message(self, format, *args):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def kill():
    os.unlink(PATH)
    os.unlink(BEHIND)
    os.kill(PID, signal.SIGKILL)
    os._exit(0)


os.rename(PATH, BEHIND)
Server(PATH, Handler).serve_forever()
