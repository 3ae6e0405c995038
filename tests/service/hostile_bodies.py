"""Requests that no honest client sends, made from a seed: damaged, lying, nested, and larger than they look."""

import io
import json
import struct
import zipfile
import zlib
from functools import cache

import pyarrow as pa
import pyarrow.parquet

from tests.service.conftest import images, json_rows, numbers, png, table

JSON, CSV, ZIP, PARQUET = "application/json", "text/csv", "application/zip", "application/vnd.apache.parquet"
BINARY, PNG = "application/octet-stream", "image/png"
TYPES = (
    JSON,
    CSV,
    ZIP,
    PARQUET,
    BINARY,
    PNG,
    "image/svg+xml",
    "text/tab-separated-values",
    "multipart/form-data",
    "",
    "é",
)
SCORE = tuple(f"/v1/models/{name}/score" for name in ("numbers", "table", "images"))
INFER = tuple(f"/v2/models/{name}/infer" for name in ("numbers", "table", "images"))
OTHERS = (
    "/v1/models/numbers/versions/1/score",
    "/v1/admin/models",
    "/try",
    "/try/score?model=images",
    "/sign-in",
    "/x",
)
VALUES = (
    "NaN",
    "-Infinity",
    "1e999",
    "-1e308",
    "5e-324",
    "9" * 400,
    "9" * 5000,
    '"\\ud800"',
    "null",
    "[]",
    "{}",
    "true",
)


