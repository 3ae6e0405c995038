"""CSV files of several dialects."""

import random

from tests.fuzz.data_files import check_data
from tests.fuzz.harness import Target, mutate_bytes

_CELLS = (
    *(b"", b"NA", b"-", b"1,234.50", b"$3", b"12%", b"1e400", b"-inf", b"0x1F", b"true", b"2024-02-30", b"25:61"),
    *(b'"', b'""', b'"a""b"', b"'", b";", b"\t", b"\r", b"\r\n", b"#", b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b"\xe9"),
    *(b"9" * 5000, b"x" * 100_000, b"," * 3000, b'"' * 999, b"\n" * 50),
)


def seeds() -> list[bytes]:
    """Return tables of several dialects and column types."""
    rows = [(i, f"{i * 0.37 - 3:.4f}", "abc"[i % 3], f"2024-01-{i % 28 + 1:02d}", i % 2 == 0) for i in range(40)]
    lines = ["number,value,level,day,flag", *(",".join(map(str, row)) for row in rows)]
    usual = "\n".join(lines)
    german = usual.replace(",", ";").replace(".", ",")
    quoted = "a,b\n" + "\n".join(f'{i}.5,"level {i % 3}, ""x"""' for i in range(30))
    plain = "\r\n".join(f"{i}\t{i * i}\t{-i}" for i in range(30))
    commented = "# a comment\n" + usual
    texts = [usual.encode(), german.encode(), quoted.encode(), plain.encode(), commented.encode()]
    return [*texts, usual.replace("abc"[0], "é").encode("latin-1"), usual.encode("utf-16")]


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Change bytes, or insert cells and delimiters."""
    if rng.randrange(2):
        return mutate_bytes(content, rng)
    for _ in range(rng.choice((1, 2, 5))):
        at = rng.randrange(len(content) + 1)
        content = content[:at] + rng.choice(_CELLS) + content[at:]
    return content


TARGET = Target(check=check_data, seeds=seeds, suffix=".csv", mutate=mutate)
