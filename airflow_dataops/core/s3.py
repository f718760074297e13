# SPDX-License-Identifier: Apache-2.0
"""Where an S3 endpoint is and how it is spoken to, once, and the form of that for each library that speaks S3.

Settings hold references to keys (``env:NAME``, ``conn:ID.login``), never keys; :class:`S3Keys` holds those, for as long as a client needs
them, and shows them to nobody. Without references each library looks for keys by itself, as AWS's own tools do: environment, profile, a
service account's token (IRSA), the machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from pydantic import ConfigDict, field_validator, model_validator

from airflow_dataops.core import s3_sources as sources
from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.model import Model
from airflow_dataops.core.secrets import hide, missing, parse

DEFAULT_REGION = "us-east-1"
V2_WORKS_WITH = "boto3, s3fs and Spark 3.5 (S3A of Hadoop 3.3)"
CONNECT_SECONDS, READ_SECONDS, ATTEMPTS, CONNECTIONS = 5, 60, 5, 32
_ENDPOINT = re.compile(r"^https?://(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?/?$")
_SDK1, _SDK2 = "com.amazonaws.auth.", "software.amazon.awssdk.auth.credentials."
_PROVIDERS = {
    ("3.5", True): _SDK1 + "EnvironmentVariableCredentialsProvider",
    ("3.5", False): _SDK1 + "DefaultAWSCredentialsProviderChain",
    ("4", True): _SDK2 + "EnvironmentVariableCredentialsProvider",
    ("4", False): _SDK2 + "DefaultCredentialsProvider",
}


class S3Keys:
    """Keys that were looked up. They stand in attributes and nowhere else: no text of this object shows them, and no JSON has them.

    Args:
        access_key: Id of the key.
        secret_key: The key.
        session_token: Of keys that are lent for a time.
    """

    __slots__ = ("access_key", "secret_key", "session_token")

    def __init__(self, access_key: str, secret_key: str, session_token: str | None = None) -> None:
        self.access_key, self.secret_key, self.session_token = access_key, secret_key, session_token

    def __repr__(self) -> str:
        return "S3Keys(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, S3Keys) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def hide(self, text: str) -> str:
        """Return ``text`` with ``***`` for each key."""
        return hide(text, [value for value in self._values() if value])

    def _values(self) -> tuple[str, str, str | None]:
        return self.access_key, self.secret_key, self.session_token


class S3aForm(NamedTuple):
    """Settings of Spark's S3A.

    Attributes:
        conf: Spark properties, without any secret.
        env: Variables that driver and executors need, name -> reference to the secret; from a Kubernetes Secret by ``secretKeyRef``.
    """

    conf: dict[str, str]
    env: dict[str, str]


class S3Settings(Model):
    """One S3 endpoint.

    Attributes:
        endpoint_url: ``https://s3.example.com:9000``; AWS itself without it.
        region: Its name for the region; ``us-east-1`` at an endpoint of one's own without it, else what the library finds.
        path_style: The bucket in the path (true) or in the host's name; by default the path at an endpoint of one's own.
        signature: ``v4``, or ``v2`` for endpoints that know nothing newer.
        ca_bundle: PEM file of the authorities behind the endpoint's certificate, which is always verified; the system's without it.
        truststore: The same as a Java truststore in the Spark image, one that is read without a password (JKS): Java reads no PEM.
        access_key: Reference to the key's id, such as ``env:S3_ACCESS_KEY_ID``.
        secret_key: Reference to the key.
        session_token: Reference to the token of lent keys.
        conditional_writes: The endpoint honours ``If-None-Match`` and ``If-Match``; ``dataops check-s3`` tells.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    endpoint_url: str | None = None
    region: str | None = None
    path_style: bool | None = None
    signature: Literal["v4", "v2"] = "v4"
    ca_bundle: str | None = None
    truststore: str | None = None
    access_key: str | None = None
    secret_key: str | None = None
    session_token: str | None = None
    conditional_writes: bool = True

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> S3Settings:
        """Read the settings from environment variables; keys become references to theirs.

        Args:
            environ: Variables: ``S3_ENDPOINT_URL``, ``S3_ACCESS_KEY_ID``, ``S3_SECRET_ACCESS_KEY``, ``S3_SESSION_TOKEN``, ``S3_REGION``,
                ``S3_PATH_STYLE``, ``S3_CA_BUNDLE``, ``S3_TRUSTSTORE``, ``S3_CONDITIONAL_WRITES``, ``AWS_S3_SIGNATURE_VERSION``; where they
                are missing, the AWS names for endpoint, region and bundle.

        Raises:
            SpecError: One cannot be meant (``S3_SETTINGS``, ``S3_KEYS_INCOMPLETE``).
        """
        return cls(**sources.of_environment(environ))

    @classmethod
    def from_connection(cls, conn_id: str, fields: Mapping[str, Any]) -> S3Settings:
        """Read the settings from an Airflow connection of type ``aws``; keys become references to its fields.

        Args:
            conn_id: Its id.
            fields: ``login``, ``password``, ``host`` and ``extra`` as a dict.

        Raises:
            SpecError: Something in it cannot be meant, or is not supported (``S3_SETTINGS``, ``S3_KEYS_INCOMPLETE``).
        """
        return cls(**sources.of_connection(conn_id, fields))

    @field_validator("endpoint_url")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        if value is not None and not _ENDPOINT.match(value):
            shown = "" if "@" in value else f" {value!r}"
            raise SpecError(
                f"the S3 endpoint{shown} is no address of the form https://host or http://host:port, without user, path or bucket",
                hint="write https://s3.example.com, and the bucket in the lake's address: s3://bucket/lake",
                code="S3_SETTINGS",
            )
        return value.rstrip("/") if value else None

    @field_validator("access_key", "secret_key", "session_token")
    @classmethod
    def _a_reference(cls, value: str | None) -> str | None:
        if value is not None:
            parse(value)
        return value

    @model_validator(mode="after")
    def _whole_keys(self) -> S3Settings:
        if (self.access_key is None) != (self.secret_key is None) or (self.session_token and not self.access_key):
            given = [name for name in ("access_key", "secret_key", "session_token") if getattr(self, name)]
            raise SpecError(
                f"of the S3 keys only {' and '.join(given)} is given; both access_key and secret_key belong together",
                hint=f"set {sources.KEY_NAMES}; or neither, for keys that AWS's libraries find by themselves (IRSA, profile)",
                code="S3_KEYS_INCOMPLETE",
            )
        return self

    @property
    def addressed_by_path(self) -> bool:
        """Whether the bucket stands in the path."""
        return bool(self.endpoint_url) if self.path_style is None else self.path_style

    @property
    def signing_region(self) -> str | None:
        """The region for signatures; None where the library is to find it."""
        return self.region or (DEFAULT_REGION if self.endpoint_url else None)

    @property
    def tls(self) -> bool:
        """Whether the line is encrypted."""
        return not (self.endpoint_url or "").startswith("http://")

    def keys(self, look: Callable[[str], str | None]) -> S3Keys | None:
        """Look up the keys.

        Args:
            look: From reference to value; None where it is not set.

        Returns:
            The keys; None where the settings have no references.

        Raises:
            SpecError: One is not set (``SECRET_MISSING``).
        """
        if self.access_key is None or self.secret_key is None:
            return None
        token = self.session_token
        return S3Keys(
            _found(self.access_key, look), _found(self.secret_key, look), _found(token, look) if token else None
        )

    def for_boto3(self, keys: S3Keys | None = None) -> dict[str, Any]:
        """Return keyword arguments of ``boto3.client("s3", …)``; ``config`` is those of ``botocore.config.Config``, still a dict."""
        form: dict[str, Any] = {"config": self._config()}
        if self.signing_region:
            form["region_name"] = self.signing_region
        if self.endpoint_url:
            form["endpoint_url"] = self.endpoint_url
        if self.ca_bundle and self.tls:
            form["verify"] = self.ca_bundle
        return form | _named(keys, "aws_access_key_id", "aws_secret_access_key", "aws_session_token")

    def for_fsspec(self, keys: S3Keys | None = None) -> dict[str, Any]:
        """Return keyword arguments of ``s3fs.S3FileSystem``."""
        client = {name: value for name, value in self.for_boto3().items() if name in ("region_name", "verify")}
        form: dict[str, Any] = {"config_kwargs": self._config(), "client_kwargs": client, "anon": False}
        if self.endpoint_url:
            form["endpoint_url"] = self.endpoint_url
        return form | _named(keys, "key", "secret", "token")

    def for_pyarrow(self, keys: S3Keys | None = None) -> dict[str, Any]:
        """Return keyword arguments of ``pyarrow.fs.S3FileSystem``.

        Raises:
            SpecError: Signature v2, which it does not have (``S3_SIGNATURE``).
        """
        self._need_v4("pyarrow")
        form: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS, "request_timeout": READ_SECONDS}
        if self.endpoint_url:
            form["scheme"], _, form["endpoint_override"] = self.endpoint_url.partition("://")
            form["force_virtual_addressing"] = not self.addressed_by_path
        if self.signing_region:
            form["region"] = self.signing_region
        if self.ca_bundle and self.tls:
            form["tls_ca_file_path"] = self.ca_bundle
        return form | _named(keys, "access_key", "secret_key", "session_token")

    def for_delta(self, keys: S3Keys | None = None, *, bucket: str | None = None) -> dict[str, str]:
        """Return ``storage_options`` of ``deltalake``. A CA bundle goes to it by :meth:`process_environment`.

        Args:
            keys: The keys; None leaves them to AWS's chain.
            bucket: The table's. It is needed where buckets are in the names of hosts: delta-rs puts none before an endpoint's.

        Raises:
            SpecError: Signature v2, which it does not have (``S3_SIGNATURE``), or no bucket where it is needed (``S3_SETTINGS``).
        """
        self._need_v4("delta-rs")
        form = {"AWS_VIRTUAL_HOSTED_STYLE_REQUEST": _flag(not self.addressed_by_path)}
        if self.endpoint_url:
            form |= {"AWS_ENDPOINT_URL": self._endpoint_of(bucket), "AWS_ALLOW_HTTP": _flag(not self.tls)}
        if self.signing_region:
            form["AWS_REGION"] = self.signing_region
        # Without conditions a commit is a plain rename: two writers at once lose one commit. One run per table is then a must.
        form |= {"aws_conditional_put": "etag"} if self.conditional_writes else {"AWS_S3_ALLOW_UNSAFE_RENAME": "true"}
        return form | _named(keys, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")

    def process_environment(self) -> dict[str, str]:
        """Return variables of a process that uses delta-rs or AWS's tools: neither takes a CA bundle by argument. They are no secrets."""
        return {"AWS_CA_BUNDLE": self.ca_bundle, "SSL_CERT_FILE": self.ca_bundle} if self.ca_bundle and self.tls else {}

    def for_s3a(self, spark_version: str) -> S3aForm:
        """Return the Spark properties of S3A, and the environment that its containers need.

        Args:
            spark_version: ``3.5…`` (Hadoop 3.3, AWS SDK 1) or ``4.…`` (Hadoop 3.4, AWS SDK 2).

        Raises:
            SpecError: Another version (``S3_SETTINGS``), signature v2 with Spark 4 (``S3_SIGNATURE``), or a CA bundle without a truststore.
        """
        line = _spark_line(spark_version)
        if line == "4":
            self._need_v4("Spark 4 (S3A of Hadoop 3.4)")
        own = {
            "aws.credentials.provider": _PROVIDERS[line, self.access_key is not None],
            "path.style.access": _flag(self.addressed_by_path),
            "connection.ssl.enabled": _flag(self.tls),
        }
        own |= {"endpoint": self.endpoint_url} if self.endpoint_url else {}
        own |= {"endpoint.region": self.signing_region} if self.signing_region else {}
        own |= {"signing-algorithm": "S3SignerType"} if self.signature == "v2" else {}
        conf = {f"spark.hadoop.fs.s3a.{name}": value for name, value in own.items()} | self._java_trust()
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        references = (self.access_key, self.secret_key, self.session_token)
        return S3aForm(conf, {name: value for name, value in zip(names, references, strict=True) if value})

    def _config(self) -> dict[str, Any]:
        # Servers other than AWS often do not know the checksums that newer SDKs send with every write, and answer 400 or keep the trailer.
        when = {} if self.endpoint_url is None else {"request_checksum_calculation": "when_required"}
        when |= {} if self.endpoint_url is None else {"response_checksum_validation": "when_required"}
        return {
            "signature_version": "s3v4" if self.signature == "v4" else "s3",
            "s3": {"addressing_style": "path" if self.addressed_by_path else "virtual"},
            "retries": {"mode": "standard", "total_max_attempts": ATTEMPTS},
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": READ_SECONDS,
            "max_pool_connections": CONNECTIONS,
            **when,
        }

    def _endpoint_of(self, bucket: str | None) -> str:
        """Return the endpoint as delta-rs wants it: with the bucket before the host's name, where it is there."""
        scheme, _, host = str(self.endpoint_url).partition("://")
        if self.addressed_by_path:
            return f"{scheme}://{host}"
        if bucket is None:
            raise SpecError(
                "delta-rs puts no bucket before the name of an endpoint's host",
                hint="name the table's: for_delta(keys, bucket='data-lake')",
                code="S3_SETTINGS",
            )
        return f"{scheme}://{bucket}.{host}"

    def _java_trust(self) -> dict[str, str]:
        if not self.tls:
            return {}
        if self.truststore:
            option = f"-Djavax.net.ssl.trustStore={self.truststore}"
            return {"spark.driver.extraJavaOptions": option, "spark.executor.extraJavaOptions": option}
        if self.ca_bundle:
            raise SpecError(
                f"S3A cannot read the CA bundle {self.ca_bundle!r}: Java takes a truststore, not PEM",
                hint="`keytool -importcert -noprompt -file ca.pem -alias s3 -storetype JKS -storepass changeit -keystore s3.jks`, "
                "put it into the Spark image, and set S3_TRUSTSTORE (or truststore) to its path there",
                code="S3_SETTINGS",
            )
        return {}

    def _need_v4(self, library: str) -> None:
        if self.signature == "v2":
            raise SpecError(
                f"{library} has no S3 signature v2; v2 works with {V2_WORKS_WITH} only",
                hint="set AWS_S3_SIGNATURE_VERSION=v4 if the endpoint takes it (`dataops check-s3 URI` tells), or use one of those",
                code="S3_SIGNATURE",
            )


def _found(reference: str, look: Callable[[str], str | None]) -> str:
    value = look(reference)
    if not value:
        raise missing(reference, "where this process runs, as a variable or an Airflow connection")
    return value


def _named(keys: S3Keys | None, access: str, secret: str, token: str) -> dict[str, str]:
    if keys is None:
        return {}
    lent = {token: keys.session_token} if keys.session_token else {}
    return {access: keys.access_key, secret: keys.secret_key, **lent}


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _spark_line(version: str) -> str:
    if re.match(r"^3\.5(\.|$)", version):
        return "3.5"
    if re.match(r"^4\.\d+(\.|$)", version):
        return "4"
    raise SpecError(
        f"S3A settings are known for Spark 3.5 and 4.x, not for {version!r}",
        hint="write 3.5.7 or 4.0.1",
        code="S3_SETTINGS",
    )


__all__ = ["S3Keys", "S3Settings", "S3aForm"]
