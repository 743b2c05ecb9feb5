"""A stand-in for InfluxDB 2.7: its API and its answers, in front of an InfluxDB 1.6.7.

What a 2.7.12 answers was recorded; the 1.6.7 keeps the data. A bucket is a database of the 1.6.7,
a bucket `<bucket>/<policy>` one of its retention policies. Of Flux it knows the roll-ups only.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
import urllib.error
import urllib.request
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from support.databases import Influxd

ORG = "farm"
ORG_ID = "0a1b2c3d4e5f6071"
TOKEN = "t0ken-of-all"
_PIPELINE = re.compile(
    r'from\(bucket: "(?P<source>[^"]+)"\)'
    r" \|> range\(start: time\(v: (?P<start>\d+)\), stop: time\(v: (?P<stop>\d+)\)\)"
    r" \|> filter\(fn: \(r\) => (?P<wanted>[^\n]+?)\)"
    r" \|> aggregateWindow\(every: (?P<every>\w+), fn: (?P<made>\w+), createEmpty: false,"
    r' timeSrc: "_start"\)'
    r" \|> map\(fn: \(r\) => \(\{r with [^\n]+?\}\)\)"
    r' \|> to\(bucket: "(?P<target>[^"]+)"\)'
    r"(?P<empty> \|> filter\(fn: \(r\) => false\))?"
    r' \|> yield\(name: "(?P<name>\w+)"\)')


class Answer(NamedTuple):
    """A response; content None is an empty body."""

    status: int
    content: Any = None
    content_type: str = "application/json; charset=utf-8"


class Refusal(Exception):
    """An unsuccessful response of /api/v2."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.answer = Answer(status, {"code": code, "message": message})


