"""A client of a DICOMweb server, with its proof of identity. Needs the extra `node`."""

from __future__ import annotations

import requests
from dicomweb_client.api import DICOMwebClient

from hyoid.errors import UsageError
from hyoid.interfaces.dicomweb.settings import WebServer


def web_client(server: WebServer) -> DICOMwebClient:
    """Make a client that tries once: when to try again is the node's decision.

    Parameters
    ----------
    server : WebServer
        Address and proof of identity.

    Raises
    ------
    UsageError
        When the file of a password or token cannot be read.
    """
    session = requests.Session()
    session.trust_env = False  # no proxy and no password of the environment
    try:
        if server.password_file is not None:
            session.auth = (server.user, server.password_file.read_text(encoding="utf-8").strip())
        if server.token_file is not None:
            session.headers["Authorization"] = f"Bearer {server.token_file.read_text(encoding='utf-8').strip()}"
    except OSError as error:
        raise UsageError("The file of a password or token cannot be read.", "Check its path and rights.") from error
    if server.tls is not None:
        if server.tls.ca is not None:
            session.verify = str(server.tls.ca)
        if server.tls.certificate is not None:
            session.cert = (str(server.tls.certificate), str(server.tls.key))
    client = DICOMwebClient(server.url.rstrip("/"), session=session, timeout=server.timeout_s)
    client.set_http_retry_params(retry=False)
    return client
