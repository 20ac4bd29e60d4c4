"""What the estate's small services share: HTTP in, JSON out, no memory.

Every request asks what it needs anew, by name and with short timeouts, so that
a service whose network comes back works again without being restarted. A
service's settings are one JSON file, its only argument: see estate.py.
"""

import http.server
import json
import os
import socket
import ssl
import sys
import traceback
import urllib.error
import urllib.request

import psycopg2

TIMEOUT = 2


class Problem(Exception):
    """Something this service needs does not answer as it should."""


class NotFound(Exception):
    pass


class Settings:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            values = json.load(file)
        self.listen = values["listen"]  # a port, or a Unix socket's path
        self.domain = values["domain"]
        self.ports = values["ports"]  # "system:port" → number
        self.certificate = values["certificate"]
        self.key = values["key"]
        self.tls = values.get("tls", False)

    def name(self, system):
        return f"{system}.{self.domain}"


def database(settings, system):
    """A new connection to the database a system is."""
    try:
        connection = psycopg2.connect(
            host=settings.name(system), port=settings.ports[system],
            dbname="utility", user="utility", password="demonstration",
            connect_timeout=TIMEOUT,
            options=f"-c statement_timeout={TIMEOUT * 1000}",
            tcp_user_timeout=TIMEOUT * 1000)
        connection.autocommit = True
        return connection
    except psycopg2.Error as error:
        raise Problem(f"{system}: {one_line(error)}") from error


def query(settings, system, text, values=()):
    connection = database(settings, system)
    try:
        with connection.cursor() as cursor:
            cursor.execute(text, values)
            return cursor.fetchall() if cursor.description else []
    except psycopg2.Error as error:
        raise Problem(f"{system}: {one_line(error)}") from error
    finally:
        connection.close()


def ask(settings, system, path, body=None, tls=False, name=None):
    """GETs (or POSTs `body`) as JSON from another system."""
    host = name or settings.name(system)
    scheme = "https" if tls else "http"
    request = urllib.request.Request(
        f"{scheme}://{host}:{settings.ports[system]}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Connection": "close"})
    context = ssl.create_default_context(cafile=settings.certificate) \
        if tls else None
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT,
                                    context=context) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            raise NotFound(path) from error
        raise Problem(f"{system} answers {error.code}: "
                      f"{one_line(error.read().decode())}") from error
    except (OSError, ValueError) as error:
        raise Problem(f"{system}: {one_line(error)}") from error


def one_line(text):
    return " ".join(str(text).split())[:200]


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    address_family = socket.AF_INET6

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.server_name, self.server_port = "service", self.server_address[1]
        # HTTPServer's own bind asks for this machine's full name, which the
        # name service may not be there to answer.
        socket.socket.bind(self.socket, self.server_address)


class _LocalServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    address_family = socket.AF_UNIX

    def server_bind(self):
        self.server_name, self.server_port = "service", 0
        socket.socket.bind(self.socket, self.server_address)
        os.chmod(self.server_address, 0o666)  # nginx's workers are not root


def serve(routes):
    """Runs the service.

    `routes`: (method, path) → function(settings, rest, body) → JSON value. A
    path ending in "/" (but not "/" itself) takes what follows it as `rest`.
    """
    settings = Settings(sys.argv[1])

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_GET(self):
            self.answer("GET", None)

        def do_POST(self):
            length = min(int(self.headers.get("Content-Length", 0)), 65536)
            raw = self.rfile.read(length)
            try:
                body = json.loads(raw or b"{}")
            except ValueError:
                self.send(400, {"problem": "the body is not JSON"})
                return
            self.answer("POST", body)

        def answer(self, method, body):
            try:
                found = find(routes, method, self.path)
                if found is None:
                    self.send(404, {"problem": f"no {self.path} here"})
                    return
                action, rest = found
                self.send(200, action(settings, rest, body))
            except NotFound as error:
                self.send(404, {"problem": f"{error} is not known"})
            except Problem as error:
                self.send(503, {"problem": str(error)})
            except Exception:
                traceback.print_exc()
                self.send(500, {"problem": "a mistake of ours; see the log"})

        def send(self, code, value):
            data = (json.dumps(value) + "\n").encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def address_string(self):
            return "peer"

        def log_message(self, form, *values):
            sys.stderr.write("%s %s\n" % (self.log_date_time_string(),
                                          form % values))

    if isinstance(settings.listen, str):
        server = _LocalServer(settings.listen, Handler)
    else:
        server = _Server(("::", settings.listen), Handler)
    if settings.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings.certificate, settings.key)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


def find(routes, method, path):
    for (wanted, route), action in routes.items():
        if wanted != method:
            continue
        if path == route:
            return action, ""
        if route.endswith("/") and len(route) > 1 and path.startswith(route):
            return action, path[len(route):]
    return None