def zip_of(*contents, method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for i, content in enumerate(contents):
            archive.writestr(f"{i}.png", content)
    return buffer.getvalue()


def pixel_bomb(width, height):
    """A PNG file of black pixels, a thousandth of their size."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * min((width + 1) * height, 10**8), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def parquet(table, **options):
    buffer = io.BytesIO()
    pa.parquet.write_table(table, buffer, **options)
    return buffer.getvalue()


# Bombs are made once: what takes the service little takes their maker long.
small_bomb = cache(pixel_bomb)


@cache
def archive_bomb(n, kind):
    """A zip archive of n zero bytes."""
    zeros = b"\0" * n
    return {"one": lambda: zip_of(zeros), "two": lambda: zip_of(zeros, zeros), "nested": lambda: zip_of(zip_of(zeros))}[
        kind
    ]()


@cache
def table_bomb(n, kind):
    """A Parquet file of n rows, values of a list, or columns."""
    if kind == "texts":
        text = pa.DictionaryArray.from_arrays(pa.array([0] * n, pa.int32()), ["x" * 100_000])
        return parquet(pa.table({"a": [0.0] * n, "city": text, "when": [0] * n}))
    if kind == "lists":
        return parquet(pa.table({"a": [[0.0] * n], "city": ["x"], "when": ["x"]}))
    return parquet(pa.table({f"c{i}": [0.0] for i in range(n // 100)}))


def post(path, content, media_type, framing=None, more=b""):
    """Return a request as bytes. `framing` is the header that says how long the body is, by default the truth."""
    framing = framing if framing is not None else b"Content-Length: %d\r\n" % len(content)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\n".encode()
    return head + framing + more + b"\r\n" + content


class HostileBodies:
    """Requests made from a random generator.

    Parameters
    ----------
    rng : random.Random
    """

    def __init__(self, rng):
        self.rng = rng
        frame, pictures = numbers(20, 0), [png(image) for image in images(3, 0)]
        rows = frame.to_numpy().tolist()
        tensor = {"name": "rows", "shape": [20, 3], "datatype": "FP64", "data": rows}
        self.good = [
            (SCORE[0], json.dumps({"rows": rows}).encode(), JSON),
            (SCORE[0], frame.to_csv(index=False).encode(), CSV),
            (SCORE[0], parquet(pa.Table.from_pandas(frame)), PARQUET),
            (SCORE[1], json.dumps({"rows": json_rows(table(5, 0))}).encode(), JSON),
            (SCORE[1], parquet(pa.Table.from_pandas(table(5, 0)), compression="zstd"), PARQUET),
            (SCORE[2], pictures[0], PNG),
            (SCORE[2], zip_of(*pictures), ZIP),
            (INFER[0], json.dumps({"inputs": [tensor]}).encode(), JSON),
        ]
        self.kinds = (
            *(self.random_bytes, self.other_type, self.damaged, self.truncated, self.values, self.deep, self.tensors),
            *(self.zip_bomb, self.pixels, self.wrong_length, self.chunks, self.headers, self.large_table),
        )

    def make(self):
        """Return the name of a kind of request, and its bytes."""
        kind = self.rng.choice(self.kinds)
        return kind.__name__, kind()

    def random_bytes(self):
        content = self.rng.randbytes(self.rng.choice((0, 1, 10, 1_000, 100_000)))
        return post(self.rng.choice(SCORE + INFER + OTHERS), content, self.rng.choice(TYPES))

    def other_type(self):
        _, content, _ = self.rng.choice(self.good)
        return post(self.rng.choice(SCORE + INFER + OTHERS), content, self.rng.choice(TYPES))

    def damaged(self):
        path, content, media_type = self.rng.choice(self.good)
        content = bytearray(content)
        for _ in range(self.rng.choice((1, 2, 8, 64))):
            content[self.rng.randrange(len(content))] = self.rng.randrange(256)
        return post(path, bytes(content), media_type)

    def truncated(self):
        path, content, media_type = self.rng.choice(self.good)
        return post(path, content[: self.rng.randrange(len(content))], media_type)

    def values(self):
        """Replace values of rows, and keys and lengths of the rest, by what JSON can hold at most."""
        cells = [self.rng.choice((*VALUES, "0.5", "1")) for _ in range(self.rng.choice((3, 3, 3, 0, 1, 50)))]
        row = f"[{','.join(cells)}]"
        if self.rng.random() < 0.3:
            names = [self.rng.choice(("x", "y", "z", "a", "city", "when", "id", "\\u0000")) for _ in cells]
            row = "{" + ",".join(f'"{name}":{cell}' for name, cell in zip(names, cells, strict=True)) + "}"
        body = '{"rows": [' + ",".join([row] * self.rng.choice((1, 1, 3, 200))) + "]}"
        return post(self.rng.choice(SCORE) + self.rng.choice(("", "?explain=true")), body.encode(), JSON)

    def deep(self):
        depth, (left, right) = self.rng.choice((10, 200, 900, 5_000, 100_000)), self.rng.choice(("[]", ('{"x":', "}")))
        body = left * depth + "1" + right * depth * self.rng.choice((0, 1))
        before, after = self.rng.choice(
            (("", ""), ('{"rows": [', "]}"), ('{"inputs": ', "}"), ('{"rows": [{"x":', "}]}"))
        )
        return post(self.rng.choice(SCORE + INFER), (before + body + after).encode(), JSON)

    def tensors(self):
        """Return a request of the Open Inference Protocol whose shapes, types and sizes contradict each other."""
        rng = self.rng
        shape = [rng.choice((0, 1, 2, 3, -1, 2**31, 2**40, 2**63, 1.5)) for _ in range(rng.choice((1, 2, 2, 3, 9)))]
        content, size = rng.randbytes(rng.choice((0, 8, 24, 1_000))), rng.choice((0, 8, 24, -1, 2**63, "8"))
        spec = {
            "name": rng.choice(("rows", "images", "x", "a", "city")),
            "shape": shape,
            "datatype": rng.choice(("FP64", "FP16", "INT64", "UINT8", "BOOL", "BYTES", "FP128", "")),
            **rng.choice(
                ({"data": [[1.0, 2.0, 3.0]]}, {"data": ["x"]}, {"parameters": {"binary_data_size": size}}, {})
            ),
        }
        outputs = rng.choice((None, [], [{"name": "score"}], [{"name": "x" * 10_000}], [{"name": "term.x"}] * 1_000))
        head = json.dumps({"inputs": [spec] * rng.choice((1, 1, 2, 500)), "outputs": outputs}).encode()
        length = b"Inference-Header-Content-Length: %d\r\n" % rng.choice((len(head), len(head), 0, 1, 10**15))
        return post(rng.choice(INFER), head + content, rng.choice((JSON, BINARY)), more=rng.choice((length, b"")))

    def zip_bomb(self):
        content = archive_bomb(
            self.rng.choice((1_000, 1_000_000, 30_000_000)), self.rng.choice(("one", "two", "nested"))
        )
        if self.rng.random() < 0.2:
            content = zip_of(*[b"x"] * 3_000)
        if self.rng.random() < 0.5:  # the directory contradicts the entries
            content = content[:-60] + self.rng.randbytes(38) + content[-22:]
        return post(SCORE[2], content, ZIP)

    def pixels(self):
        sides = (1, 16, 3_000, 6_000, 65_535, 2**31 - 1)
        content = small_bomb(self.rng.choice(sides), self.rng.choice(sides[:3]))
        content = content[: self.rng.choice((len(content), len(content) - 20, 60))]
        return self.rng.choice((post(SCORE[2], content, PNG), post(SCORE[2], zip_of(content, content), ZIP)))

    def wrong_length(self):
        """Return a request whose Content-Length lies, is repeated, or contradicts Transfer-Encoding."""
        path, content, media_type = self.rng.choice(self.good)
        n = len(content)
        lines = (
            b"%d" % (n + 1),
            b"%d" % (n * 1_000),
            b"%d" % (n // 2),
            b"0",
            b"-1",
            b"+5",
            b"0x10",
            b"1" * 30,
            b"",
            b"\xb2",
        )
        framing = b"Content-Length: " + self.rng.choice(lines) + b"\r\n"
        framing += self.rng.choice((b"", b"", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"))
        return post(path, content, media_type, framing)

    def chunks(self):
        """Return a request with a chunked body, whole or damaged."""
        path, content, media_type = self.rng.choice(self.good)
        size, body = self.rng.choice((1, 7, 1_000, 100_000)), b""
        for start in range(0, min(len(content), 2_000 * size), size):
            part = content[start : start + size]
            length = len(part) if self.rng.random() < 0.999 else self.rng.choice((0, len(part) + 1, 2**62))
            body += b"%x\r\n%s\r\n" % (length, part)
        end = (b"0\r\n\r\n", b"0\r\n\r\n", b"", b"zz\r\n", b"-1\r\n\r\n", b"0" * 5_000, b"0\r\nX: " + b"y" * 100_000)
        return post(path, body + self.rng.choice(end), media_type, b"Transfer-Encoding: chunked\r\n")

    def headers(self):
        path, content, media_type = self.rng.choice(self.good)
        lines = (
            b"Content-Encoding: gzip\r\n",
            b"X-Request-Id: " + self.rng.randbytes(50).replace(b"\r", b"").replace(b"\n", b"") + b"\r\n",
            b"Authorization: Bearer \xff\xfe\r\n",
            b"Cookie: " + b"egbad_session_80=a.b.c; " * 500 + b"\r\n",
            b"Accept-Language: " + b"ja;q=\xff," * 1_000 + b"\r\n",
            b"X: y\r\n" * 3_000,
            b"Expect: 100-continue\r\n",
            b"Range: bytes=0-\r\n",
            b"\r\n" * 3,
        )
        return post(path, content, media_type, more=self.rng.choice(lines))

    def large_table(self):
        """Return a Parquet or CSV file that holds far more than its size tells."""
        n = self.rng.choice((1_000, 10_000, 300_000))
        kind = self.rng.choice(("texts", "lists", "columns", "CSV"))
        if kind != "CSV":
            return post(SCORE[1], table_bomb(n, kind), PARQUET)
        head, cells = self.rng.choice(((b"a,city,when\n", b"1,"), (b'a,city,when\n1,"', b"x"), (b"", b"\n")))
        return post(SCORE[1], head + cells * n, CSV)
