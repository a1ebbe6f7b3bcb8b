#!/bin/bash
# A Docker engine of its own, with its own network, whose images are in the folder $1: what it starts ends with it. Is run by
# unshare, in namespaces of its own.
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
ip link set lo up

# Debian's own programs, whose Compose is not yet one of Docker's commands, and which build with BuildKit if they are told to.
mount -t tmpfs tmpfs /usr/local/bin
cat > /usr/local/bin/docker <<'END'
#!/bin/sh
export DOCKER_BUILDKIT=1 COMPOSE_DOCKER_CLI_BUILD=1 PYTHONUNBUFFERED=1
[ "$1" != compose ] || { shift && exec docker-compose "$@"; }
exec /usr/bin/docker "$@"
END
chmod +x /usr/local/bin/docker
exec dockerd --data-root "$1" > "$1.log" 2>&1
