#!/bin/sh
# Installs Debian packages where that works without asking, and leaves no service of theirs running.
# Usage: install-packages.sh PACKAGE...; ends with 1, and the last words of apt-get, when they are not there then.
set -eu

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then exit 1; fi
echo "setup: installing $*" >&2

# Debian starts services of a package for the whole system, which nobody here asked for: forbid that meanwhile.
policy=/usr/sbin/policy-rc.d
log=/tmp/callcov-setup.$$
trap 'rm -f "$log"' EXIT
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$log" "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
{
  apt-get install -y --no-install-recommends "$@" || {
    apt-get update && apt-get install -y --no-install-recommends "$@"
  }
} >"$log" 2>&1 || {
  tail -n 5 "$log" >&2
  exit 1
}
