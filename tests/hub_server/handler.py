"""The endpoints. Paths and fields are those that huggingface_hub 1.33 sends and reads."""

import base64
import contextlib
import hashlib
import json
import re
import socket
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import yaml

from hub_server.store import Conflict, Missing

CHUNK = 1 << 20
LARGE = 10 * 1024 * 1024
RANGE = r"bytes=(\d+)-(\d*)"
BINARY = (".parquet", ".mp4", ".jpg", ".png", ".bin", ".h5")
REPO = r"(?P<repo>[^/]+/[^/]+)"
KIND = r"(?:datasets|models)"


class Cut(Exception):
    """The connection is to be dropped."""


class Refused(Exception):
    """An answer other than 2xx: status, the hub's error code, words."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    # Buffered answers: many small writes would wait for one another (Nagle and delayed acknowledgements).
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    @property
    def hub(self) -> Any:
        return self.server.hub

    def _serve(self) -> None:
        url = urlsplit(self.path)
        self.route, self.query = unquote(url.path), parse_qs(url.query)
        self.left = int(self.headers.get("Content-Length") or 0)
        self.read_so_far = 0
        self.injected = self.hub.fault(self.command, self.route)
        # Noted before it is answered: what a test sees of one client must not come in late.
        self.noted = [self.command, self.route, 0]
        self.hub.log.append(self.noted)
        if "Authorization" in self.headers:
            self.hub.authorized.append(self.route)
        try:
            try:
                self._answer()
            except Refused as refused:
                self._refuse(refused.status, refused.code, refused.message)
            except Missing as missing:
                self._refuse(404, str(missing), "not found")
            except Conflict as conflict:
                self._refuse(412 if "since" in str(conflict) else 409, "", str(conflict))
            self.wfile.flush()
        except (Cut, ConnectionError):
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(self) -> None:
        fault = self.injected
        if fault is not None and fault.kind == "slow":
            time.sleep(fault.delay)
        if fault is not None and fault.kind == "cut" and fault.after == 0:
            raise Cut
        if fault is not None and fault.kind in {"status", "html"}:
            self._drain()
            page = "<!DOCTYPE html><html><body><h1>Sign in to the network</h1></body></html>"
            body, kind = (page, "text/html") if fault.kind == "html" else (fault.body, "application/json")
            self._send(fault.status, body.encode(), {"Content-Type": kind, **fault.headers})
            return
        for method, pattern, action in ROUTES:
            match = re.fullmatch(pattern, self.route)
            if match and self.command in method.split("|"):
                self._check_rights(match.groupdict().get("repo"))
                action(self, **match.groupdict())
                return
        self._drain()
        raise Refused(404, "", "Sorry, we can't find the page you are looking for.")

    def _check_rights(self, repo: str | None) -> None:
        writes = self.command not in {"GET", "HEAD"} and "paths-info" not in self.route and "validate" not in self.route
        if writes and "writes" in self.hub.lacks:
            self._drain()
            raise Refused(405, "", "Method Not Allowed")
        user = self.user()
        if self.route.startswith(("/lfs/", "/cdn/")):
            return  # the address itself is the permission, as with signed addresses
        if repo is not None and writes and (user is None or repo.split("/")[0] not in (user.name, *user.orgs)):
            self._drain()
            raise Refused(401 if user is None else 403, "", "You don't have the rights to write here")
        if repo is not None and writes and user.role != "write":
            self._drain()
            raise Refused(403, "", "you must use a write token")
        if repo is not None and user is None and self.hub.store.repo(repo)["private"]:
            self._drain()
            raise Refused(401, "RepoNotFound", "Repository not found")

    def user(self) -> Any:
        """Return whose token this is, or None without one."""
        header = self.headers.get("Authorization", "")
        if not header:
            return None
        user = self.hub.users.get(header.removeprefix("Bearer "))
        if user is None:
            self._drain()
            raise Refused(401, "", "Invalid credentials in Authorization header")
        return user

    # Reading and sending.

    def chunks(self) -> Any:
        """Yield the request's body."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().strip() or b"0", 16):
                yield self._count(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return
        while self.left > 0:
            data = self.rfile.read(min(CHUNK, self.left))
            if not data:
                raise Cut
            self.left -= len(data)
            yield self._count(data)

    def _count(self, data: bytes) -> bytes:
        self.read_so_far += len(data)
        self.noted[2] = self.read_so_far
        fault = self.injected
        if fault is not None and fault.kind == "cut" and self.command == "PUT" and self.read_so_far >= fault.after:
            raise Cut
        return data

    def _drain(self) -> None:
        for _ in self.chunks():
            pass

    def json_body(self) -> Any:
        return json.loads(b"".join(self.chunks()) or b"{}")

    def _refuse(self, status: int, code: str, message: str) -> None:
        self._drain()
        headers = {"Content-Type": "application/json", "X-Error-Message": message}
        if code:
            headers["X-Error-Code"] = code
        self._send(status, json.dumps({"error": message}).encode(), headers)

    def send_json(self, data: Any, headers: dict[str, str] | None = None) -> None:
        self._send(200, json.dumps(data).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_file(self, path: Any, headers: dict[str, str]) -> None:
        """Send a file, or the part of it that `Range` asks for."""
        size = path.stat().st_size
        start, end, status = 0, size - 1, 200
        asked = re.fullmatch(RANGE, self.headers.get("Range", ""))
        if asked:
            start, end, status = int(asked[1]), int(asked[2] or size - 1), 206
            if start >= size:
                raise Refused(416, "", "Range Not Satisfiable")
            headers |= {"Content-Range": f"bytes {start}-{end}/{size}"}
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(end - start + 1), "Accept-Ranges": "bytes"}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        fault, sent = self.injected, 0
        with path.open("rb") as file:
            file.seek(start)
            while sent < end - start + 1:
                data = file.read(min(CHUNK, end - start + 1 - sent))
                if fault is not None and fault.kind == "corrupt" and sent == 0:
                    data = bytes([data[0] ^ 1]) + data[1:]
                if fault is not None and fault.kind == "cut" and sent + len(data) > fault.after:
                    self.wfile.write(data[: fault.after - sent])
                    self.wfile.flush()
                    raise Cut
                self.wfile.write(data)
                sent += len(data)

    # The endpoints.

    def whoami(self) -> None:
        if "whoami" in self.hub.lacks:
            raise Refused(404, "", "Not Found")
        user = self.user()
        if user is None:
            raise Refused(401, "", "Invalid username or password.")
        token = {"displayName": "test", "role": user.role}
        orgs = [{"name": name, "type": "org"} for name in user.orgs]
        self.send_json({"type": "user", "name": user.name, "orgs": orgs, "auth": {"accessToken": token}})

    def create(self) -> None:
        body, user = self.json_body(), self.user()
        if user is None:
            raise Refused(401, "", "Invalid username or password.")
        owner = body.get("organization") or user.name
        if owner not in (user.name, *user.orgs) or user.role != "write":
            raise Refused(403, "", f'You don\'t have the rights to create a dataset under the namespace "{owner}"')
        repo = f"{owner}/{body['name']}"
        url = f"{self.hub.endpoint}/datasets/{repo}"
        with contextlib.suppress(Missing):
            self.hub.store.repo(repo)
            text = json.dumps({"error": "You already created this dataset repo", "url": url}).encode()
            self._send(409, text, {"Content-Type": "application/json"})
            return
        self.hub.store.create(repo, private=body.get("visibility") == "private")
        self.send_json({"url": url, "name": repo, "id": "0" * 24})

    def validate_yaml(self) -> None:
        content = self.json_body()["content"]
        match = re.match(r"---\n(.*?)\n---\n", content, re.DOTALL)
        try:
            front = yaml.safe_load(match[1]) if match else None
            assert isinstance(front, dict), "empty or missing yaml metadata in repo card"
            assert isinstance(front.get("tags", []), list), '"tags" must be an array'
        except (yaml.YAMLError, AssertionError) as error:
            text = json.dumps({"errors": [{"message": str(error)}], "warnings": []}).encode()
            self._send(400, text, {"Content-Type": "application/json"})
            return
        self.send_json({"errors": [], "warnings": []})

    def preupload(self, repo: str, revision: str) -> None:
        body = self.json_body()
        files = self.hub.store.files(repo, revision)
        answers = []
        for file in body["files"]:
            sample = base64.b64decode(file["sample"])
            large = file["path"].endswith(BINARY) or file["size"] > LARGE or b"\0" in sample
            known = files.get(file["path"])
            oid = (known["lfs"] or known["oid"]) if known else None
            mode = "lfs" if large else "regular"
            answers.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self.send_json({"files": answers})

    def commit(self, repo: str, revision: str) -> None:
        lines = [json.loads(line) for line in b"".join(self.chunks()).splitlines() if line.strip()]
        header = next(line["value"] for line in lines if line["key"] == "header")
        regular, large, deleted = {}, {}, []
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                regular[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                large[value["path"]] = value
            elif line["key"] == "deletedFile":
                deleted.append(value["path"])
            elif line["key"] == "deletedFolder":
                deleted.append(value["path"].rstrip("/") + "/")
        sha = self.hub.store.commit(
            repo, revision, regular, large, deleted, header["summary"], header.get("parentCommit")
        )
        url = f"{self.hub.endpoint}/datasets/{repo}/commit/{sha}"
        self.send_json({"success": True, "commitOid": sha, "commitUrl": url})

    def lfs_batch(self, repo: str) -> None:
        self.hub.store.repo(repo)
        body = self.json_body()
        objects = []
        for item in body["objects"]:
            oid, size = item["oid"], item["size"]
            answer: dict[str, Any] = {"oid": oid, "size": size, "authenticated": True}
            if not self.hub.store.lfs(oid).exists():
                if self.hub.quota and self.hub.store.used() + size > self.hub.quota:
                    raise Refused(403, "", "Private repository storage limit reached, please upgrade your plan.")
                verify = {"href": f"{self.hub.elsewhere.get('verify', self.hub.endpoint)}/lfs/verify"}
                answer["actions"] = {"upload": self._upload_action(oid, size), "verify": verify}
            objects.append(answer)
        self.send_json({"transfer": "multipart" if self.hub.part_size else "basic", "objects": objects})

    def _upload_action(self, oid: str, size: int) -> dict[str, Any]:
        base, part = self.hub.elsewhere.get("upload", self.hub.endpoint), self.hub.part_size
        if not part or size <= part:
            return {"href": f"{base}/lfs/put/{oid}"}
        count = -(-size // part)
        urls = {str(i + 1): f"{base}/lfs/part/{oid}/{i + 1}" for i in range(count)}
        return {"href": f"{base}/lfs/complete/{oid}", "header": {"chunk_size": str(part), **urls}}

    def lfs_put(self, oid: str, part: str = "") -> None:
        target = self.hub.store.root / "parts" / f"{oid}.{part}" if part else self.hub.store.lfs(oid)
        aside = self.hub.store.root / "parts" / f"{oid}.{part}.{time.monotonic_ns()}"
        corrupt = self.injected is not None and self.injected.kind == "corrupt"
        try:
            with aside.open("wb") as file:
                for data in self.chunks():
                    file.write(bytes([data[0] ^ 1]) + data[1:] if corrupt else data)
                    corrupt = False
            aside.rename(target)
        finally:
            aside.unlink(missing_ok=True)
        self._send(200, b"", {"ETag": f'"{part or oid}"'})

    def lfs_complete(self, oid: str) -> None:
        body = self.json_body()
        parts = [self.hub.store.root / "parts" / f"{oid}.{part['partNumber']}" for part in body["parts"]]
        target = self.hub.store.root / "parts" / f"{oid}.whole"
        with target.open("wb") as file:
            for path in parts:
                file.write(path.read_bytes())
                path.unlink()
        target.rename(self.hub.store.lfs(oid))
        self.send_json({"success": True})

    def lfs_verify(self) -> None:
        body = self.json_body()
        path = self.hub.store.lfs(body["oid"])
        if not path.exists():
            raise Refused(404, "", "object not found")
        if self.hub.checks_uploads:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != body["oid"] or path.stat().st_size != body["size"]:
                path.unlink()
                raise Refused(422, "", "The uploaded object does not have the hash it was announced with")
        self.send_json({"success": True})

    def info(self, repo: str, revision: str = "main") -> None:
        sha = self.hub.store.resolve(repo, revision)
        siblings = [{"rfilename": path} for path in self.hub.store.files(repo, revision)]
        private = self.hub.store.repo(repo)["private"]
        self.send_json({"id": repo, "sha": sha, "private": private, "tags": [], "siblings": siblings})

    def tree(self, repo: str, revision: str, path: str = "") -> None:
        files = self.hub.store.files(repo, revision)
        rows: list[dict[str, Any]] = [_row(name, files[name]) for name in sorted(files) if name.startswith(path)]
        folders = {"/".join(name.split("/")[:i]) for name in files for i in range(1, name.count("/") + 1)}
        rows += [{"type": "directory", "path": name, "oid": "0" * 40, "size": 0} for name in sorted(folders)]
        start = int(self.query.get("cursor", ["0"])[0])
        page = rows[start : start + self.hub.page]
        headers = {}
        if start + self.hub.page < len(rows):
            link = f"{self.hub.endpoint}{quote(self.route)}?recursive=True&cursor={start + self.hub.page}"
            headers["Link"] = f'<{link}>; rel="next"'
        self.send_json(page, headers)

    def paths_info(self, repo: str, revision: str) -> None:
        data = b"".join(self.chunks())
        if self.headers.get("Content-Type", "").startswith("application/json"):
            asked = json.loads(data)["paths"]
        else:
            asked = parse_qs(data.decode())["paths"]
        files = self.hub.store.files(repo, revision)
        self.send_json([_row(path, files[path]) for path in asked if path in files])

    def refs(self, repo: str) -> None:
        if "refs" in self.hub.lacks:
            raise Refused(404, "", "Not Found")
        state = self.hub.store.repo(repo)
        refs = {
            kind: [{"name": n, "ref": f"refs/{where}/{n}", "targetCommit": sha} for n, sha in state[kind].items()]
            for kind, where in (("branches", "heads"), ("tags", "tags"))
        }
        self.send_json({**refs, "converts": [], "pullRequests": []})

    def commits(self, repo: str, revision: str) -> None:
        sha, rows = self.hub.store.resolve(repo, revision), []
        while sha:
            rows.append({"id": sha, "title": "", "message": "", "authors": [], "date": "2025-01-01T00:00:00.000Z"})
            sha = self.hub.store.load_commit(sha)["parent"]
        self.send_json(rows)

    def tag(self, repo: str, revision: str) -> None:
        body = self.json_body()
        if "tags" in self.hub.lacks:
            raise Refused(404, "", "Not Found")
        with self.hub.store.lock:
            state = self.hub.store.repo(repo)
            if self.command == "DELETE":
                if revision not in state["tags"]:
                    raise Missing("RevisionNotFound")
                del state["tags"][revision]
            elif body["tag"] in state["tags"]:
                raise Conflict("Tag reference exists already")
            else:
                state["tags"][body["tag"]] = self.hub.store.resolve(repo, revision)
            self.hub.store.save(repo, state)
        self.send_json({})

    def branch(self, repo: str, revision: str) -> None:
        body = self.json_body()
        with self.hub.store.lock:
            state = self.hub.store.repo(repo)
            if self.command == "DELETE":
                del state["branches"][revision]
            elif revision in state["branches"]:
                raise Conflict("Reference already exists")
            else:
                state["branches"][revision] = self.hub.store.resolve(repo, body.get("startingPoint") or "main")
            self.hub.store.save(repo, state)
        self.send_json({})

    def resolve(self, repo: str, revision: str, path: str) -> None:
        sha = self.hub.store.resolve(repo, revision)
        entry = self.hub.store.files(repo, sha).get(path)
        if entry is None:
            raise Missing("EntryNotFound")
        headers = {"X-Repo-Commit": sha}
        if entry["lfs"]:
            location = f"/cdn/{entry['lfs']}?commit={sha}"
            linked = {"X-Linked-Size": str(entry["size"]), "X-Linked-Etag": f'"{entry["lfs"]}"'}
            self._send(302, b"", {**headers, **linked, "Location": location})
            return
        self.send_file(self.hub.store.content(entry), {**headers, "ETag": f'"{entry["oid"]}"'})

    def cdn(self, oid: str) -> None:
        commit = {"X-Repo-Commit": self.query["commit"][0]} if "commit" in self.query else {}
        self.send_file(self.hub.store.lfs(oid), {**commit, "ETag": f'"{oid}"'})


def _row(path: str, entry: dict[str, Any]) -> dict[str, Any]:
    row = {"type": "file", "path": path, "size": entry["size"], "oid": entry["oid"]}
    if entry["lfs"]:
        row["lfs"] = {"oid": entry["lfs"], "size": entry["size"], "pointerSize": 130}
    return row


REV = r"(?P<revision>[^/]+|refs/[^/]+/[^/]+)"
ROUTES: list[tuple[str, str, Callable[..., None]]] = [
    ("GET", r"/api/whoami-v2", Handler.whoami),
    ("POST", r"/api/repos/create", Handler.create),
    ("POST", r"/api/validate-yaml", Handler.validate_yaml),
    ("GET", rf"/api/{KIND}/{REPO}", Handler.info),
    ("GET", rf"/api/{KIND}/{REPO}/revision/{REV}", Handler.info),
    ("POST", rf"/api/{KIND}/{REPO}/preupload/{REV}", Handler.preupload),
    ("POST", rf"/api/{KIND}/{REPO}/commit/{REV}", Handler.commit),
    ("GET", rf"/api/{KIND}/{REPO}/commits/{REV}", Handler.commits),
    ("GET", rf"/api/{KIND}/{REPO}/tree/{REV}", Handler.tree),
    ("GET", rf"/api/{KIND}/{REPO}/tree/(?P<revision>[^/]+)/(?P<path>.+)", Handler.tree),
    ("POST", rf"/api/{KIND}/{REPO}/paths-info/{REV}", Handler.paths_info),
    ("GET", rf"/api/{KIND}/{REPO}/refs", Handler.refs),
    ("POST|DELETE", rf"/api/{KIND}/{REPO}/tag/{REV}", Handler.tag),
    ("POST|DELETE", rf"/api/{KIND}/{REPO}/branch/{REV}", Handler.branch),
    ("POST", rf"/(?:datasets/)?{REPO}\.git/info/lfs/objects/batch", Handler.lfs_batch),
    ("PUT", r"/lfs/put/(?P<oid>[0-9a-f]{64})", Handler.lfs_put),
    ("PUT", r"/lfs/part/(?P<oid>[0-9a-f]{64})/(?P<part>\d+)", Handler.lfs_put),
    ("POST", r"/lfs/complete/(?P<oid>[0-9a-f]{64})", Handler.lfs_complete),
    ("POST", r"/lfs/verify", Handler.lfs_verify),
    ("GET|HEAD", rf"/(?:datasets/)?{REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", Handler.resolve),
    ("GET|HEAD", r"/cdn/(?P<oid>[0-9a-f]{64})", Handler.cdn),
]
