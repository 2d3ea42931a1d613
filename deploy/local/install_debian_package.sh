#!/bin/sh
# Installs one Debian package when this user may, or says what to install.
# Use: install_debian_package.sh <package> <what it is for>
set -eu

package=$1
purpose=$2

fail() {
    printf '%s\n' "$purpose needs the package $package. Please install it, for example:" \
        "    sudo apt-get install $package" >&2
    exit 1
}

command -v apt-get >/dev/null || fail
if [ "$(id -u)" -ne 0 ]; then
    sudo -n true 2>/dev/null || fail
    exec sudo -n "$0" "$@"
fi

# A package that brings a service starts it unless policy-rc.d says no; we run servers of our own.
policy=/usr/sbin/policy-rc.d
log=$(mktemp)
trap 'rm -f "$log"; [ -z "${policy_is_ours:-}" ] || rm -f "$policy"' EXIT
trap 'exit 1' HUP INT TERM
if [ ! -e "$policy" ]; then
    policy_is_ours=yes
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

echo "Installing $package ..."
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get -q update && apt-get -q install -y --no-install-recommends "$package"; } </dev/null >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    fail
fi
