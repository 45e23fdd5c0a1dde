"""Records of a file, and where they end."""

import io

import pytest

from ingest.import_lines import Lines, fingerprint

TEXT = '\ufeffa,b\r\n1,"two\nlines"\r\n\r\n3,ä\n4'.encode()


def test_reading_goes_on_at_the_end_of_any_record() -> None:
    whole = list(Lines(io.BytesIO(TEXT), ","))
    assert [(r.fields, r.line) for r in whole] == [(["a", "b"], 1), (["1", "two\nlines"], 3), (["3", "ä"], 5), (["4"], 6)]
    assert whole[-1].position == len(TEXT)
    for number, record in enumerate(whole, 1):
        file = io.BytesIO(TEXT)
        file.seek(record.position)
        assert list(Lines(file, ",", record.line)) == whole[number:]


def test_what_is_no_text_and_what_never_ends_are_records_too() -> None:
    garbage = b"\xff\xfe,1\n" + b'"' + b"x" * 200_000 + b"\n"
    first, second = Lines(io.BytesIO(garbage), ",")
    assert first.fields == ["\ufffd\ufffd", "1"]
    assert "field larger than field limit" in (second.wrong or "")
    assert second.fields == [garbage.splitlines()[1].decode()]


@pytest.mark.parametrize("lines", [10, 5_000])
@pytest.mark.parametrize("rest", ["x,2", '"x","2"', 'x,"2"'])
def test_a_quote_that_is_never_closed_takes_no_other_line_with_it(lines: int, rest: str) -> None:
    good = [f"{n},{rest}" for n in range(lines)]
    text = "\n".join([*good[:3], '3,"x', *good[4:]]) + "\n"
    file = io.BytesIO(text.encode())
    found = list(Lines(file, ",", misfit=lambda fields: None if len(fields) == 3 else "it has too many or too few"))
    assert [record.line for record in found] == list(range(1, lines + 1))
    assert [(record.line, record.fields) for record in found if record.wrong] == [(4, ['3,"x'])]
    file.seek(found[3].position)
    assert next(iter(Lines(file, ",", 4))) == found[4]


def test_a_file_is_known_by_its_content_and_how_it_is_read() -> None:
    one = fingerprint(io.BytesIO(b"a" * 200_000), "csv")
    assert one == fingerprint(io.BytesIO(b"a" * 200_000), "csv")
    others = [(b"a" * 200_001, "csv"), (b"a" * 199_999 + b"b", "csv"), (b"a" * 200_000, "tab")]
    assert one not in {fingerprint(io.BytesIO(content), how) for content, how in others}
