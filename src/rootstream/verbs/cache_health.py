"""What `doctor` and `cache status` look at: address, TLS, token, the right to push, and clock of each server."""

from __future__ import annotations

from dataclasses import dataclass

from rootstream.engine import Engine, Remote, remote_api, tls
from rootstream.engine.host_requirements import Need
from rootstream.engine.remote_api import Answer
from rootstream.errors import UserError
from rootstream.events import Event, Notice

MOST_AHEAD = 120.0  # seconds that clocks may differ
READABLE_BY_OTHERS = 0o077


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a server is: whether it can be used as it is set, what was found, and what to do if it cannot."""

    remote: Remote
    met: bool
    found: str
    fix: str | None = None
    seconds: float = 0.0


def examined(engine: Engine) -> tuple[Health, ...]:
    """Ask all servers. Raises `UserError` engine-settings-invalid."""
    remotes = engine.remotes()
    answers = remote_api.probe(remotes)
    pushes = remote_api.probe(remotes, push=True)
    return tuple(
        _health(remote, answer, push) for remote, answer, push in zip(remotes, answers, pushes, strict=True)
    )


def _health(remote: Remote, answer: Answer, push: Answer) -> Health:
    if not answer.ok:
        wrong = tls.fault(remote) if remote.is_encrypted and answer.state in ("tls", "refused") else None
        found, fix = wrong or (f"it {answer.text}", _fix(answer))
        return Health(remote=remote, met=False, found=found, fix=fix)
    found = f"answers in {max(1, 1000 * answer.seconds):.0f} ms, {'may' if push.ok else 'may not'} be pushed to"
    if remote.push and not push.ok:
        fix = "Set `push: false`, or use a token that may write."
        return Health(remote=remote, met=False, found=f"`push` is set, but it {push.text}", fix=fix)
    if answer.ahead is not None and abs(answer.ahead) > MOST_AHEAD:
        word = "ahead of" if answer.ahead > 0 else "behind"
        text = f"its clock is {abs(answer.ahead):.0f} s {word} that of this host"
        return Health(remote=remote, met=False, found=text, fix="Have NTP set both, or certificates will fail.")
    if remote.token and remote.token.stat().st_mode & READABLE_BY_OTHERS:
        fix = f"chmod 600 {remote.token}"
        return Health(remote=remote, met=False, found=f"{remote.token} can be read by other users", fix=fix)
    if not remote.is_encrypted and push.ok and not _is_local(remote):
        fix = "Put TLS and tokens before it, as `rootstream cache serve` does."
        return Health(remote=remote, met=False, found=f"{found} by anybody, unencrypted", fix=fix)
    return Health(remote=remote, met=True, found=found, seconds=answer.seconds)


def _is_local(remote: Remote) -> bool:
    host = remote.address[0]
    return host in ("localhost", "::1") or host.startswith("127.")


def _fix(answer: Answer) -> str:
    match answer.state:
        case "token" | "forbidden":
            return "Set `token` to a file with a token that the server knows."
        case "silent":
            return "Check `url`, the network and firewalls: packets get no answer."
        case _:
            return "Check `url`, and whether the server is running."


def workers(engine: Engine) -> tuple[Need, ...]:
    """Return the need for the server of workers, if one is set."""
    wanted = engine.settings.workers
    if wanted is None:
        return ()
    answer = remote_api.probe_workers(wanted.remote)
    name = f"workers {wanted.remote.name}"
    if answer.ok:
        # the API has no question for it
        found = "executes builds; it cannot be asked whether workers have OSFamily=linux and ISA=x86-64"
        return (Need(name=name, met=True, found=found, weight="advised"),)
    wrong = tls.fault(wanted.remote) if wanted.remote.is_encrypted and answer.state in ("tls", "refused") else None
    text, fix = wrong or (f"it {answer.text}", _fix(answer))
    return (Need(name=name, met=False, found=text, fix=fix, weight="advised"),)


def signatures(engine: Engine) -> tuple[Need, ...]:
    """Return a need for each key whose signatures are demanded: a list that is valid, from any server."""
    trust = engine.trust
    if trust is None:
        return ()
    remotes = engine.remotes()
    answers = remote_api.probe(remotes)
    trust.refresh([each for each, answer in zip(remotes, answers, strict=True) if answer.ok], summary=False)
    found: list[Need] = []
    for key, name in trust.names.items():
        told, title = trust.lists.get(key), f"signatures of {name}"
        if told is None:
            text = "no list that it has signed is on a server: nothing is used by this key"
            fix = "Build with `push: true` and `sign_with`, or `rootstream cache push`, where the private key is."
            own = key == trust.own
            found.append(Need(name=title, met=own, found=text, fix=None if own else fix, weight="advised"))
            continue
        valid = told.is_valid(trust.now())
        until = f"{'valid until' if valid else 'expired at'} {told.expires:%Y-%m-%d %H:%M} UTC"
        text = f"a list of {len(told.entries)} results, {len(told.revoked)} revoked, {until}"
        renew = "`rootstream cache sign` where the private key is; or set the clock of this host."
        found.append(Need(name=title, met=valid, found=text, fix=None if valid else renew, weight="advised"))
    notes: list[Event] = []
    trust.tell(notes.append)
    found += [
        Need(name="signatures", met=False, found=each.text, fix="Find out who has pushed it.", weight="advised")
        for each in notes
        if isinstance(each, Notice)
    ]
    return (*found, *_readable(engine))


def _readable(engine: Engine) -> tuple[Need, ...]:
    path = engine.settings.signatures.sign_with if engine.settings.signatures else None
    if path is None or not path.stat().st_mode & READABLE_BY_OTHERS:
        return ()
    text = f"{path} can be read by other users"
    return (Need(name="signing key", met=False, found=text, fix=f"chmod 600 {path}", weight="advised"),)


def needs(engine: Engine) -> tuple[Need, ...]:
    """Return a need for each server that is set."""
    try:
        found = examined(engine)
    except UserError as error:
        return (Need(name="shared cache", met=False, found=error.message, fix=error.hint, weight="advised"),)
    servers = (
        Need(name=f"cache {each.remote.name}", met=each.met, found=each.found, fix=each.fix, weight="advised")
        for each in found
    )
    return (*servers, *signatures(engine), *workers(engine))
