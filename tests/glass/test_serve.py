"""The server behind a page: it answers the page, and refuses everything else."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading

import pytest

from pullback.glass.serve import HEADERS, MOST_BYTES, PortError, Server

PAGE = "<!doctype html><title>梯度</title>"


class Square:
    """A number and its square."""

    def __init__(self):
        self.x = 3.0

    def page(self):
        return PAGE

    def edit(self, name, index, value):
        if name != "x":
            raise KeyError(name)
        if index != ():
            raise IndexError(index)
        if value == 13:
            raise ValueError("13 brings bad luck")
        self.x = value
        return {"x": self.x, "y": self.x**2}

    def receipt(self, box, part, index):
        if box > 1 or part:
            raise KeyError(box)
        if index not in (None, ()):
            raise IndexError(index)
        if box == 1:
            raise ValueError("y gets none")
        return {"symbol": "x", "text": f"∂y/∂x = {2 * self.x}"}


@pytest.fixture
def server():
    server = Server(Square(), lang="en")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def ask(server, method="GET", path=None, body=None, **headers):
    """Send exactly these headers beside a right Host, and return status, headers and body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.putrequest(method, f"/{server.token}/" if path is None else path, skip_host=True)
    sent = {"Host": f"127.0.0.1:{server.server_port}"} | {k.replace("_", "-"): v for k, v in headers.items()}
    for name, value in sent.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    result = answer.status, dict(answer.getheaders()), answer.read().decode()
    connection.close()
    return result


def edit(server, change, *, path=None, **headers):
    body = change if isinstance(change, bytes) else json.dumps(change).encode()
    sent = {
        "Content_Type": "application/json",
        "Content_Length": str(len(body)),
        "Origin": f"http://127.0.0.1:{server.server_port}",
    } | headers
    return ask(server, "POST", path or f"/{server.token}/edit", body, **sent)


def refused(answer, status, what):
    assert answer[0] == status
    assert answer[1]["Content-Type"] == "application/json"
    assert what in json.loads(answer[2])["error"]


CHANGE = {"name": "x", "index": [], "value": 5}


# ------------------------------------------------------------------------------------------ what it answers


def test_the_page_is_served_and_may_not_load_anything(server):
    status, headers, body = ask(server)
    assert (status, body) == (200, PAGE)
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers.items() >= HEADERS.items()
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Server"].strip() == "pullback"


def test_an_edit_is_answered_with_what_the_engine_computes(server):
    status, headers, body = edit(server, CHANGE)
    assert status == 200 and json.loads(body) == {"x": 5.0, "y": 25.0}
    assert headers.items() >= HEADERS.items()
    assert server.subject.x == 5.0


def test_the_address_holds_a_token_that_nobody_can_guess(server):
    assert re.fullmatch(rf"http://127\.0\.0\.1:{server.server_port}/[\w-]{{32}}/", server.address)
    with Server(Square()) as other:
        assert other.token != server.token
    assert server.server_address[0] == "127.0.0.1"


def test_only_this_machine_is_listened_to(server):
    other = next((a[4][0] for a in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)), "127.0.0.1")
    if other.startswith("127."):
        other = "127.0.0.2"
    with pytest.raises(OSError):
        socket.create_connection((other, server.server_port), timeout=2)


# ------------------------------------------------------------------------------------------ what it refuses


@pytest.mark.parametrize(
    "host", [None, "", "evil.example", "127.0.0.1", "127.0.0.1:1", "localhost:{port}", "127.0.0.1:{port}.evil"]
)
def test_another_host_is_refused(server, host):
    host = host and host.format(port=server.server_port)
    refused(ask(server, Host=host), 403, "its own address")
    refused(edit(server, CHANGE, Host=host), 403, "its own address")
    assert server.subject.x == 3.0


@pytest.mark.parametrize(
    "origin", ["null", "http://evil.example", "https://127.0.0.1:{port}", "http://localhost:{port}", ""]
)
def test_another_origin_is_refused(server, origin):
    origin = origin.format(port=server.server_port)
    refused(ask(server, Origin=origin), 403, "from the page itself")
    refused(edit(server, CHANGE, Origin=origin), 403, "from the page itself")
    assert server.subject.x == 3.0


