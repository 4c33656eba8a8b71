"""Secrets stay out of plans, and out of what packs images until they are exported."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from rootstream.description import layers
from rootstream.errors import UserError
from rootstream.project.placeholders import LEAST, MARKER, MOST, Secret, has_secrets, hide, mark
from rootstream.project.secret_injection import CHUNK, fill
from rootstream.sandbox.images.cpio import write_cpio
from rootstream.sandbox.images.secrets import PLACEHOLDER, bearing, raw_xz, raw_zstd, write_around
from rootstream.sandbox.tree import Tree, text_file

HASH = "$6$saltsaltsalt$" + "x" * 86
KEY = b"a private key\n" * 20


def described() -> tuple[layers.Layer, ...]:
    user = layers.User(name="admin", password=layers.PasswordHash(hash=HASH + "1"))
    return (
        layers.UsersLayer(users=(user, layers.User(name="guest", password="empty"))),
        layers.RootLoginLayer(root_login=layers.RootLogin(password=layers.PasswordHash(hash=HASH))),
        layers.SecretsLayer(secrets=(layers.SecretFile(path="/etc/key", file="key"),)),
    )


def hidden() -> tuple[Secret, ...]:
    return hide("box", described(), {"key": KEY}).secrets


def test_placeholders_are_as_long_as_what_they_stand_for_and_differ() -> None:
    made = hide("box", described(), {"key": KEY})
    assert HASH not in repr(made.layers)
    assert "private" not in repr(made)
    assert "empty" in repr(made.layers)
    assert [secret.what for secret in made.secrets] == [
        "the password hash of admin",
        "the password hash of root",
        "/etc/key",
    ]
    assert [len(secret.placeholder) for secret in made.secrets] == [len(HASH) + 1, len(HASH), len(KEY)]
    assert len({secret.placeholder for secret in made.secrets}) == 3
    assert made.files == {"etc/key": (0o600, made.secrets[2].placeholder)}
    assert all(PLACEHOLDER.fullmatch(secret.placeholder) for secret in made.secrets)


def test_placeholders_do_not_depend_on_the_secret_and_the_mark_does() -> None:
    first, second = hidden(), hide("box", described(), {"key": KEY.swapcase()}).secrets
    assert [each.placeholder for each in first] == [each.placeholder for each in second]
    assert mark("digest", first) != mark("digest", second)
    assert mark("digest", ()) == "digest"


@pytest.mark.parametrize("size", [0, LEAST - 1, MOST + 1])
def test_a_secret_that_is_too_short_or_too_long_is_refused(size: int) -> None:
    with pytest.raises(UserError) as caught:
        hide("box", described(), {"key": bytes(size)})
    assert caught.value.reason == "secret-length"


def unpack(*argv: str) -> Callable[[Path], bytes]:
    def run(path: Path) -> bytes:
        if not shutil.which(argv[0]):
            pytest.skip(f"{argv[0]} is not installed")
        done = subprocess.run([*argv, str(path)], capture_output=True, check=True)
        assert done.stderr == b""
        return done.stdout

    return run


@pytest.mark.parametrize(
    ("kind", "unpacked"),
    [
        ("gzip", lambda path: gzip.decompress(path.read_bytes())),
        ("gzip", unpack("gzip", "-dc")),
        ("xz", lambda path: lzma.decompress(path.read_bytes())),
        ("xz", unpack("xz", "-dc")),
        ("zstd", unpack("zstd", "-qdc")),
    ],
)
def test_compressed_files_hold_secrets_after_the_fact(
    kind: str, unpacked: Callable[[Path], bytes], tmp_path: Path
) -> None:
    if kind != "gzip" and not shutil.which(kind):
        pytest.skip(f"{kind} is not installed")
    secrets = hidden()
    text = b"before " * 100_000 + b"|".join(each.placeholder for each in secrets) + b" after" * 300_000
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    plain.write_bytes(text)
    with packed.open("wb") as file:
        write_around(kind, None, plain, file, 0)
    assert unpacked(packed) == text
    assert packed.stat().st_size < len(text) / 50
    again = tmp_path / "again"
    with again.open("wb") as file:
        write_around(kind, None, plain, file, 0)
    assert again.read_bytes() == packed.read_bytes()
    fill(packed, secrets, 1)
    for each in secrets:
        text = text.replace(each.placeholder, each.content)
    assert unpacked(packed) == text
    assert MARKER not in text


def test_nothing_to_keep_is_an_ordinary_stream(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"x" * 100_000)
    with (tmp_path / "packed").open("wb") as file:
        write_around("gzip", None, tmp_path / "plain", file, 0)
    assert gzip.decompress((tmp_path / "packed").read_bytes()) == b"x" * 100_000


@pytest.mark.parametrize("size", [1, 3, 4, 100, 32768])
def test_raw_streams_of_every_length_are_valid(size: int, tmp_path: Path) -> None:
    data = hashlib.sha256(b"").digest() * (size // 32 + 1)
    assert lzma.decompress(raw_xz(data[:size])) == data[:size]
    (tmp_path / "raw.zst").write_bytes(raw_zstd(data[:size]))
    assert unpack("zstd", "-qdc")(tmp_path / "raw.zst") == data[:size]


def test_sparse_images_are_filled_wherever_the_placeholder_lies(tmp_path: Path) -> None:
    secrets = hidden()
    image = tmp_path / "disk.img"
    places = (4096, (4 << 20) - 20, (64 << 20) + 8190)
    with image.open("wb") as file:
        for secret, place in zip(secrets, places, strict=True):
            file.seek(place)
            file.write(secret.placeholder)
        file.truncate(1 << 30)
    fill(image, secrets, 1)
    with image.open("rb") as file:
        for secret, place in zip(secrets, places, strict=True):
            file.seek(place)
            assert file.read(len(secret.content)) == secret.content
    assert image.stat().st_blocks * 512 < 1 << 20


@pytest.mark.parametrize("before", range(len(MARKER) + 2))
def test_a_marker_on_the_edge_of_what_is_read_at_once_is_found(before: int, tmp_path: Path) -> None:
    (secret, *_) = hidden()
    image = tmp_path / "dense"
    image.write_bytes(b"x" * (CHUNK - before) + secret.placeholder + b"y" * CHUNK)
    fill(image, (secret,), 1)
    assert image.read_bytes() == b"x" * (CHUNK - before) + secret.content + b"y" * CHUNK


def test_a_secret_that_is_there_more_often_than_it_should_be_is_an_error(tmp_path: Path) -> None:
    (secret, *_) = hidden()
    image = tmp_path / "image"
    image.write_bytes(secret.placeholder + b"-" + secret.placeholder)
    with pytest.raises(UserError) as caught:
        fill(image, (secret,), 1)
    assert caught.value.reason == "secret-not-placed"
    assert "1 times, but its placeholder was found 2 times" in caught.value.message


def test_what_is_not_where_it_should_be_is_an_error(tmp_path: Path) -> None:
    secrets = hidden()
    image = tmp_path / "image"
    image.write_bytes(b"-".join(secret.placeholder for secret in secrets[:2]))
    with pytest.raises(UserError) as caught:
        fill(image, secrets, 1)
    assert caught.value.reason == "secret-not-placed"
    assert "/etc/key" in caught.value.message
    image.write_bytes(b"no secrets")
    fill(image, secrets, 0)


def test_an_archive_can_be_made_of_some_paths(tmp_path: Path) -> None:
    tree = Tree()
    tree.put("etc/shadow", text_file(b"root:" + hidden()[0].placeholder + b":1::::::\n", 0o640, 0, 42))
    tree.put("etc/passwd", text_file(b"root:x:0:0::/:/bin/sh\n"))
    apart = bearing(tree)
    assert apart == ("etc/shadow",)
    for name, inside in (("apart", True), ("rest", False)):
        with (tmp_path / name).open("wb") as file:
            write_cpio(tree, file, 0, only=lambda path, inside=inside: (path in apart) is inside)  # type: ignore[misc]
    assert b"etc/passwd" not in (tmp_path / "apart").read_bytes()
    assert b"etc/shadow" not in (tmp_path / "rest").read_bytes()
    assert PLACEHOLDER.search((tmp_path / "apart").read_bytes())


def test_layers_with_secrets_are_known() -> None:
    assert all(has_secrets((layer,)) for layer in described())
    plain = (
        layers.UsersLayer(users=(layers.User(name="guest", password="empty"),)),
        layers.RootLoginLayer(root_login=layers.RootLogin(password="locked")),
        layers.HostnameLayer(hostname="box"),
    )
    assert not has_secrets(plain)


@pytest.mark.parametrize("size", [LEAST, LEAST + 1, MOST - 1, MOST])
def test_a_secret_of_any_other_length_has_a_placeholder_of_its_length(size: int) -> None:
    (secret,) = hide("box", described(), {"key": bytes(size)}).secrets[-1:]
    assert len(secret.placeholder) == len(secret.content) == size
    assert secret.placeholder.startswith(MARKER)


@pytest.mark.parametrize("place", [0, 1, CHUNK - len(MARKER), CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1])
def test_a_placeholder_is_found_wherever_a_chunk_ends(tmp_path: Path, place: int) -> None:
    secret = hidden()[0]
    size = len(secret.placeholder)
    path = tmp_path / "image"
    path.write_bytes(bytes(place) + secret.placeholder + b"after" * 100)
    fill(path, (secret,), 1)
    assert path.read_bytes() == bytes(place) + secret.content.ljust(size)[:size] + b"after" * 100


def uimage(kind: int, data: bytes) -> bytes:
    """Return data with U-Boot's header before it, its checksums right."""

    def head(own: int) -> bytes:
        sums = struct.pack(">7I", 0x27051956, own, 0, len(data), 0, 0, zlib.crc32(data))
        return sums + bytes([5, 7, kind, 0]) + b"name".ljust(32, b"\0")

    return head(zlib.crc32(head(0))) + data


@pytest.mark.parametrize("kind", [3, 4])
def test_a_uimage_has_its_checksums_anew(tmp_path: Path, kind: int) -> None:
    secrets = hidden()

    def data(words: list[bytes]) -> bytes:
        part = b"before" + b"|".join(words) + b"after"
        return struct.pack(">3I", 8, len(part), 0) + b"kernel.." + part if kind == 4 else part

    path = tmp_path / "uImage"
    path.write_bytes(uimage(kind, data([each.placeholder for each in secrets])))
    fill(path, secrets, 1)
    assert path.read_bytes() == uimage(kind, data([each.content for each in secrets]))
