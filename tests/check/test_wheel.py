"""The installed package checks and hints as the repository does: the files of texts go with it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CODE = """
import rnnbook.check as c
print(c.__file__)
for id in c.exercise_ids():
    assert "Hint 1 of" in repr(c.hint(id)), id
print(len(c.exercise_ids()), c.check("lstm-1", 0.77), c.check("lstm-1", 0.562))
"""


def test_a_wheel_installed_elsewhere_checks_and_hints(tmp_path: Path) -> None:
    def run(*command: str, cwd: Path = tmp_path) -> str:
        environment = {
            name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "RNNBOOK_STRICT")
        }
        environment["XDG_STATE_HOME"] = str(tmp_path / "state")
        found = subprocess.run(
            [sys.executable, *command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
        )
        assert found.returncode == 0, found.stdout + found.stderr
        return found.stdout

    offline = ("--no-deps", "--disable-pip-version-check", "--no-index")
    # A copy, so that the build leaves nothing in the repository.
    source = tmp_path / "source"
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "rnnbook", "pyproject.toml", "README.md", "LICENSE"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    for name in filter(None, tracked):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    run("-m", "pip", "wheel", *offline, "--no-build-isolation", "--wheel-dir", str(tmp_path / "wheel"), str(source))
    (wheel,) = (tmp_path / "wheel").glob("*.whl")
    run("-m", "pip", "install", *offline, "--target", str(tmp_path / "elsewhere"), str(wheel))
    (tmp_path / "cwd").mkdir()
    said = run("-c", f"import sys; sys.path.insert(0, {str(tmp_path / 'elsewhere')!r})\n{CODE}", cwd=tmp_path / "cwd")
    assert str(tmp_path / "elsewhere") in said
    assert "✗ lstm-1" in said
    assert "✓ lstm-1" in said
