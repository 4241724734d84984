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

if ! command -v redis-server >/dev/null 2>&1 && [ -z "${REDIS_URL:-}${REDIS_URL_FILE:-}" ]; then
  hint="redis-server is missing; install it (Debian: apt-get install redis-server, macOS: brew install redis) or set REDIS_URL"
  if sh scripts/install-packages.sh redis-server; then
    if command -v systemctl >/dev/null 2>&1; then systemctl disable redis-server >/dev/null 2>&1 || true; fi
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
  if sh scripts/install-packages.sh postgresql; then
    if command -v systemctl >/dev/null 2>&1; then systemctl disable postgresql >/dev/null 2>&1 || true; fi
  else
    say "PostgreSQL is missing, so that some tests are skipped; install it (Debian: apt-get install postgresql, macOS: brew install postgresql)"
  fi
fi
