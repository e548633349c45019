import hashlib

import pytest

from flows.download import DownloadError, checksum, fetch, megabytes
from flows.public import PublicFile

CONTENT = bytes(range(256)) * 4000


def wanted(*urls, content=CONTENT, **changes):
    values = {
        "name": "films.bin",
        "urls": urls,
        "checksum": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "bytes": len(content),
        "unpack": "none",
        "into": ".",
        "holds": None,
    }
    return PublicFile(**{**values, **changes})


@pytest.fixture
def target(tmp_path):
    return tmp_path / "downloads" / "films.bin"


def test_a_file_comes_whole_and_leaves_nothing_else(publisher, target):
    publisher.files["films.bin"] = CONTENT
    url = publisher.address("films.bin")
    assert fetch(wanted(url), target) == url
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def test_after_a_lost_connection_only_the_rest_is_asked_for(publisher, target):
    publisher.files["films.bin"], publisher.cut_after = CONTENT, [300_000, 200_000]
    fetch(wanted(publisher.address("films.bin")), target)
    version = publisher.version("films.bin")
    assert publisher.asked == [
        ("films.bin", None, None),
        ("films.bin", "bytes=300000-", version),
        ("films.bin", "bytes=500000-", version),
    ]
    assert target.read_bytes() == CONTENT


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(publisher, target, monkeypatch):
    monkeypatch.setattr("flows.download.TRIES", 1)
    publisher.files["films.bin"], publisher.cut_after = CONTENT, [300_000, 0]
    file = wanted(publisher.address("films.bin"))
    with pytest.raises(DownloadError):
        fetch(file, target)
    assert not target.exists()
    fetch(file, target)
    assert publisher.asked[-1][1] == "bytes=300000-"
    assert target.read_bytes() == CONTENT


def test_a_server_without_ranges_gives_the_file_anew(publisher, target):
    publisher.files["films.bin"], publisher.cut_after, publisher.ranges = CONTENT, [300_000], False
    fetch(wanted(publisher.address("films.bin")), target)
    assert publisher.asked[-1][1] == "bytes=300000-"
    assert target.read_bytes() == CONTENT


def test_a_server_that_begins_elsewhere_than_asked_is_asked_anew(publisher, target):
    publisher.files["films.bin"], publisher.cut_after, publisher.starts_at = CONTENT, [300_000], 17
    fetch(wanted(publisher.address("films.bin")), target)
    assert [asked[1] for asked in publisher.asked] == [None, "bytes=300000-", None]
    assert target.read_bytes() == CONTENT


def test_the_beginning_of_an_older_file_is_not_mixed_with_a_newer_one(publisher, target, monkeypatch):
    monkeypatch.setattr("flows.download.TRIES", 1)
    newer = CONTENT[::-1]
    publisher.files["films.bin"], publisher.cut_after = CONTENT, [300_000, 0]
    file = wanted(publisher.address("films.bin"), checksum=None, bytes=None)
    with pytest.raises(DownloadError):
        fetch(file, target)
    publisher.files["films.bin"] = newer
    fetch(file, target)
    assert target.read_bytes() == newer


def test_a_second_address_goes_on_where_the_first_failed(publisher, target):
    publisher.files |= {"a": CONTENT, "b": CONTENT}
    publisher.cut_after = [300_000, 0, 0, 0]
    assert fetch(wanted(publisher.address("a"), publisher.address("b")), target) == publisher.address("b")
    assert publisher.asked[-1] == ("b", "bytes=300000-", None)
    assert target.read_bytes() == CONTENT


def test_without_a_checksum_no_two_addresses_are_mixed(publisher, target):
    publisher.files |= {"a": CONTENT, "b": CONTENT[::-1]}
    publisher.cut_after = [300_000, 0, 0, 0]
    fetch(wanted(publisher.address("a"), publisher.address("b"), checksum=None), target)
    assert publisher.asked[-1] == ("b", None, None)
    assert target.read_bytes() == CONTENT[::-1]


