"""Why an encrypted connection to a server is not made, in the words of OpenSSL; gRPC gives none."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import time

from rootstream.engine.remotes import Remote

WAIT = 5.0  # seconds
_DATES = re.compile(r"expired|not yet valid")


def fault(remote: Remote) -> tuple[str, str] | None:
    """Return what is wrong with the TLS of a server, and what to do about it; None if nothing is."""
    try:
        context = ssl.create_default_context(cafile=str(remote.ca) if remote.ca else None)
        context.set_alpn_protocols(["h2"])
        if remote.client_cert:
            context.load_cert_chain(remote.client_cert, remote.client_key)
        with (
            contextlib.closing(socket.create_connection(remote.address, WAIT)) as plain,
            context.wrap_socket(plain, server_hostname=remote.address[0]) as connection,
        ):
            if connection.selected_alpn_protocol() != "h2":
                return "the server speaks no HTTP/2", "Set the port of the cache, not that of a web server."
    except ssl.SSLCertVerificationError as error:
        return _of_certificate(error.verify_message or str(error))
    except ssl.SSLError as error:
        return f"no TLS: {error.reason or error}", "Check `url`: perhaps the server is at http:// or another port."
    except OSError as error:
        return f"no connection: {error.strerror or error}", "Check `url` and the network."
    return None


def _of_certificate(text: str) -> tuple[str, str]:
    if _DATES.search(text):
        now = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
        fix = f"Renew it, or correct the clock of this host, which says {now} UTC."
        return f"its certificate does not fit the time: {text}", fix
    if "ostname" in text or "IP address" in text:
        return f"its certificate is for another name: {text}", "Use the name that the certificate has in `url`."
    return f"its certificate is not trusted: {text}", "Set `ca` to the certificate of its authority."
