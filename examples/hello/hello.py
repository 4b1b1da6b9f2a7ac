"""Answers every GET with a greeting. Listens where Berth says: $PORT."""
import os
import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hello(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        greeting = os.environ.get("GREETING", "Hello from Berth!")
        body = f"{greeting}\nThis is {socket.gethostname()}, at {self.path}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


# Process 1 of a container ignores SIGTERM unless it says what to do.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
port = int(os.environ.get("PORT", "8080"))
print(f"listening on port {port}")
ThreadingHTTPServer(("", port), Hello).serve_forever()
