# SPDX-License-Identifier: Apache-2.0
"""What an S3 endpoint refuses, as an error that says what was received and what to type. No key is in its text."""

from __future__ import annotations

from typing import Any, NamedTuple

from airflow_dataops.core.errors import DataOpsError, InputError, StorageDenied, StorageError
from airflow_dataops.core.s3 import S3Keys, S3Settings

_BAD_KEYS = {
    *("AuthorizationHeaderMalformed", "ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidToken"),
    *("SignatureDoesNotMatch", "TokenRefreshRequired", "NoCredentialsError", "PartialCredentialsError"),
    *("CredentialRetrievalError", "UnauthorizedSSOTokenError", "SSOTokenLoadError", "InvalidIdentityToken"),
}
_DENIED = {"AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "401", "Forbidden", "MethodNotAllowed"}
_FAILED_CONDITION = {"PreconditionFailed", "ConditionalRequestConflict", "412"}
_TLS = {"SSLError", "SSLCertVerificationError"}
_UNSUPPORTED = {"NotImplemented", "501", "XNotImplemented"}
_CHECK = "`dataops check-s3 {uri}` tells what the endpoint does"


class Answer(NamedTuple):
    """What came back in place of a result.

    Attributes:
        code: The endpoint's code, or the name of the client's error where nothing came back.
        status: HTTP status; 0 where nothing came back.
        message: What it said, without keys.
    """

    code: str
    status: int
    message: str


def answer_of(error: BaseException, keys: S3Keys | None = None) -> Answer:
    """Read an error of botocore's, or of the line."""
    response: dict[str, Any] = getattr(error, "response", None) or {}
    body = response.get("Error") or {}
    status = int((response.get("ResponseMetadata") or {}).get("HTTPStatusCode") or 0)
    text = str(body.get("Message") or error).strip() or type(error).__name__
    return Answer(str(body.get("Code") or type(error).__name__), status, keys.hide(text) if keys else text)


def s3_error(
    error: BaseException, what: str, uri: str, settings: S3Settings, keys: S3Keys | None = None
) -> DataOpsError:
    """Return the error to raise.

    Args:
        error: botocore's, or of the line.
        what: What was tried: ``list``, ``read``, ``write``.
        uri: Object or folder.
        settings: Of the endpoint.
        keys: To be struck out of texts.
    """
    answer = answer_of(error, keys)
    place = settings.endpoint_url or "AWS"
    status = f" {answer.status}" if answer.status else ""
    message = f"{what} {uri}: {place} answered{status} {answer.code}: {answer.message}"
    details = {"path": uri, "code": answer.code, "status": answer.status}
    return _refused(answer, message, uri, details) or _failed(answer, f"{what} {uri} at {place}", message, details)


def _refused(answer: Answer, message: str, uri: str, details: dict[str, Any]) -> DataOpsError | None:
    """Return the error for what a retry would not change."""
    code, bucket = answer.code, uri.removeprefix("s3://").partition("/")[0]
    if code in _BAD_KEYS:
        hint = (
            "look at S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY (or the connection, or the role), region and signature; "
            + _CHECK
        )
        return StorageDenied(message, hint=hint.format(uri=uri), code="S3_AUTH", details=details)
    if code == "RequestTimeTooSkewed":
        return StorageDenied(
            message, hint="set this machine's clock: `timedatectl set-ntp true`", code="S3_CLOCK", details=details
        )
    if code in _DENIED:
        hint = (
            f"grant the key s3:ListBucket on {bucket}, and s3:GetObject, s3:PutObject, s3:DeleteObject below the lake"
        )
        return StorageDenied(message, hint=hint, details=details)
    if code == "NoSuchBucket":
        hint = f"make it: `aws s3 mb s3://{bucket}`, or correct the lake of the target in dataops.yaml"
        return StorageDenied(message, hint=hint, code="BUCKET_MISSING", details=details)
    if code in _TLS:
        hint = "set S3_CA_BUNDLE to the PEM file of the authority that signed the endpoint's certificate"
        return StorageDenied(message, hint=hint, code="S3_TLS", details=details)
    if code in _UNSUPPORTED:
        return StorageDenied(message, hint=_CHECK.format(uri=uri), code="S3_UNSUPPORTED", details=details)
    return None


def _failed(answer: Answer, tried: str, message: str, details: dict[str, Any]) -> DataOpsError:
    if answer.code in ("NoSuchKey", "404", "NoSuchVersion"):
        return InputError(
            message,
            hint="see that it is written before it is read",
            code="SOURCE_MISSING",
            details=details,
        )
    if answer.code in _FAILED_CONDITION:
        hint = "see that nothing else writes into the lake, and run it again"
        return StorageError(message, hint=hint, code="FAILED_PRECONDITION", details=details)
    if answer.status == 0:
        hint = "see that the endpoint is right and reachable from here (S3_ENDPOINT_URL, network policy, proxy), then run it again"
        return StorageError(f"{tried} failed: {answer.code}: {answer.message}", hint=hint, details=details)
    return StorageError(message, hint="run it again; if it stays so, ask those who run the endpoint", details=details)


__all__ = ["Answer", "answer_of", "s3_error"]
