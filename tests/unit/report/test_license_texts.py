"""Which license a text is, by all of its words; what stands for several licenses, or has more words, is none."""

from __future__ import annotations

import pytest

from rootstream.report import license_texts

MIT = """\
The MIT License (MIT)

Copyright (c) 2014-2026 Jane Doe

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""
BSD = """\
Copyright 2009 The Gopher Authors.

Redistribution and use in source and binary forms, with or without
modification, are permitted provided that the following conditions are
met:

   * Redistributions of source code must retain the above copyright
notice, this list of conditions and the following disclaimer.
   * Redistributions in binary form must reproduce the above
copyright notice, this list of conditions and the following disclaimer
in the documentation and/or other materials provided with the
distribution.
   * Neither the name of Gopher Inc. nor the names of its
contributors may be used to endorse or promote products derived from
this software without specific prior written permission.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS
"AS IS" AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT
LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR
A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT
OWNER OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL,
SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT
LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE,
DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY
THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT
(INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE
OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
"""
GOOD = 'The Software shall be used for Good, not Evil.\n\nTHE SOFTWARE IS PROVIDED "AS'


@pytest.mark.parametrize(
    ("text", "license_"),
    [
        (MIT, "MIT"),
        (MIT.partition("\n\n")[2], "MIT"),
        (" ".join(MIT[MIT.index("Permission") :].split()), "MIT"),
        (BSD, "BSD-3-Clause"),
        (BSD.replace("\n", "\r\n").replace("*", "1."), "BSD-3-Clause"),
        (BSD[: BSD.index("   * Neither")] + BSD[BSD.index("\nTHIS") :], "BSD-2-Clause"),
        (MIT.replace('THE SOFTWARE IS PROVIDED "AS', GOOD), "JSON"),
        (MIT + "Not to be used on Sundays.\n", None),
        (MIT.replace("free of charge", "for a fee"), None),
        (MIT + BSD, None),
        ("Licensed under the MIT license.", None),
        ("", None),
        ("a" * (license_texts.MOST + 1), None),
    ],
)
def test_a_text_is_one_license_or_none(text: str, license_: str | None) -> None:
    assert license_texts.identified(text) == license_


def test_several_files_are_known_only_if_they_are_the_same() -> None:
    assert license_texts.of_files([("LICENSE", MIT), ("NOTICE", "by Jane Doe")]) == "MIT"
    assert license_texts.of_files([("LICENSE-MIT", MIT), ("LICENSE-BSD", BSD)]) is None
    assert license_texts.of_files([("LICENSE", MIT), ("COPYING", "see LICENSE")]) is None
    assert license_texts.of_files([("NOTICE", MIT)]) is None
    assert license_texts.of_files([]) is None


def test_no_text_is_taken_for_one_of_several_licenses() -> None:
    known = {license_texts.identified(text) for text in (MIT, BSD)}
    assert known == {"MIT", "BSD-3-Clause"}
    table = license_texts.table()
    assert not {"GPL-2.0-only", "GPL-2.0-or-later", "LGPL-3.0-only", "AGPL-3.0-or-later"} & {*table.values()}
    assert {"Apache-2.0", "MPL-2.0", "ISC", "Zlib"} <= {*table.values()}
