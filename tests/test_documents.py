"""What the documents promise is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from bot.settings import ReaderSettings
from workers.endpoint.settings import EndpointSettings
from workers.settings import HouseSettings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_every_setting_is_in_the_readme():
    names = {f"QM_{name.upper()}" for name in HouseSettings.model_fields}
    names |= {f"QM_ENDPOINT_{name.upper()}" for name in EndpointSettings.model_fields}
    names |= {f"QM_READER_{name.upper()}" for name in ReaderSettings.model_fields}
    assert names <= set(re.findall(r"QM_[A-Z_]+", README))


def test_every_make_command_of_the_readme_exists():
    rules = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z]+)", README, re.MULTILINE) + re.findall(r"`make ([a-z]+)`", README)) <= rules


def test_every_link_of_the_readme_leads_somewhere():
    for target in re.findall(r"\]\(([^)#h][^)]*)\)", README):
        assert (ROOT / target).exists(), target


def test_every_dependency_has_its_reason():
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    for dependency in wanted:
        if not dependency.startswith("quartermaster["):
            assert re.search(rf'"{re.escape(dependency)}",\s+# \S', text), dependency


def test_nothing_schedules_with_celery():
    sources = [path.read_text() for folder in ("bot", "workers") for path in (ROOT / folder).rglob("*.py")]
    assert not [text for text in sources if re.search(r"\b(eta|countdown)=|\.retry\(", text)]
