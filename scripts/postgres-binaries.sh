#!/bin/sh
# Makes sure, as far as it can, that the tests find PostgreSQL server binaries (tests/api/support/cluster/binaries.rs
# looks in the same places). Where it cannot, it says what to install and lets the tests run on SQLite alone; with
# CI=true it fails. PgBouncer and HAProxy, which some tests put in front, are installed where that is possible, and
# missed by those tests alone. It neither creates nor starts a server: the tests have their own.
set -eu

oldest=14

is_supported() {
    [ -x "$1/initdb" ] && [ -x "$1/postgres" ] || return 1
    major=$("$1/postgres" --version | sed -n 's/^.*(PostgreSQL) \([0-9][0-9]*\).*$/\1/p')
    [ "${major:-0}" -ge "$oldest" ]
}

are_installed() {
    on_path=$(command -v postgres) || on_path=/nonexistent/postgres
    for folder in /usr/lib/postgresql/*/bin "$(pg_config --bindir 2>/dev/null)" "$(dirname "$on_path")"; do
        if is_supported "$folder"; then
            return 0
        fi
    done
    return 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then env "$@"; else sudo -n env "$@"; fi
}

# Debian's package makes and starts a cluster on port 5432 unless this setting, restored afterwards, keeps it from that.
install_on_debian() {
    settings=/etc/postgresql-common/createcluster.conf
    apt_get="DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends"
    # shellcheck disable=SC2086 # the words of $apt_get are meant to be split
    {
        as_root $apt_get update &&
            as_root $apt_get install postgresql-common &&
            as_root cp -p "$settings" "$settings.signet" &&
            as_root sh -c "echo 'create_main_cluster = false' >>$settings" || return 1
        installed=true
        as_root $apt_get install postgresql || installed=false
        as_root mv "$settings.signet" "$settings"
    }
    $installed
}

can_install_on_debian() {
    command -v apt-get >/dev/null && as_root true 2>/dev/null
}

# Debian starts services that it installs, unless this file says no.
install_companions_on_debian() {
    policy=/usr/sbin/policy-rc.d
    apt_get="DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends"
    ours=false
    if [ ! -e "$policy" ]; then
        as_root sh -c "printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy" && ours=true
    fi
    # shellcheck disable=SC2086 # the words of $apt_get are meant to be split
    as_root $apt_get install pgbouncer haproxy || { as_root $apt_get update && as_root $apt_get install pgbouncer haproxy; } || :
    if $ours; then
        as_root rm -f "$policy"
    fi
}

companions() {
    if [ -x /usr/sbin/pgbouncer ] && [ -x /usr/sbin/haproxy ]; then
        return
    fi
    if can_install_on_debian; then
        install_companions_on_debian
    fi
    for program in pgbouncer haproxy; do
        [ -x "/usr/sbin/$program" ] || echo "$program is missing: the tests with it are skipped." >&2
    done
}

companions
if are_installed; then
    exit 0
fi
if can_install_on_debian && install_on_debian && are_installed; then
    exit 0
fi
echo "PostgreSQL (>= $oldest) server binaries are missing: install your system's package, for example 'postgresql' (Debian," \
    "Ubuntu), 'postgresql-server' (Fedora) or 'postgresql' (Homebrew). Without them half of the tests are skipped." >&2
[ "${CI:-}" != true ]
