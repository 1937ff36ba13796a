"""Settings of the endpoint, from the environment and `.env`, read once a process."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from workers.errors import SettingsError

PORT: Final = 8440


class EndpointSettings(BaseSettings):
    """Where the endpoint listens, and where people reach it."""

    model_config = SettingsConfigDict(env_prefix="QM_ENDPOINT_", env_file=".env", extra="ignore", frozen=True)

    host: str = Field(default="127.0.0.1", description="Address to listen on. Default 127.0.0.1")
    port: int = Field(default=PORT, ge=0, le=65535, description="Port to listen on; 0 takes a free one. Default 8440")
    url: str = Field(
        default="", description="Where people reach it, as cards say. Default the address that it listens on"
    )
    certificate: Path | None = Field(default=None, description="PEM file of the TLS certificate chain. Default no TLS")
    certificate_key: Path | None = Field(default=None, description="PEM file of the certificate's key")
    body_kib: int = Field(default=1024, ge=1, le=65536, description="Largest body of a call, KiB. Default 1024")

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.certificate is None) != (self.certificate_key is None):
            raise SettingsError("QM_ENDPOINT_CERTIFICATE and QM_ENDPOINT_CERTIFICATE_KEY belong together; set both")
        return self

    @property
    def address(self) -> str:
        """Where people reach it, scheme, host and port, without a slash at the end."""
        scheme = "https" if self.certificate is not None else "http"
        return self.url.rstrip("/") or f"{scheme}://{self.host}:{self.port}"
