#!/bin/sh
# Everything `npm start` and, with `for-tests`, `npm test` need: dependencies as the lock file says, Node 24,
# redis-server, for tests PostgreSQL.
# Quick when nothing is missing. Every message goes to standard error.
set -eu
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }

# npm writes node_modules/.package-lock.json last, so an interrupted install does not have it; the copy of the
# lock file beside it tells whether the dependencies are those of today.
installed_lock=node_modules/.installed-lock.json
if [ ! -f node_modules/.package-lock.json ] || ! cmp -s package-lock.json "$installed_lock" ||
  ! node --version >/dev/null 2>&1; then
  say "installing dependencies (once, and after they change)"
  # A global setting of omit=dev or NODE_ENV=production must not leave out what the tests need.
  npm ci --no-audit --no-fund --loglevel=error --include=optional >&2
  cp package-lock.json "$installed_lock"
fi

case "$(node --version)" in
v2[4-9].* | v[3-9][0-9].*) ;;
*)
  say "Node $(node --version) is too old, and none comes with the dependencies for this machine; install Node 24."
  exit 1
  ;;
esac

# Debian starts a server for the whole system with its package, which nobody here asked for: forbid that meanwhile.
install_from_debian() {
  say "installing $1"
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  export DEBIAN_FRONTEND=noninteractive
  {
    apt-get install -y --no-install-recommends "$1" || {
      apt-get update && apt-get install -y --no-install-recommends "$1"
    }
  } >/tmp/callcov-setup.$$ 2>&1 || {
    tail -n 5 /tmp/callcov-setup.$$ >&2
    rm -f /tmp/callcov-setup.$$
    return 1
  }
  rm -f /tmp/callcov-setup.$$
  if command -v systemctl >/dev/null 2>&1; then systemctl disable "$1" >/dev/null 2>&1 || true; fi
}

on_debian_as_root() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }

if ! command -v redis-server >/dev/null 2>&1 && [ -z "${REDIS_URL:-}${REDIS_URL_FILE:-}" ]; then
  hint="redis-server is missing; install it (Debian: apt-get install redis-server, macOS: brew install redis) or set REDIS_URL"
  if on_debian_as_root; then
    install_from_debian redis-server || {
      say "$hint"
      exit 1
    }
  elif command -v brew >/dev/null 2>&1; then
    say "installing redis-server"
    brew install --quiet redis >&2
  else
    say "$hint"
    exit 1
  fi
fi

# Only tests start a PostgreSQL; those that need one are skipped, with the reason, where there is none.
if [ "${1:-}" = for-tests ] && ! command -v initdb >/dev/null 2>&1 &&
  ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
  if ! on_debian_as_root || ! install_from_debian postgresql; then
    say "PostgreSQL is missing, so that some tests are skipped; install it (Debian: apt-get install postgresql, macOS: brew install postgresql)"
  fi
fi
