"""What a lock has of downloads that no package has a hash of."""

from __future__ import annotations

from rootstream.buildroot.sources import pins
from rootstream.project import lock
from rootstream.project.lock import Lock


def test_a_lock_is_read_back() -> None:
    tree = '{"kind":"buildroot_tar","url":"https://x.example/buildroot_download"}'
    download = pins.request("linux/linux-6.12.tar.xz")
    written = Lock(refs={download: {"sha256": "1" * 64}, tree: {"sha256": "2" * 64}})
    assert pins.of_lock(written) == {"linux/linux-6.12.tar.xz": "1" * 64}
    assert lock.describe(download) == "download linux/linux-6.12.tar.xz"
