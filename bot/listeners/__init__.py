"""One module a Slack surface; every listener acknowledges first."""
