#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Looks into the built programs for what the flags of docs/architecture.md are to give: as a linker or a
package may silently leave it out, the flags alone prove nothing.
"""

import pathlib
import re
import subprocess
import sys

BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build")

# Program -> what must be found in `readelf -hldsW`. The plugin is static, by musl,
# and stripped of its names.
WANTED = {
    "src/korat/korat": {
        "a position-independent executable": r"Type:\s+DYN",
        "a stack that is not executed": r"GNU_STACK\s+\S+ \S+ \S+ \S+ \S+ RW ",
        "relocations that are read-only": r"GNU_RELRO",
        "all symbols bound at the start": r"BIND_NOW|Flags: NOW",
        "the stack protector": r"__stack_chk_fail",
        "checked library functions": r"__(mem|str|sn?|v|f)\w*_chk\b",
    },
    "src/cni/korat-cni": {
        "a stack that is not executed": r"GNU_STACK\s+\S+ \S+ \S+ \S+ \S+ RW ",
        "relocations that are read-only": r"GNU_RELRO",
    },
}
# A segment that can be written and executed.
FORBIDDEN = r"LOAD.* RWE "


def main():
    """Prints what is missing; 1 if anything is."""
    failed = False
    for name, wanted in WANTED.items():
        program = BUILD / name
        text = subprocess.run(["readelf", "-hldsW", program], check=True, capture_output=True,
                              text=True).stdout
        missing = [what for what, pattern in wanted.items() if not re.search(pattern, text)]
        if re.search(FORBIDDEN, text):
            missing.append("segments that are written or executed, not both")
        for what in missing:
            print(f"{program}: lacks {what}")
        failed = failed or bool(missing)
    return failed


if __name__ == "__main__":
    sys.exit(main())
