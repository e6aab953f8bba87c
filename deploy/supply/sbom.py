"""`make sbom`: what the image is made of, as CycloneDX JSON, from the image's own lock file.

`python -m deploy.supply.sbom [FILE]`: by default `sbom.cdx.json` at the top. The same lock gives the same bytes.
"""

import subprocess
import sys
from pathlib import Path

from deploy.local.services import ROOT

LOCK = ROOT / "deploy" / "docker" / "requirements.lock"


def main() -> int:
    """Write it; -> the exit code."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "sbom.cdx.json"
    tool = Path(sys.executable).with_name("cyclonedx-py")
    options = ["--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible", "--validate", "-o", str(file)]
    command = [str(tool), "requirements", *options, str(LOCK)]
    return subprocess.run(command, check=False).returncode  # noqa: S603  # our own arguments


if __name__ == "__main__":
    sys.exit(main())