def test_an_edit_must_say_where_it_comes_from(server):
    refused(edit(server, CHANGE, Origin=None), 403, "from the page itself")
    assert server.subject.x == 3.0


def test_two_hosts_or_two_origins_are_refused(server):
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=5) as connection:
        host = f"Host: 127.0.0.1:{server.server_port}\r\n"
        connection.sendall(f"GET /{server.token}/ HTTP/1.1\r\n{host}{host}\r\n".encode())
        assert b" 403 " in connection.recv(100)


@pytest.mark.parametrize(
    "path", ["/", "//", "/{wrong}/", "/{token}x/", "/{head}/", "/é/", "/?{token}", "http://127.0.0.1/{token}/"]
)
def test_a_wrong_token_is_refused(server, path):
    path = path.format(token=server.token, wrong="A" * 32, head=server.token[:-1])
    refused(raw(server, f"GET {path or ' '} HTTP/1.0"), 403, "token in the address")
    assert server.subject.x == 3.0
    if path.isascii():
        refused(edit(server, CHANGE, path=path + "edit"), 403, "token in the address")


def raw(server, line):
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=5) as connection:
        connection.sendall(f"{line}\r\nHost: 127.0.0.1:{server.server_port}\r\n\r\n".encode())
        answer = connection.makefile("rb").read().decode()
    head, _, body = answer.partition("\r\n\r\n")
    status, *headers = head.split("\r\n")
    return int(status.split()[1]), dict(h.split(": ", 1) for h in headers), body


@pytest.mark.parametrize(
    "rest",
    ["edit", "x", "../", "..%2f..%2fetc/passwd", "../../../../etc/passwd", "%00", "index.html", "/", "?x", "edit/"],
)
def test_nothing_else_is_served(server, rest):
    refused(ask(server, path=f"/{server.token}/{rest}"), 404, "nothing here")
    if rest != "edit":
        refused(edit(server, CHANGE, path=f"/{server.token}/{rest}"), 404, "nothing here")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE", "CONNECT"])
def test_other_methods_are_refused(server, method):
    assert ask(server, method)[0] == 501


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp"]
)
def test_another_content_type_is_refused(server, kind):
    refused(edit(server, CHANGE, Content_Type=kind), 415, "application/json")
    assert server.subject.x == 3.0


@pytest.mark.parametrize("length", [None, "-1", "1e3", "0x10", "+5", "٣"])
def test_a_body_without_a_right_length_is_refused(server, length):
    if length is not None and not length.isascii():
        length = length.encode()
    refused(edit(server, b"", Content_Length=length), 411, "Content-Length")


def test_a_body_in_chunks_is_refused(server):
    refused(edit(server, b"", Content_Length=None, Transfer_Encoding="chunked"), 411, "Content-Length")


def test_a_large_body_is_refused_without_being_kept(server):
    refused(edit(server, b" " * (MOST_BYTES + 1)), 413, "10000 bytes")
    refused(edit(server, b"", Content_Length=str(10**15)), 413, "10000 bytes")


@pytest.mark.parametrize(
    "change",
    [
        b"",
        b"\xff\xfe",
        b"[" * 9000,
        b"{",
        [],
        {},
        {"name": "x", "index": []},
        CHANGE | {"more": 1},
        CHANGE | {"name": 1},
        CHANGE | {"index": 0},
        CHANGE | {"index": [-1]},
        CHANGE | {"index": [0.5]},
        CHANGE | {"index": [True]},
        CHANGE | {"index": [0] * 33},
        CHANGE | {"value": "5"},
        CHANGE | {"value": True},
        CHANGE | {"value": None},
        CHANGE | {"value": float("nan")},
        CHANGE | {"value": float("inf")},
        CHANGE | {"value": 10**4000},
    ],
    ids=lambda change: ascii(change)[:40],
)
def test_what_is_not_a_change_is_refused(server, change):
    refused(edit(server, change), 400, '{"name": text')
    assert server.subject.x == 3.0


