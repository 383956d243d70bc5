# SPDX-License-Identifier: Apache-2.0
"""koratctl as a person calls it: the real binary on a datastore of its own."""

import os
import pathlib
import subprocess

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("KORAT_BUILD", ROOT / "build"))
KORAT = (ROOT / BUILD / "src" / "korat" / "korat").resolve()
SAMPLES = ROOT / "tests" / "corpus" / "model-yaml"


class Result:
    """What one call said, and its exit code."""

    def __init__(self, done):
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr

    def lines(self):
        """Rows of a table, without the blanks at their ends."""
        return [line.rstrip() for line in self.out.splitlines() if line.strip()]

    def yaml(self):
        return yaml.safe_load(self.out)


class Ctl:
    """koratctl on one SQLite file."""

    def __init__(self, directory):
        self.directory = directory
        self.database = directory / "korat.db"
        self.environment = {
            "PATH": os.environ["PATH"],
            "DATASTORE_TYPE": "sqlite",
            "KORAT_SQLITE_FILE": str(self.database),
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", ""),
        }

    def __call__(self, *words, stdin=""):
        return Result(
            subprocess.run(
                [str(KORAT), "ctl", *map(str, words)],
                input=stdin,
                capture_output=True,
                text=True,
                env=self.environment,
                timeout=60,
                check=False,
            )
        )

    def good(self, *words, stdin=""):
        """A call that must succeed and say nothing on standard error."""
        result = self(*words, stdin=stdin)
        assert (result.code, result.err) == (0, ""), result.err
        return result

    def bad(self, *words, stdin=""):
        """A call that must fail with exit code 1 and a message."""
        result = self(*words, stdin=stdin)
        assert result.code == 1, result.out
        assert result.err.strip()
        return result

    def begin(self):
        """An empty datastore: only create and apply make one by themselves."""
        self.database.touch()

    def file(self, name, text):
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


@pytest.fixture
def ctl(tmp_path):
    return Ctl(tmp_path)
