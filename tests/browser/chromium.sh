#!/usr/bin/env bash
# The browser tests drive the Chromium of the system: find it, or install Debian's package where that is allowed.
for name in chromium chromium-browser google-chrome; do
    command -v "$name" > /dev/null && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    echo '==> installing Chromium for the browser tests'
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } > /dev/null && exit 0
fi
echo 'Chromium is missing, browser tests will be skipped: apt install chromium (or install Google Chrome)' >&2
[ "${CI:-}" != true ]
