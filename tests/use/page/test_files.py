"""The page's own files: those of the list, and nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.use.page import files

FOLDER = Path(files.__file__).parent / "static"
WRITTEN = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}


def test_the_list_is_what_lies_in_the_folder():
    assert set(files.NAMES) == set(WRITTEN)


@pytest.mark.parametrize("address", files.FILES)
def test_a_file_is_served_with_its_type_and_kept_while_it_is_the_same(client, address):
    answer = client.get(address)
    name = address.strip("/") or "page.html"
    assert answer.text == WRITTEN[name]
    assert answer.headers["content-type"].startswith(files.TYPES[name.rpartition(".")[2]])
    again = client.get(address, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_nothing_is_asked_of_elsewhere():
    for name, text in WRITTEN.items():
        addresses = set(re.findall(r"https?://[^\s\"']+", text))
        assert addresses <= {"http://www.w3.org/2000/svg"}, name


def test_text_from_files_is_never_taken_for_markup():
    for name, text in WRITTEN.items():
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text
        ), name


def test_no_script_and_no_style_stands_in_the_page():
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]*src=)", WRITTEN["page.html"])
