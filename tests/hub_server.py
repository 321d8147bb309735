"""A stand-in for Hugging Face's hub: enough of its API to upload and download small files."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_stand_in"
OWNER = "somebody"


class Hub:
    """Repositories by OWNER/NAME: the bytes of their files by path; the YAML of uploaded cards."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.cards: list[dict[str, object]] = []
        self.url = ""

    def commit(self, repo: str) -> str:
        content = sorted((name, data) for name, data in self.repos[repo].items())
        return hashlib.sha1(repr(content).encode()).hexdigest()


@contextlib.contextmanager
def serve() -> Iterator[Hub]:
    """Yields a hub that answers at its `url`."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def answer(self, value: object, status: int = 200, **headers: str) -> None:
            body = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for name, text in headers.items():
                self.send_header(name.replace("_", "-"), text)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def missing(self, code: str) -> None:
            self.answer({"error": code}, 404, X_Error_Code=code, X_Error_Message=code)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self.answer({"error": "Invalid username or password."}, 401)
                return
            path = urlsplit(self.path).path
            if path == "/api/repos/create":
                wanted = json.loads(body)
                repo = f"{wanted.get('organization') or OWNER}/{wanted['name']}"
                if repo in hub.repos:
                    self.answer({"url": f"{hub.url}/{repo}"}, 409)
                    return
                hub.repos[repo] = {".gitattributes": b""}
                hub.private[repo] = wanted.get("visibility") == "private" or bool(
                    wanted.get("private")
                )
                self.answer({"url": f"{hub.url}/{repo}"})
                return
            if path == "/api/validate-yaml":
                card = json.loads(body)["content"]
                front_matter = yaml.safe_load(card.split("---\n")[1])
                hub.cards.append(front_matter)
                self.answer({"errors": [], "warnings": []})
                return
            _, _, _, owner, name, action, *_ = path.split("/")
            files = hub.repos[f"{owner}/{name}"]
            if action == "preupload":
                paths = [item["path"] for item in json.loads(body)["files"]]
                modes = [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in paths]
                self.answer({"files": modes})
            elif action == "commit":
                for line in map(json.loads, body.splitlines()):
                    if line["key"] == "file":
                        value = line["value"]
                        files[value["path"]] = base64.b64decode(value["content"])
                    elif line["key"] == "deletedFile":
                        del files[line["value"]["path"]]
                oid = hub.commit(f"{owner}/{name}")
                url = f"{hub.url}/{owner}/{name}"
                self.answer({"commitUrl": f"{url}/commit/{oid}", "commitOid": oid, "success": True})
            else:
                self.missing("EntryNotFound")

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            parts = path.strip("/").split("/")
            repo = "/".join(parts[2:4] if parts[0] == "api" else parts[:2])
            if repo not in hub.repos:
                self.missing("RepoNotFound")
                return
            files, commit = hub.repos[repo], hub.commit(repo)
            if parts[0] == "api" and "tree" in parts:
                entries = [
                    {"type": "file", "path": name, "size": len(data)}
                    | {"oid": hashlib.sha1(data).hexdigest()}
                    for name, data in files.items()
                ]
                self.answer(entries)
            elif parts[0] == "api":
                siblings = [{"rfilename": name} for name in files]
                self.answer({"id": repo, "sha": commit, "siblings": siblings, "tags": []})
            elif parts[2] == "resolve" and (name := "/".join(parts[4:])) in files:
                etag = hashlib.sha1(files[name]).hexdigest()
                self.answer(files[name], ETag=f'"{etag}"', X_Repo_Commit=commit)
            else:
                self.missing("EntryNotFound")

        do_HEAD = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
