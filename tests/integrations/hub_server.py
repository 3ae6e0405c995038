"""A stand-in for the HTTP API of the Hugging Face Hub: repositories with commits and files, in memory."""

import base64
import json
import threading
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


class Hub(ThreadingHTTPServer):
    """Repositories by name: for each the commits, oldest first, as (identifier, files by name)."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories, self.private, self.tokens = {}, {}, []
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.thread = threading.Thread(target=self.serve_forever, args=(0.02,))
        self.thread.start()

    def stop(self):
        self.shutdown()
        self.server_close()
        self.thread.join(10)

    def commit(self, repository, files):
        """Add a commit with these files in addition to the earlier ones, and return its identifier."""
        commits = self.repositories[repository]
        merged = {**(commits[-1][1] if commits else {}), **files}
        identifier = sha1(repr((len(commits), sorted(merged))).encode(), usedforsecurity=False).hexdigest()
        commits.append((identifier, merged))
        return identifier

    def find(self, repository, revision):
        """Return the identifier and the files of a revision."""
        commits = self.repositories[repository]
        if revision == "main":
            return commits[-1]
        return next(commit for commit in commits if commit[0] == revision)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _answer(self, status, content=b"", headers=None):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, code, message):
        self._answer(404, {"error": message}, {"X-Error-Code": code, "X-Error-Message": message})

    def do_POST(self):
        hub, body = self.server, self.rfile.read(int(self.headers["Content-Length"] or 0))
        hub.tokens.append(self.headers.get("Authorization"))
        if self.headers.get("Authorization") == "Bearer read-only":
            self._answer(
                403, {"error": "You need the right to write."}, {"X-Error-Message": "You need the right to write."}
            )
            return
        words = self.path.partition("?")[0].strip("/").split("/")
        if words[:3] == ["api", "repos", "create"]:
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            if name in hub.repositories:
                self._answer(409, {"url": f"{hub.url}/{name}"})
                return
            hub.repositories[name], hub.private[name] = [], asked.get("private") or asked.get("visibility") == "private"
            self._answer(200, {"url": f"{hub.url}/{name}"})
            return
        if words[1] == "validate-yaml":
            self._answer(200, {"errors": [], "warnings": []})
            return
        repository, action = "/".join(words[2:4]), words[4]
        if action == "preupload":
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                for file in json.loads(body)["files"]
            ]
            self._answer(200, {"files": files})
            return
        lines = [json.loads(line) for line in body.splitlines()]
        files = {
            line["value"]["path"]: base64.b64decode(line["value"]["content"]) for line in lines if line["key"] == "file"
        }
        identifier = hub.commit(repository, files)
        self._answer(
            200, {"success": True, "commitOid": identifier, "commitUrl": f"{hub.url}/{repository}/commit/{identifier}"}
        )

    def do_HEAD(self):
        self._send_file()

    def do_GET(self):
        self._send_file()

    def _send_file(self):
        hub, words = self.server, [unquote(word) for word in self.path.partition("?")[0].strip("/").split("/")]
        repository = "/".join(words[:2])
        if repository not in hub.repositories or words[2] != "resolve":
            self._refuse("RepoNotFound", "Repository not found")
            return
        try:
            identifier, files = hub.find(repository, words[3])
        except StopIteration:
            self._refuse("RevisionNotFound", f"Invalid rev id: {words[3]}")
            return
        if (name := "/".join(words[4:])) not in files:
            self._refuse("EntryNotFound", "Entry not found")
            return
        etag = f'"{sha1(files[name], usedforsecurity=False).hexdigest()}"'
        self._answer(200, files[name], {"ETag": etag, "X-Repo-Commit": identifier})