def test_a_change_that_cannot_be_made_says_why(server):
    refused(edit(server, CHANGE | {"name": "<b>"}), 422, "no input '<b>'")
    refused(edit(server, CHANGE | {"index": [1]}), 422, "x has no element [1]")
    refused(edit(server, CHANGE | {"value": 13}), 422, "bad luck")
    assert edit(server, CHANGE)[0] == 200


# ------------------------------------------------------------------------------------------ asking for a receipt

QUESTION = {"box": 0, "part": 0, "index": None}


def question(server, asked, **headers):
    return edit(server, asked, path=f"/{server.token}/receipt", **headers)


def test_a_receipt_is_asked_for_by_box_and_element(server):
    status, headers, body = question(server, QUESTION)
    assert status == 200 and json.loads(body) == {"symbol": "x", "text": "∂y/∂x = 6.0"}
    assert headers.items() >= HEADERS.items()
    edit(server, CHANGE)
    assert json.loads(question(server, QUESTION | {"index": []})[2])["text"] == "∂y/∂x = 10.0"


def test_a_receipt_that_there_is_not_says_why(server):
    refused(question(server, QUESTION | {"box": 7}), 422, "no box 7")
    refused(question(server, QUESTION | {"index": [3]}), 422, "box 0 has no element [3]")
    refused(question(server, QUESTION | {"box": 1}), 422, "y gets none")


@pytest.mark.parametrize(
    "asked",
    [b"", [], {}, CHANGE, {"box": 0, "index": None}, QUESTION | {"more": 1}, QUESTION | {"box": "0"},
     QUESTION | {"box": -1}, QUESTION | {"box": True}, QUESTION | {"part": None}, QUESTION | {"index": 0},
     QUESTION | {"index": [-1]}, QUESTION | {"index": [0] * 33}],
    ids=lambda asked: ascii(asked)[:40],
)  # fmt: skip
def test_what_is_no_question_is_refused(server, asked):
    refused(question(server, asked), 400, "the number of a box")


def test_a_receipt_is_refused_to_whom_an_edit_would_be(server):
    refused(question(server, QUESTION, Origin=None), 403, "from the page itself")
    refused(question(server, QUESTION, Host="evil.example"), 403, "its own address")
    refused(question(server, QUESTION, Content_Type="text/plain"), 415, "application/json")
    refused(edit(server, QUESTION, path="/" + "A" * 32 + "/receipt"), 403, "token in the address")
    refused(ask(server, path=f"/{server.token}/receipt"), 404, "nothing here")


def test_refusals_come_in_the_language_of_the_page():
    server = Server(Square(), lang="zh")
    threading.Thread(target=server.handle_request).start()
    refused(ask(server, Host="evil.example"), 403, "只应答自己的地址")
    server.server_close()


# ---------------------------------------------------------------------------------------- its life and end


def test_a_taken_port_is_named(server):
    with pytest.raises(PortError, match=f"port {server.server_port} is taken; choose another with --port"):
        Server(Square(), port=server.server_port, lang="en")
    with pytest.raises(PortError, match="port 70000 cannot be listened on"):
        Server(Square(), port=70000, lang="en")


def test_one_slow_client_does_not_keep_the_page_from_the_next(server):
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=5) as slow:
        slow.sendall(b"GET /")
        assert ask(server)[0] == 200


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C reaches a process of Windows through its console only")
def test_ctrl_c_ends_it_and_frees_the_port():
    # A shell starts what it runs in the background with Ctrl-C ignored, and children inherit that.
    program = """
        import signal
        signal.signal(signal.SIGINT, signal.default_int_handler)
        from pullback.glass.serve import Server
        class Nothing:
            page = lambda self: "nothing"
        server = Server(Nothing())
        print(server.server_port, server.token, flush=True)
        server.run()
        print("ended", flush=True)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    port, token = process.stdout.readline().split()
    port = int(port)
    with pytest.raises(PortError):
        Server(Square(), port=port)
    served = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    served.request("GET", f"/{token}/")
    assert served.getresponse().read() == b"nothing"  # so it is running by now
    served.close()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (out, err, process.returncode) == ("ended\n", "", 0)
    Server(Square(), port=port).server_close()
