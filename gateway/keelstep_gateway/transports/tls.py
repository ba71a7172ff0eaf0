"""Whom does a call trust, and what does it show? TLS contexts of certificates in the tenant's Secret.

A context is made once for the same certificates. Private keys go from memory to the TLS library and never to a disk.
"""

import os
import ssl
from collections import OrderedDict
from collections.abc import Mapping

from keelstep.kinds.contract import ToolContractSpec
from keelstep_gateway.transports.transport import CallError

MOST = 256
"""Contexts that are kept."""


class Contexts:
    """The contexts in use."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str, str], ssl.SSLContext] = OrderedDict()

    def of(self, spec: ToolContractSpec, secrets: Mapping[str, str]) -> ssl.SSLContext | None:
        """The context of a contract; None where it names no certificates.

        Raises:
            CallError: what the Secret holds is no certificate, or not the key of it.
        """
        shown, trusted = spec.credentials.client_certificate, spec.credentials.ca_certificate
        if shown is None and trusted is None:
            return None
        wanted = (
            secrets[trusted.key] if trusted is not None else "",
            secrets[shown.certificate_key] if shown is not None else "",
            secrets[shown.private_key_key] if shown is not None else "",
        )
        found = self._known.get(wanted)
        if found is None:
            found = self._known[wanted] = _context(*wanted)
            if len(self._known) > MOST:
                self._known.popitem(last=False)
        self._known.move_to_end(wanted)
        return found


def _context(authorities: str, certificate: str, private_key: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=authorities or None)
        if certificate:
            _show(context, f"{certificate}\n{private_key}\n")
    except (ssl.SSLError, ValueError, OSError) as error:
        what = "client certificate or its key" if certificate else "CA certificate"
        raise CallError("CertificateInvalid", f"the Secret's {what} is not valid PEM") from error
    return context


def _show(context: ssl.SSLContext, pem: str) -> None:
    """Load a certificate and its key, which the library only takes from a file: one that is nowhere but in memory."""
    descriptor = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, pem.encode())
        # a key with a passphrase is none we can use; without this the library would ask at the terminal
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=lambda: "")
    finally:
        os.close(descriptor)
