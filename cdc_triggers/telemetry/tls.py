"""Certificates on the way to a collector.

They are read when a connection is made, not at the start: a file that is missing or has run out
costs spans, no delivery, and once it is mended the next batch goes.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.errors import UsageError
from cdc_triggers.telemetry.record_queue import ExportError
from cdc_triggers.telemetry.variables import otlp, otlp_name

if TYPE_CHECKING:
    from collections.abc import Mapping


class File(NamedTuple):
    """A file in PEM, and the variable that names it."""

    variable: str
    path: str

    def read(self) -> bytes:
        """What is in it.

        Raises:
            ExportError: it cannot be read.
        """
        try:
            return Path(self.path).read_bytes()
        except OSError as error:
            raise self.unusable(error.strerror or type(error).__name__) from error

    def unusable(self, why: str) -> ExportError:
        """What is said of it."""
        return ExportError(f"{self.variable} is {self.path}: {why}")


class Files(NamedTuple):
    """What the variables name.

    Attributes:
        authority: whom to trust, instead of the machine's authorities.
        certificate: shown to a collector that asks.
        key: its key; None: it is in the same file.
    """

    authority: File | None
    certificate: File | None
    key: File | None


def files(environ: Mapping[str, str], signal: str) -> Files:
    """Those of a signal; they are not looked at.

    Raises:
        UsageError: there is a key and no certificate to it.
    """

    def named(name: str) -> File | None:
        path = otlp(environ, signal, name)
        return File(otlp_name(environ, signal, name), path) if path else None

    found = Files(named("CERTIFICATE"), named("CLIENT_CERTIFICATE"), named("CLIENT_KEY"))
    if found.key is not None and found.certificate is None:
        missing = found.key.variable.replace("CLIENT_KEY", "CLIENT_CERTIFICATE")
        raise UsageError(
            f"{found.key.variable} is set, and {missing} is not",
            hint=f"set {missing} to the file with the certificate of this key",
        )
    return found


def context(files: Files) -> ssl.SSLContext:
    """What a connection is made with.

    Raises:
        ExportError: one of the files cannot be used.
    """
    authority, certificate, key = files
    if authority is not None:
        authority.read()
    try:
        made = ssl.create_default_context(cafile=authority.path if authority else None)
    except (ssl.SSLError, ValueError) as error:
        assert authority is not None
        raise authority.unusable("there is no certificate in PEM in it") from error
    if certificate is not None:
        _load(made, certificate, key)
    return made


def _load(made: ssl.SSLContext, certificate: File, key: File | None) -> None:
    certificate.read()
    if key is not None:
        key.read()
    try:
        # without a password OpenSSL would ask for one on the terminal
        made.load_cert_chain(certificate.path, key.path if key else None, password="")
    except ssl.SSLError as error:
        why = "the key is not that of the certificate"
        if error.reason != "KEY_VALUES_MISMATCH":
            why = "there is no certificate with a key, in PEM and without a password, in it"
        raise certificate.unusable(why if key is None else f"{why} ({key.path})") from error


def trouble(error: BaseException | None) -> str | None:
    """What TLS has against a connection that failed with this error; None: nothing."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return untrusted(error.verify_message)
        if isinstance(error, ssl.SSLError):
            return f"TLS: {(error.reason or 'no connection').lower().replace('_', ' ')}"
        error = error.__cause__ or error.__context__
    return None


def untrusted(why: str) -> str:
    """What is said of a collector whose certificate is not accepted."""
    return (
        f"the certificate of the collector is not trusted: {why}; "
        "OTEL_EXPORTER_OTLP_CERTIFICATE names the file of its authority"
    )
