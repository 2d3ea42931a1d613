#!/bin/sh
# Makes sure that tests can open pages in a browser.
set -eu

if [ -x /usr/bin/chromium ]; then
    exit 0
fi
"$(dirname "$0")/install_debian_package.sh" chromium "The test suite, which opens pages in a browser,"
