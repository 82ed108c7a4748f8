# shellcheck shell=bash
# Sourced by the commands beside it: one installation in a directory.
# shellcheck disable=SC2034 # what is set here is used there

readonly registry=127.0.0.1:5055
readonly wait_seconds=90

fail() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# open_installation DIR: sets $dir and $snapshot.
open_installation() {
    [ -d "$1" ] || fail "there is no directory $1"
    dir=$(cd "$1" && pwd)
    snapshot=$dir.snapshot
}

# Only the files of the installation decide: a variable of the caller's
# environment would win over .env, and the next command would not have it.
compose() {
    # shellcheck disable=SC2016 # the backquotes are Compose's
    (cd "$dir" && env -i PATH="$PATH" HOME="${HOME:-/root}" ${DOCKER_HOST:+DOCKER_HOST="$DOCKER_HOST"} \
        docker compose "$@" 2> >(grep -v 'attribute `version` is obsolete' >&2))
}

project_name() { compose config --format json | sed -n 's/^  "name": "\(.*\)",\{0,1\}$/\1/p'; }

# The name and host directory of the volume that holds the database.
volume_name() {
    local container
    container=$(compose ps --all --quiet postgres)
    [ -n "$container" ] || fail "$dir has no postgres container; is it up?"
    docker inspect --format \
        '{{range .Mounts}}{{if eq .Destination "/var/lib/postgresql/data"}}{{.Name}}{{end}}{{end}}' "$container"
}

volume_path() { docker volume inspect --format '{{.Mountpoint}}' "$1"; }

# SQL from the standard input, as the installation's own user in its own database.
query() {
    # shellcheck disable=SC2016 # the variables are the container's
    compose exec -T postgres sh -c \
        'psql -X -q -A -t -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB"'
}

# --- serving ----------------------------------------------------------------

port_of() {
    case $1 in
    model-service) echo 8001 ;;
    query-router) echo 8002 ;;
    optimizer) echo 8003 ;;
    scheduler) echo 8004 ;;
    agent-service) echo 8005 ;;
    frontend) echo 3000 ;;
    gateway) echo 8080 ;;
    esac
}

answers() { curl -sf -m 2 -o /dev/null "$1"; }

# Asked at its address on the network: most services publish no port.
container_serves() {
    local service address port
    read -r service address < <(docker inspect --format \
        '{{index .Config.Labels "com.docker.compose.service"}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$1")
    port=$(port_of "$service")
    [ -n "$port" ] || return 0
    answers "http://$address:$port/api/health" || answers "http://$address:$port/health"
}

all_serve() {
    local container
    for container in $(compose ps --all --quiet); do
        container_serves "$container" || return 1
    done
}

await_serving() {
    local deadline=$((SECONDS + wait_seconds))
    until all_serve; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            compose ps --all >&2
            fail "$dir does not serve after $wait_seconds s"
        fi
        sleep 0.1
    done
}

start_and_wait() {
    compose --progress quiet up --detach --quiet-pull || fail "docker compose up failed in $dir"
    await_serving
}

# Whatever became of the files: the containers and networks of the project go,
# the volume stays. Killed, because their state is thrown away or kept elsewhere.
# An engine may hold on to an endpoint of a container that was removed while it was starting: then
# the network stays until the engine is started again, and the next `up` takes it. Nothing else is passed over.
remove_network() {
    local said
    said=$(docker network rm "$1" 2>&1) && return
    [[ $said == *'has active endpoints'* && $(docker network inspect --format '{{len .Containers}}' "$1") == 0 ]] ||
        fail "$said"
}

remove_containers() {
    local project=$1 ids id
    ids=$(docker ps --all --quiet --filter "label=com.docker.compose.project=$project")
    # shellcheck disable=SC2086 # one word per container
    [ -z "$ids" ] || docker rm --force $ids >/dev/null
    ids=$(docker network ls --quiet --filter "label=com.docker.compose.project=$project")
    for id in $ids; do
        remove_network "$id"
    done
}
