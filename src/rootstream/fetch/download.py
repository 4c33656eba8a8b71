"""Download files by hash from several mirrors: in parallel, resumed, verified, with deadlines and bounds.

The thread that calls `fetch` reports progress and warnings, and may be interrupted at any time.
"""

from __future__ import annotations

import queue
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from rootstream.fetch.mirrors import Mirror
from rootstream.fetch.progress import Progress, Rate
from rootstream.fetch.store import Store
from rootstream.fetch.transfer import TICK, Job, Limits, Worker, disk_fault
from rootstream.formats.faults import Fault
from rootstream.formats.records import Item

LINGER = 2.0  # seconds that a worker gets to notice the end


def _room(store: Store, items: Sequence[Item]) -> None:
    """Refuse a fetch that cannot fit; raises `Fault` disk-full."""
    store.root.mkdir(parents=True, exist_ok=True)
    needed, free = sum(item.size for item in items), shutil.disk_usage(store.root).free
    if needed > free:
        raise Fault(
            "disk-full",
            f"{needed} bytes have to be downloaded, but only {free} are free in {store.root}",
            detail="Free disk space and run the same command again.",
        )


def fetch(
    items: Sequence[Item],
    mirrors: Sequence[Mirror],
    store: Store,
    *,
    progress: Callable[[Progress], None],
    warn: Callable[[str], None],
    limits: Limits | None = None,
    proxies: Mapping[str, str] | None = None,
    folders: Sequence[str] = (),
    snapshots: Sequence[str] = (),
) -> int:
    """Get what is not in the store yet and return the number of bytes that were missing.

    `folders` hold files by their SHA-256 and are asked before the mirrors, `snapshots` are mirrors asked last.

    `progress` and `warn` are called in the calling thread; `proxies` are for when the environment names none
    (see `transport.proxy_for`). Raises `Fault` not-on-mirror, download-failed,
    disk-full or store-unusable.
    """
    limits = limits or Limits()
    wanted = {item.sha256: item for item in items}.values()
    missing = sorted((item for item in wanted if not store.has(item)), key=lambda item: (-item.size, item.path))
    try:
        _room(store, missing)
    except OSError as error:
        raise disk_fault(error, store) from error
    job = Job(
        store=store,
        mirrors=tuple(mirrors),
        folders=tuple(folders),
        snapshots=tuple(snapshots),
        limits=limits,
        proxies=proxies or {},
    )
    job.files = len(wanted) - len(missing)
    job.bytes = sum(item.size for item in wanted) - sum(item.size for item in missing)
    for item in missing:
        job.todo.put(item)
    workers = [Worker(job) for _ in range(min(limits.connections, len(missing)))]
    try:
        for worker in workers:
            worker.start()
        _attend(job, workers, len(wanted), sum(item.size for item in wanted), progress, warn)
    finally:
        job.stop.set()
        for worker in workers:
            worker.abort()
        for worker in workers:
            with suppress(RuntimeError):  # one that was never started
                worker.join(LINGER)
    return sum(item.size for item in missing)


def _attend(
    job: Job,
    workers: Sequence[Worker],
    files: int,
    size: int,
    progress: Callable[[Progress], None],
    warn: Callable[[str], None],
) -> None:
    """Wait for the workers, pass on what they have to say, and raise the first fault."""
    running, rate, reported = len(workers), Rate(), time.monotonic()
    rate.add(reported, job.bytes)
    while running:
        now = time.monotonic()
        if now - reported >= job.limits.report:
            reported = now
            progress(
                Progress(
                    files=job.files,
                    all_files=files,
                    bytes=job.bytes,
                    all_bytes=size,
                    rate=rate.add(now, job.bytes),
                )
            )
        for worker in workers:
            worker.watch(now)
        try:
            event = job.events.get(timeout=TICK)
        except queue.Empty:
            continue
        if event is None:
            running -= 1
        elif isinstance(event, Fault):
            raise event
        else:
            warn(event)
