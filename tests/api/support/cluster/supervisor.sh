# Keeps the tests' PostgreSQL: stops it and removes its directory when the test process has gone, however that ended.
#
# $1: the directory. $2: empty, or the process for whose life the server is kept. The rest: the server and its arguments.
# Commands come as lines on the standard input, whose end means that the test process has gone. The standard error is
# the lock of the directory; the server must not inherit it, lest a killed supervisor look alive.

directory=$1
lives_with=$2
shift 2

start() {
    "$@" </dev/null >>"$directory/server.log" 2>&1 &
    server=$!
    echo started
}

# SIGQUIT is PostgreSQL's immediate shutdown: no checkpoint, recovery at the next start.
stop() {
    if [ -n "$server" ]; then
        kill -QUIT "$server"
        wait "$server"
        server=
    fi
}

# Asked of the process table, not by a signal: the process may belong to another user.
is_alive() {
    [ -d "/proc/$1" ] || ps -p "$1" >/dev/null 2>&1
}

# An answer that nobody reads any more must not kill us before we have cleaned up.
trap '' PIPE
trap 'exit 0' HUP INT TERM
trap 'stop; rm -rf "$directory"' EXIT

start "$@"
if [ -n "$lives_with" ]; then
    while is_alive "$lives_with"; do sleep 1; done
else
    while read -r command; do
        case $command in
            stop) stop; echo stopped ;;
            start) start "$@" ;;
        esac
    done
fi
