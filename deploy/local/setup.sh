#!/bin/sh
# Makes .venv with exactly what uv.lock says; needs only python3 and the package index.
set -eu

cd "$(dirname "$0")/../.."
uv_version=0.13.9

# Settings of the caller that would send the installation elsewhere. Index, proxy and certificate settings stay.
unset PIP_FIND_LINKS PIP_NO_INDEX PIP_TARGET PIP_PREFIX PIP_USER PIP_CONSTRAINT PIP_REQUIREMENT \
    PIP_REQUIRE_VIRTUALENV PIP_DRY_RUN UV_FIND_LINKS UV_NO_INDEX UV_PROJECT_ENVIRONMENT UV_PROJECT UV_PYTHON \
    UV_NO_SYNC UV_OFFLINE VIRTUAL_ENV PYTHONHOME PYTHONPATH 2>/dev/null || true
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore UV_PYTHON_DOWNLOADS=never

# A company's proxy has its certificate in the system's store, which a small container may lack.
[ ! -s /etc/ssl/certs/ca-certificates.crt ] || export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}"

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    echo "Passwright needs Python 3.11 or later as python3; or say which: make setup PYTHON=/path/to/python3.12" >&2
    exit 1
}

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    "$python" -c 'import ensurepip' 2>/dev/null ||
        deploy/local/install_debian_package.sh "python$version-venv" "Python's venv module"
    echo "Creating .venv with Python $version ..."
    "$python" -m venv --clear .venv
fi
if [ "$(.venv/bin/uv --version 2>/dev/null | cut -d' ' -f2)" != "$uv_version" ]; then
    echo "Installing uv $uv_version ..."
    .venv/bin/python -m pip install --quiet "uv==$uv_version" </dev/null
fi
echo "Installing the packages of uv.lock ..."
# --inexact leaves pip and uv, which are not in the lock, where they are.
.venv/bin/uv sync --quiet --frozen --inexact --python .venv/bin/python </dev/null
touch .venv/.ready