def test_wrong_bytes_are_deleted_and_the_next_address_is_asked(publisher, target):
    publisher.files |= {"a": CONTENT[::-1], "b": CONTENT}
    assert fetch(wanted(publisher.address("a"), publisher.address("b")), target) == publisher.address("b")
    assert target.read_bytes() == CONTENT


def test_wrong_bytes_everywhere_are_a_sentence_with_both_checksums(publisher, target):
    wrong = CONTENT[::-1]
    publisher.files["films.bin"] = wrong
    file = wanted(publisher.address("films.bin"))
    with pytest.raises(DownloadError) as caught:
        fetch(file, target)
    for words in (hashlib.sha256(wrong).hexdigest(), file.checksum, "which was deleted"):
        assert words in str(caught.value)
    assert list(target.parent.iterdir()) == []


def test_a_finished_part_with_the_wrong_checksum_is_deleted(publisher, target):
    publisher.files["films.bin"] = CONTENT
    part = target.with_name("films.bin.part")
    part.parent.mkdir()
    part.write_bytes(CONTENT[::-1])
    file = wanted(publisher.address("films.bin"))
    with pytest.raises(DownloadError, match="which was deleted"):
        fetch(file, target)
    assert publisher.asked == []
    fetch(file, target)
    assert target.read_bytes() == CONTENT


def test_a_file_of_another_size_is_not_even_read(publisher, target):
    publisher.files["films.bin"] = CONTENT + b"!"
    with pytest.raises(DownloadError, match="gave 1,024,001 bytes instead of 1,024,000"):
        fetch(wanted(publisher.address("films.bin")), target)
    assert not list(target.parent.iterdir())


def test_an_unknown_size_is_what_the_server_says(publisher, target):
    publisher.files["films.bin"], publisher.cut_after = CONTENT, [300_000]
    fetch(wanted(publisher.address("films.bin"), bytes=None), target)
    assert target.read_bytes() == CONTENT


def test_what_was_complete_but_for_its_name_is_asked_for_anew(publisher, target):
    publisher.files["films.bin"] = CONTENT
    target.parent.mkdir()
    target.with_name("films.bin.part").write_bytes(CONTENT)
    fetch(wanted(publisher.address("films.bin"), bytes=None), target)
    assert [asked[1] for asked in publisher.asked] == ["bytes=1024000-", None]
    assert target.read_bytes() == CONTENT


def test_a_file_that_is_not_there_is_asked_for_once(publisher, target):
    with pytest.raises(DownloadError, match=f"127.0.0.1:{publisher.port}: 404 Not Found"):
        fetch(wanted(publisher.address("films.bin")), target)
    assert len(publisher.asked) == 1


def test_a_fault_of_the_server_passes(publisher, target):
    publisher.files["films.bin"], publisher.status["films.bin"] = CONTENT, [503, 500]
    fetch(wanted(publisher.address("films.bin")), target)
    assert len(publisher.asked) == 3
    assert target.read_bytes() == CONTENT


def test_where_nobody_answers_a_few_tries_are_made(target, monkeypatch):
    pauses = []
    monkeypatch.setattr("flows.download.time.sleep", pauses.append)
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:9: .*refused"):
        fetch(wanted("http://127.0.0.1:9/films.bin"), target)
    assert pauses == [1.0, 2.0]


def test_a_log_gets_lines_and_a_terminal_a_bar(publisher, target, capsys, monkeypatch):
    publisher.files["films.bin"] = CONTENT
    file = wanted(publisher.address("films.bin"))
    fetch(file, target)
    out, err = capsys.readouterr()
    assert out == "films.bin: 1.0 MB of 1.0 MB\n"
    assert err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    fetch(file, target)
    out, err = capsys.readouterr()
    assert out == ""
    assert "films.bin: 100%" in err


def test_a_checksum_is_written_as_the_catalogue_writes_it(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert checksum(path) == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert checksum(path, "md5") == "md5:900150983cd24fb0d6963f7d28e17f72"


def test_sizes_are_for_people():
    assert [megabytes(size) for size in (4542, 170498071)] == ["4,542 bytes", "170.5 MB"]
