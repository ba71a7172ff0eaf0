"""What does a refusal of the Kubernetes API mean to us? Its code and its Status, as an exception of ours.

Nothing is asked here.
"""

import json
from collections.abc import Mapping
from typing import Any

from keelstep import errors


def error(
    method: str, path: str, code: int, payload: bytes, status: Mapping[str, Any] | None = None
) -> errors.KubeError:
    """What a refusal means to us."""
    if status is None:
        try:
            status = json.loads(payload)
        except ValueError:
            status = {}
    message = f"{method} {path}: {status.get('message') or f'HTTP {code}'}"
    reason = str(status.get("reason", ""))
    if code == 404:
        return errors.NotFoundError(message, code)
    if code == 409:
        kind = errors.AlreadyExistsError if reason == "AlreadyExists" else errors.ConflictError
        return kind(message, code)
    if code == 410:
        return errors.GoneError(message, code)
    if code in (400, 422):
        return errors.InvalidObjectError(message, code)
    if code in (401, 403):
        return errors.ForbiddenError(message, code)
    if code == 429 or code >= 500:
        return errors.KubeUnavailableError(message, code)
    return errors.KubeError(message, code)