class Influx2:
    """Serves the API of a 2.x on `url` until it is left. `tokens`: the buckets each may use."""

    def __init__(self, engine: Influxd) -> None:
        self.engine = engine
        self.buckets: dict[str, dict[str, Any]] = {}
        self.tasks: dict[str, dict[str, Any]] = {}
        self.tokens: dict[str, set[str] | None] = {TOKEN: None}  # None: every bucket, and set-up
        self.flux_bytes = 0  # bytes that answers to Flux had
        self.flux_answer: str | None = None  # given to Flux, unless None
        self._ids = count(1)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _new_id(self) -> str:
        return f"{next(self._ids):016x}"

    def sees(self, token: str, bucket: str) -> bool:
        """Return whether a token may read and write a bucket."""
        allowed = self.tokens[token]
        return allowed is None or bucket in allowed

    def ask_engine(
        self, method: str, path: str, query: dict[str, str], body: bytes | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Return status and content of an answer of the 1.6.7."""
        request = urllib.request.Request(
            f"{self.engine.url}{path}?{urlencode(query)}", data=body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, json.loads(response.read() or b"{}")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def run(self, database: str, text: str) -> list[list[Any]]:
        """Run a statement in the 1.6.7; return its rows."""
        _, content = self.ask_engine(
            "POST", "/query", {"db": database, "q": text, "epoch": "ns"})
        result, = content["results"]
        assert "error" not in result, (text, result)
        return [row for series in result.get("series", ()) for row in series["values"]]

    def set_up(
        self, method: str, path: str, query: dict[str, str], raw: bytes, token: str
    ) -> Answer:
        """Answer a request for buckets or tasks."""
        resource, _, number = path.partition("/")
        if method == "GET" and resource == "buckets":
            return Answer(200, {"buckets": [
                bucket for name, bucket in self.buckets.items()
                if query.get("name", name) == name and self.sees(token, name)]})
        if self.tokens[token] is not None:
            raise Refusal(401, "unauthorized", f"write:orgs/{ORG_ID}/{resource} is unauthorized")
        if resource == "tasks":
            return self._task(method, number, query, raw)
        if method == "POST":
            return self.create_bucket(json.loads(raw))
        bucket = next((each for each in self.buckets.values() if each["id"] == number), None)
        if bucket is None:
            raise Refusal(404, "not found", "bucket not found")
        if method == "DELETE":
            return self.remove_bucket(bucket)
        return self.update_bucket(bucket, json.loads(raw))

    def _task(self, method: str, number: str, query: dict[str, str], raw: bytes) -> Answer:
        if method == "POST":
            return self.create_task(json.loads(raw))
        if method == "DELETE":
            del self.tasks[number]
            return Answer(204)
        return Answer(200, {"tasks": [task for task in self.tasks.values()
                                      if query.get("name", task["name"]) == task["name"]]})

    def orgs(self, token: str, name: str) -> Answer:
        """Return the organisations that a token sees."""
        if name != ORG:
            raise Refusal(404, "not found", f'organization name "{name}" not found')
        is_seen = self.tokens[token] is None
        return Answer(200, {"orgs": [{"id": ORG_ID, "name": ORG}] if is_seen else []})

    def create_bucket(self, wanted: dict[str, Any]) -> Answer:
        """Create a bucket."""
        name = wanted["name"]
        if name in self.buckets:
            raise Refusal(422, "conflict", f"bucket with name {name} already exists")
        bucket = {"id": self._new_id(), "orgID": wanted["orgID"], "name": name,
                  "retentionRules": []}
        database, _, policy = name.partition("/")
        self.run("", f'CREATE DATABASE "{database}"')
        if policy:
            self.run(database, f'CREATE RETENTION POLICY "{policy}" ON "{database}"'
                               " DURATION INF REPLICATION 1")
        self.buckets[name] = bucket
        return self.update_bucket(bucket, wanted, 201)

    def update_bucket(
        self, bucket: dict[str, Any], wanted: dict[str, Any], status: int = 200
    ) -> Answer:
        """Set the retention of a bucket."""
        database, _, policy = bucket["name"].partition("/")
        seconds = sum(rule["everySeconds"] for rule in wanted.get("retentionRules", ()))
        shard_s = 604_800 if not seconds or seconds > 180 * 86_400 else (
            86_400 if seconds >= 2 * 86_400 else 3_600)
        self.run(database, f'ALTER RETENTION POLICY "{policy or "autogen"}" ON "{database}"'
                           f" DURATION {f'{seconds}s' if seconds else 'INF'}"
                           f" SHARD DURATION {shard_s}s")
        bucket["retentionRules"] = [{"type": "expire", "everySeconds": seconds,
                                     "shardGroupDurationSeconds": shard_s}] if seconds else []
        return Answer(status, bucket)

    def remove_bucket(self, bucket: dict[str, Any]) -> Answer:
        """Delete a bucket with its data."""
        database, _, policy = bucket["name"].partition("/")
        if policy:
            self.run(database, f'DROP RETENTION POLICY "{policy}" ON "{database}"')
        else:
            self.run("", f'DROP DATABASE "{database}"')
        del self.buckets[bucket["name"]]
        return Answer(204)

    def create_task(self, wanted: dict[str, Any]) -> Answer:
        """Store a task; it never runs here."""
        name = re.findall(r'option task = \{\s*name: "([^"]+)"', wanted["flux"])[0]
        task = {"id": self._new_id(), "name": name, "status": "active",
                "orgID": wanted.get("orgID", ORG_ID), "flux": wanted["flux"]}
        self.tasks[task["id"]] = task
        return Answer(201, task)

    def write(self, token: str, bucket: str, body: bytes) -> Answer:
        """Write lines: all of them or none if one cannot be parsed; else those that fit."""
        if bucket not in self.buckets or not self.sees(token, bucket):
            raise Refusal(404, "not found", f'bucket "{bucket}" not found')
        if not body:
            raise Refusal(400, "invalid", "writing requires points")
        self.run("", "CREATE DATABASE parsing")
        _, parsed = self.ask_engine(
            "POST", "/write", {"db": "parsing", "precision": "n"}, body)
        self.run("", "DROP DATABASE parsing")
        refused = re.search(r"unable to parse .*(?= dropped=\d+$)", parsed.get("error", ""), re.S)
        if refused:
            raise Refusal(400, "invalid", refused[0])
        status, content = self.ask_engine(
            "POST", "/write", {"db": bucket, "precision": "n"}, body)
        if status == 204:
            return Answer(204)
        why = str(content["error"])
        too_old = re.fullmatch(
            r"partial write: points beyond retention policy dropped=(\d+)", why)
        if too_old:
            seconds = self.buckets[bucket]["retentionRules"][0]["everySeconds"]
            edge = "Retention Policy Lower Bound at 2026-11-21T01:14:22.68Z"
            why = (f"partial write: dropped {too_old[1]} points outside retention policy of"
                   f" duration {seconds // 3_600}h0m0s - oldest point m,a=i at"
                   f" 1970-01-01T00:00:00.000001Z dropped because it violates a {edge}, newest"
                   f" point m,a=i at 1970-01-01T00:00:00.000001Z dropped because it violates a"
                   f" {edge} dropped={too_old[1]} for database: e1400a0b67673889 for retention"
                   " policy: autogen")
        raise Refusal(422, "unprocessable entity",
                      f"failure writing points to database: {why}")

    def query(self, method: str, token: str, query: dict[str, str]) -> Answer:
        """Answer InfluxQL. Answers to statements that are not listed are those of the 1.6.7."""
        text, database = query["q"], query.get("db", "")
        status, content = self.ask_engine(method, "/query", query)
        if status == 400:
            return Answer(400, {"code": "invalid", "message": content["error"].replace(
                "error parsing query", "failed to parse query")})
        if text.startswith("DELETE") and "error" not in content["results"][0]:
            return Answer(200, {})
        results = content["results"]
        for result in results:
            if text.startswith("SHOW RETENTION POLICIES"):
                named = re.findall(r' ON "?([^"]+)"?', text)[0]
                result.pop("error", None)
                rows = [row for series in result.get("series", ()) for row in series["values"]
                        if self.sees(token, named if row[0] == "autogen" else f"{named}/{row[0]}")]
                series = {"columns": ["name", "duration", "shardGroupDuration", "replicaN",
                                      "default"]}
                if rows:
                    series["values"] = [[row[0], "0s", "168h0m0s", 1, row[4]] for row in rows]
                result["series"] = [series]
            elif not self.sees(token, database) or "database not found" in result.get("error", ""):
                result.clear()
                result["statement_id"] = 0
                result["error"] = (f"default retention policy not set for: {database}"
                                   if text.startswith("SHOW TAG VALUES")
                                   else f"database not found: {database}")
        return Answer(200, content)

    def flux(self, script: str) -> Answer:
        """Compute roll-ups; the answer has the rows that the script yields."""
        if self.flux_answer is not None:
            return Answer(200, self.flux_answer, "text/csv; charset=utf-8")
        yielded: list[list[Any]] = []
        found = list(_PIPELINE.finditer(script))
        assert len(found) == script.count("from(bucket:"), script
        steps: dict[tuple[str, ...], list[re.Match[str]]] = {}
        for part in found:
            steps.setdefault(part.group("source", "target", "start", "stop", "every"), []).append(
                part)
        for parts in steps.values():
            yielded += self._roll(parts)
        body = "".join(f",,0,{row[0]}\r\n" for row in yielded)
        head = ("#datatype,string,long,string\r\n#group,false,false,false\r\n"
                "#default,_result,,\r\n,result,table,_time\r\n")
        body = head + body if yielded else "\r\n"
        self.flux_bytes += len(body)
        return Answer(200, body, "text/csv; charset=utf-8")

    def _roll(self, parts: list[re.Match[str]]) -> list[list[Any]]:
        """Compute pipelines of the same source and target in one statement."""
        source, target, start, stop, every = parts[0].group(
            "source", "target", "start", "stop", "every")
        for bucket in (source, target):
            if bucket not in self.buckets:
                raise Refusal(404, "not found", f'failed to initialize execute state: could not'
                              f' find bucket "{bucket}"')
        database, _, policy = target.partition("/")
        source_policy = source.partition("/")[2]
        if not source_policy:
            drawn, measurement = ",".join(f"{part['made']}(*)" for part in parts), "sample"
        else:
            name = re.findall(r'r\._measurement == "(\w+)"', parts[0]["wanted"])[0]
            measurement = f'"{database}"."{source_policy}"."{name}"'
            keys = [row[0] for row in self.run(database, f"SHOW FIELD KEYS FROM {measurement}")]
            made = {re.findall(r"r\._field =~ /\^(\w+)_/", part["wanted"])[0]: part["made"]
                    for part in parts}
            drawn = ",".join(f'{made[key.partition("_")[0]]}("{key}") AS "{key}"' for key in keys)
        where = f"WHERE time >= {start} AND time < {stop}"
        if drawn:
            self.run(database, f'SELECT {drawn} INTO "{database}"."{policy}"."sample_{every}"'
                               f" FROM {measurement} {where} GROUP BY time({every}), *")
        if all(part["empty"] for part in parts):
            return []
        return self.run(database, f'SELECT * FROM "{policy}"."sample_{every}" {where}')


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65_536  # head and body in one packet

    def __init__(self, api: Influx2, *arguments: Any) -> None:
        self._api = api
        super().__init__(*arguments)

    def do_GET(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.headers["Content-Encoding"] == "gzip":
            raw = gzip.decompress(raw)
        parts = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        try:
            answer = self._answer(parts.path, query, raw)
        except Refusal as refusal:
            answer = refusal.answer
        body = answer.content if isinstance(answer.content, str) else json.dumps(answer.content)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("X-Influxdb-Version", "v2.7.12")
        if answer.status != 204:
            self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        if answer.status != 204:
            self.wfile.write(body.encode())

    do_POST = do_PATCH = do_DELETE = do_GET

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, path: str, query: dict[str, str], raw: bytes) -> Answer:
        if path == "/ping":
            return Answer(204)
        token = (self.headers["Authorization"] or "").removeprefix("Token ")
        if token not in self._api.tokens:
            raise Refusal(401, "unauthorized",
                          "Unauthorized" if path == "/query" else "unauthorized access")
        if path == "/query":
            return self._api.query(self.command, token, query)
        if path == "/api/v2/write":
            return self._api.write(token, query["bucket"], raw)
        if path == "/api/v2/query":
            return self._api.flux(json.loads(raw)["query"])
        if path == "/api/v2/orgs":
            return self._api.orgs(token, query.get("org", ORG))
        return self._api.set_up(
            self.command, path.removeprefix("/api/v2/"), query, raw, token)
