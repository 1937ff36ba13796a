"""Settings of the desk towards Slack, from the environment and `.env`, read once a process."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.errors import SettingsError


class SlackSettings(BaseSettings):
    """How to reach Slack, and how Slack proves itself."""

    model_config = SettingsConfigDict(env_prefix="SLACK_", env_file=".env", extra="ignore", frozen=True)

    bot_token: str = Field(default="", description="Begins with xoxb-: the app's own token in its workspace")
    app_token: str = Field(default="", description="Begins with xapp-, scope connections:write: for Socket Mode alone")
    signing_secret: str = Field(default="", description="Proves that a call over HTTP comes from Slack")
    api_url: str = Field(default="", description="Another address of Slack's API, ending in /api/. Default Slack's")

    def check(self, *, http: bool = False) -> None:
        """Return only if everything is there that Socket Mode, or HTTP, needs.

        Raises:
            SettingsError: something is missing, or is no address; the message names the variable.
        """
        wanted = ["bot_token", "signing_secret"] if http else ["bot_token", "app_token", "signing_secret"]
        missing = [f"SLACK_{name.upper()}" for name in wanted if not getattr(self, name)]
        if missing:
            names = ", ".join(missing)
            raise SettingsError(f"{names} is missing: put it in the environment or .env; README, Connecting Slack")
        if self.api_url and not self.api_url.endswith("/api/"):
            raise SettingsError("SLACK_API_URL must end in /api/")


LOCAL: Final = "localhost"


class ReaderSettings(BaseSettings):
    """Which model reads requests beside the grammar; without an address none does."""

    model_config = SettingsConfigDict(env_prefix="QM_READER_", env_file=".env", extra="ignore", frozen=True)

    url: str = Field(default="", description="OpenAI-compatible address, up to and with /v1. Default none: the grammar")
    model: str = Field(default="", description="The model's name there")
    key: SecretStr = Field(default=SecretStr(""), description="The key that the address asks for; a secret")
    timeout_s: float = Field(
        default=2.0, gt=0, le=10, description="How long a person waits for the model at most, seconds. Default 2"
    )
    metrics_port: int = Field(
        default=0, ge=0, le=65535, description="Port of the desk's metrics of reading on 127.0.0.1. Default none"
    )

    @property
    def on(self) -> bool:
        """Whether a model is to be asked."""
        return bool(self.url)

    def check(self) -> None:
        """Return only if the address can be used as it is.

        Raises:
            SettingsError: it is no address, would send sentences and key in the clear, or no model is named.
        """
        if not self.on:
            return
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise SettingsError("QM_READER_URL must be an address such as https://models.example/v1")
        if parts.username is not None or parts.password is not None:
            raise SettingsError("QM_READER_URL must hold no password: put the key into QM_READER_KEY")
        if parts.scheme == "http" and not _on_this_machine(parts.hostname):
            raise SettingsError("QM_READER_URL must begin with https:// unless it is on this machine")
        if not self.model:
            raise SettingsError("QM_READER_MODEL is missing: name the model that QM_READER_URL serves")


def _on_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == LOCAL
