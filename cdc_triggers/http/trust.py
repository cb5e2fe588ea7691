"""Whose certificates are believed when an endpoint is called over TLS."""

from __future__ import annotations

import ssl

import certifi

from cdc_triggers.errors import UsageError


def tls_context(ca_pem: bytes | None) -> ssl.SSLContext:
    """The system's authorities; SSL_CERT_FILE and SSL_CERT_DIR each replace a part of them.

    certifi's where there is neither.

    Args:
        ca_pem: certificates to trust besides them.

    Raises:
        UsageError: `ca_pem` holds no certificate.
    """
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    paths = ssl.get_default_verify_paths()
    if paths.cafile is None and paths.capath is None:
        context.load_verify_locations(cafile=certifi.where())
    if ca_pem is not None:
        add_authorities(context, ca_pem)
    return context


def add_authorities(context: ssl.SSLContext, ca_pem: bytes) -> None:
    """Trust these too.

    Raises:
        UsageError: it holds no certificate.
    """
    try:
        context.load_verify_locations(cadata=ca_pem.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise UsageError("no PEM certificate in the CA bundle given") from error
