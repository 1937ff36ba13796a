"""Settings of the desk towards Slack, from the environment and `.env`, read once a process."""

from __future__ import annotations

from pydantic import Field
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
