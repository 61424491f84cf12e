#!/usr/bin/env bash
# environment.sh PYTHON FOLDER: make a virtual environment from PYTHON, or from the first suitable one on the PATH.
set -euo pipefail
wanted=$1 folder=$2

suitable() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; }

python=
for candidate in "$wanted" python3 python3.14 python3.13 python3.12 python3.11; do
    if suitable "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
    echo "Vigil needs Python 3.11 to 3.14 and found none; install one, or name it: make PYTHON=/path/to/python3" >&2
    exit 1
fi

# Debian and Ubuntu keep what a virtual environment needs in a package of its own.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing $package"
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" >/dev/null
    else
        echo "this Python cannot make virtual environments: run 'sudo apt-get install $package'" >&2
        exit 1
    fi
fi

echo "making $folder with $("$python" --version)"
"$python" -m venv --clear "$folder"
